// SPDX-License-Identifier: GPL-2.0-only
#include <linux/blkdev.h>
void *probe(struct bio *bio);
void *probe(struct bio *bio)
{
	return bio->bi_no_such_field;
}
