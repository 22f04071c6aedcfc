// SPDX-License-Identifier: GPL-2.0-only
/*
 * DOC: attaching and detaching a disk
 *
 * Writes that were on their way before the gate existed are unknown to it.  So
 * the gate starts closed, and opens once those have ended: tasks that had passed
 * the place of the hook have scheduled since (RCU tasks), the queue of a
 * request-based disk was frozen once, the accounting of a bio-based disk has
 * shown none in flight.
 */
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/part_stat.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/blk-integrity.h>
#include "bpfsnap.h"

enum { DETACH_TIMEOUT_MS = 5000 };

DEFINE_MUTEX(bpfsnap_lock);
LIST_HEAD(bpfsnap_origins);

struct bpfsnap_origin *bpfsnap_origin_find(dev_t dev)
{
	struct bpfsnap_origin *origin;

	lockdep_assert_held(&bpfsnap_lock);
	list_for_each_entry(origin, &bpfsnap_origins, list)
		if (origin->dev == dev)
			return origin;
	return NULL;
}

/* What can't be tracked and copied rightly is refused. */
static int check_disk(struct block_device *bdev)
{
	struct gendisk *disk = bdev->bd_disk;

	if (bdev_is_partition(bdev))
		return -EINVAL;
	if (!bdev_nr_sectors(bdev))
		return -ENOSPC;
	if (get_disk_ro(disk))
		return -EROFS;
	if (bdev_is_zoned(bdev) || blk_queue_dax(disk->queue) || blk_get_integrity(disk) ||
	    bpfsnap_inline_crypto(disk->queue))
		return -EOPNOTSUPP;
	return 0;
}

static unsigned long accounted_inflight(struct block_device *bdev)
{
	long sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += part_stat_local_read_cpu(bdev, in_flight[0], cpu) +
		       part_stat_local_read_cpu(bdev, in_flight[1], cpu);
	return sum > 0 ? sum : 0;
}

/* Wait for the writes that passed before the hook knew the disk; its gate is closed. */
static int drain_unknown(struct bpfsnap_origin *origin, unsigned long deadline)
{
	struct request_queue *q = origin->disk->queue;
	long left;

	/* Whoever was between the hook and the queue has slept or left since. */
	synchronize_rcu_tasks();
	if (queue_is_mq(q)) {
		left = (long)(deadline - jiffies);
		blk_freeze_queue_start(q);
		left = blk_mq_freeze_queue_wait_timeout(q, left > 0 ? left : 1);
		blk_mq_unfreeze_queue_nomemrestore(q);
		return left > 0 ? 0 : -ETIMEDOUT;
	}
	while (accounted_inflight(origin->disk->part0)) {
		if (time_after(jiffies, deadline))
			return -ETIMEDOUT;
		msleep(1);
	}
	return 0;
}

static void release_held(struct bpfsnap_origin *origin)
{
	/*
	 * The hook does not know the disk any more, so what still waits goes on by
	 * itself: the worker must not be asked, it would pass it through the gate.
	 */
	struct bio *bio;

	flush_workqueue(origin->wq);
	while ((bio = bio_list_pop(&origin->refused)))
		bio_wouldblock_error(bio);
	while ((bio = bio_list_pop(&origin->waiting)))
		submit_bio_noacct(bio);
}

static void free_origin(struct bpfsnap_origin *origin)
{
	bpfsnap_gate_destroy(origin);
	bpfsnap_bdev_close(origin->bdev);
	kfree(origin);
	module_put(THIS_MODULE);
}

int bpfsnap_origin_attach(const struct bpfsnap_ioc_attach *arg)
{
	unsigned long deadline = jiffies + msecs_to_jiffies(arg->timeout_ms);
	dev_t dev = MKDEV(arg->major, arg->minor);
	struct bpfsnap_origin *origin;
	int ret;

	lockdep_assert_held(&bpfsnap_lock);
	if (bpfsnap_origin_find(dev))
		return -EEXIST;

	origin = kzalloc(sizeof(*origin), GFP_KERNEL);
	if (!origin)
		return -ENOMEM;
	origin->bdev = bpfsnap_bdev_open(dev);
	if (IS_ERR(origin->bdev)) {
		ret = PTR_ERR(origin->bdev);
		/* Not there, or without a driver: one reason for the caller. */
		if (ret == -ENXIO || ret == -ENOENT)
			ret = -ENODEV;
		goto free;
	}
	origin->disk = bpfsnap_bdev(origin->bdev)->bd_disk;
	origin->dev = dev;
	ret = check_disk(bpfsnap_bdev(origin->bdev));
	if (ret)
		goto close;
	ret = bpfsnap_gate_create(origin);
	if (ret)
		goto close;

	/* An attached disk pins the module; the caller's open file does so until here. */
	__module_get(THIS_MODULE);
	bpfsnap_gate_close(origin);
	bpfsnap_hook_add(origin);
	ret = drain_unknown(origin, deadline);
	if (ret)
		goto unhook;
	list_add_tail(&origin->list, &bpfsnap_origins);
	bpfsnap_gate_open(origin);
	return 0;

unhook:
	bpfsnap_hook_del(origin);
	release_held(origin);
	free_origin(origin);
	return ret;
close:
	bpfsnap_bdev_close(origin->bdev);
free:
	kfree(origin);
	return ret;
}

int bpfsnap_origin_detach(const struct bpfsnap_ioc_detach *arg)
{
	struct bpfsnap_origin *origin = bpfsnap_origin_find(MKDEV(arg->major, arg->minor));
	int ret;

	lockdep_assert_held(&bpfsnap_lock);
	if (!origin)
		return -ENODEV;
	if (!list_empty(&origin->ranges))
		return -EBUSY;

	/* Completions of what passed come back to us: none may be left. */
	bpfsnap_gate_close(origin);
	ret = bpfsnap_gate_drain(origin, jiffies + msecs_to_jiffies(DETACH_TIMEOUT_MS));
	if (ret) {
		bpfsnap_gate_open(origin);
		return ret;
	}
	bpfsnap_hook_del(origin);
	list_del(&origin->list);
	release_held(origin);
	free_origin(origin);
	return 0;
}
