// SPDX-License-Identifier: GPL-2.0-only
/* 6.14, 1e1a9cecfab3 "block: force noio scope in blk_mq_freeze_queue"; never to be dropped before 6.12 */
#include <linux/blk-mq.h>
void probe(struct request_queue *q);
void probe(struct request_queue *q)
{
	blk_mq_unfreeze_queue_nomemrestore(q);
}
