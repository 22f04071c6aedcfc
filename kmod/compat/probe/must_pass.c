// SPDX-License-Identifier: GPL-2.0-only
#include <linux/blkdev.h>
struct block_device *probe(struct bio *bio);
struct block_device *probe(struct bio *bio)
{
	return bio->bi_bdev;
}
