// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ends a window of tests/bench/count-insns.c: one instruction that does nothing, by which
 * the counter outside of the machine knows it.
 */
#include <stdlib.h>

int main(void)
{
	asm volatile("nopl 0x62706673(%%rax,%%rax,1)" ::: "memory");
	return EXIT_SUCCESS;
}
