// SPDX-License-Identifier: GPL-2.0-only
/* until 6.3, 3222d8c2a7f8 "block: remove ->rw_page"; drop with 6.1 */
#include <linux/blkdev.h>
bool probe(const struct gendisk *disk);
bool probe(const struct gendisk *disk)
{
	return disk->fops->rw_page;
}
