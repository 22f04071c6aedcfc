// SPDX-License-Identifier: GPL-2.0-only
/* 6.3, 94d095ffa0e1 "ftrace: abstract DYNAMIC_FTRACE_WITH_ARGS accesses"; drop with 6.1 */
#include <linux/ftrace.h>
unsigned long probe(struct ftrace_regs *fregs);
unsigned long probe(struct ftrace_regs *fregs)
{
	ftrace_regs_set_instruction_pointer(fregs, 0);
	return ftrace_regs_get_argument(fregs, 0);
}
