/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What may the word be that the user has begun?
 */
#ifndef _BPFSNAP_CLI_COMPLETE_H
#define _BPFSNAP_CLI_COMPLETE_H

#include "cli.h"

/* Lines that tell the shell to look for names of files, or directories, by itself. */
#define COMPLETE_FILES	"@files"
#define COMPLETE_DIRS	"@directories"

/*
 * "complete -- WORD...": prints the words that may stand in place of the last one, a line
 * each.  For shells; in no help.
 */
int cmd_complete(struct cli *cli, int argc, char **argv);

#endif /* _BPFSNAP_CLI_COMPLETE_H */
