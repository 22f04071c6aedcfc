// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where does the command start?  Apart from the rest, for tests to link that.
 */
#include "cli.h"

int main(int argc, char **argv)
{
	return cli_main(argc, argv);
}
