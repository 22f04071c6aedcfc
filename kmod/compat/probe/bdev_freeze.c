// SPDX-License-Identifier: GPL-2.0-only
/* 6.8, 982c3b3058433 "bdev: rename freeze and thaw helpers"; drop with 6.1 */
#include <linux/blkdev.h>
int probe(struct block_device *bdev);
int probe(struct block_device *bdev)
{
	return bdev_freeze(bdev) ?: bdev_thaw(bdev);
}
