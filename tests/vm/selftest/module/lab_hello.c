// SPDX-License-Identifier: GPL-2.0-only
/*
 * Can a module that was built against the laboratory's headers be loaded, and
 * does the laboratory notice when a module warns?
 */
#include <linux/bug.h>
#include <linux/module.h>

static bool warn;
module_param(warn, bool, 0444);
MODULE_PARM_DESC(warn, "run into a WARN_ON() while loading");

static int __init lab_hello_init(void)
{
	WARN_ON(warn);
	pr_info("lab_hello: loaded\n");
	return 0;
}

static void __exit lab_hello_exit(void)
{
}

module_init(lab_hello_init);
module_exit(lab_hello_exit);

MODULE_DESCRIPTION("bpfsnap laboratory: a module that may warn");
MODULE_LICENSE("GPL");
