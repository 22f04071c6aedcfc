// SPDX-License-Identifier: GPL-2.0-only
/*
 * DOC: attaching and detaching a disk
 *
 * Writes that were on their way before the gate existed are unknown to it, and
 * attaching waits for their end:
 *
 *  - tasks between the place of the hook and the queue have slept or left the
 *    kernel since, when RCU tasks say so;
 *  - below md, the device mapper or bcache, tasks that sleep at another disk may have bios
 *    for this one on their stacks, for as long as they sleep: each is waited for until it has
 *    none at all;
 *  - the queue is frozen, which waits for all that is in it: requests, or tasks that
 *    are in a bio-based driver, asleep or not.  Twice: a task may have slept at a queue
 *    that somebody else had frozen; it is in the queue before RCU tasks let us go on;
 *  - a bio-based driver accounts the writes that it has taken; the gate is closed until
 *    it shows none.  Where a driver accounts nothing, attaching is refused;
 *  - the device mapper accounts late, if a target keeps a bio first: the daemon has it
 *    flush itself by suspending and resuming it, before any snapshot.
 */
#include <linux/ctype.h>
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/part_stat.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/suspend.h>
#include <linux/blk-integrity.h>
#include "bpfsnap.h"

enum {
	DETACH_TIMEOUT_MS	= 5000,
	REAP_PATIENCE_MS	= 1000,
};

DEFINE_MUTEX(bpfsnap_lock);
DEFINE_MUTEX(bpfsnap_list_lock);
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

/* Is @disk called @prefix and a number, or a name as arrays may have (md_NAME)? */
static bool is_called(const struct gendisk *disk, const char *prefix)
{
	size_t len = str_has_prefix(disk->disk_name, prefix);

	return len && (isdigit(disk->disk_name[len]) || disk->disk_name[len] == '_');
}

/* Does a bio-based disk tell how many writes are in flight? */
static bool accounts_inflight(const struct gendisk *disk)
{
	/* These account always, or complete a write before its submission returns. */
	static const char * const always[] = { BPFSNAP_ACCOUNTS_ALWAYS };
	/* These do where iostats are on. */
	static const char * const mostly[] = { "md", "dm-" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(always); i++)
		if (is_called(disk, always[i]))
			return true;
	for (i = 0; i < ARRAY_SIZE(mostly); i++)
		if (is_called(disk, mostly[i]))
			return blk_queue_io_stat(disk->queue);
	return false;
}

int bpfsnap_origin_check(struct block_device *bdev)
{
	struct gendisk *disk = bdev->bd_disk;

	if (bdev_is_partition(bdev))
		return -EINVAL;
	if (!bdev_nr_sectors(bdev))
		return -ENOSPC;
	if (get_disk_ro(disk))
		return -EROFS;
	if (bdev_logical_block_size(bdev) > BPFSNAP_CHUNK_BYTES)
		return -EOPNOTSUPP;
	if (!queue_is_mq(disk->queue) && !accounts_inflight(disk))
		return -EOPNOTSUPP;
	if (bpfsnap_writes_without_bio(disk))
		return -EOPNOTSUPP;
	if (bdev_is_zoned(bdev) || blk_queue_dax(disk->queue) || blk_get_integrity(disk) ||
	    bpfsnap_inline_crypto(disk->queue))
		return -EOPNOTSUPP;
	return 0;
}

static long writes_inflight(struct gendisk *disk)
{
	struct block_device *part;
	unsigned long idx;
	long sum = 0;
	int cpu;

	/* A bio through a partition is accounted to the partition alone. */
	rcu_read_lock();
	xa_for_each(&disk->part_tbl, idx, part)
		for_each_possible_cpu(cpu)
			sum += part_stat_local_read_cpu(part, in_flight[1], cpu);
	rcu_read_unlock();
	return sum;
}

static int freeze_queue_once(struct request_queue *q, unsigned long deadline)
{
	long left = deadline - jiffies;

	blk_freeze_queue_start(q);
	left = blk_mq_freeze_queue_wait_timeout(q, left > 0 ? left : 1);
	blk_mq_unfreeze_queue_nomemrestore(q);
	return left > 0 ? 0 : -ETIMEDOUT;
}

/* Does another driver send bios on to @disk? */
static bool is_below(struct gendisk *disk)
{
	bool has_claims = false, is_below = false;
	struct block_device *part;
	unsigned long idx;

	rcu_read_lock();
	xa_for_each(&disk->part_tbl, idx, part) {
		if (!bdev_is_partition(part) || !READ_ONCE(part->bd_holder))
			continue;
		has_claims = true;
		is_below |= !bpfsnap_is_mounted(part);
	}
	rcu_read_unlock();
	/* With a partition that is claimed, the disk's own holder is a mark. */
	part = disk->part0;
	return is_below || (!has_claims && READ_ONCE(part->bd_holder) && !bpfsnap_is_mounted(part));
}

/* The tasks that are in a submission now, or NULL without memory. */
static struct task_struct **find_submitters(u32 *ret_nr)
{
	struct task_struct *process, *task, **tasks;
	u32 room = 64, nr;

	for (;; room = nr) {
		tasks = kvcalloc(room, sizeof(*tasks), GFP_KERNEL);
		if (!tasks)
			return NULL;
		nr = 0;
		rcu_read_lock();
		for_each_process_thread(process, task) {
			if (!READ_ONCE(task->bio_list))
				continue;
			if (nr < room)
				tasks[nr] = get_task_struct(task);
			nr++;
		}
		rcu_read_unlock();
		*ret_nr = min(nr, room);
		if (nr <= room)
			return tasks;
		while (room)
			put_task_struct(tasks[--room]);
		kvfree(tasks);
	}
}

/* Wait for those that may have bios on their stacks which passed before the hook knew the disk. */
static int await_submitters(unsigned long deadline)
{
	struct task_struct **tasks;
	int ret = 0;
	u32 nr, i;

	tasks = find_submitters(&nr);
	if (!tasks)
		return -ENOMEM;
	while (nr && !ret) {
		for (i = 0; i < nr; ) {
			if (READ_ONCE(tasks[i]->bio_list)) {
				i++;
				continue;
			}
			put_task_struct(tasks[i]);
			tasks[i] = tasks[--nr];
		}
		/* Often: those that are busy have none for some microseconds only. */
		if (nr)
			usleep_range(50, 100);
		if (nr && time_after(jiffies, deadline))
			ret = -ETIMEDOUT;
	}
	while (nr)
		put_task_struct(tasks[--nr]);
	kvfree(tasks);
	return ret;
}

/* Wait for the writes that passed before the hook knew the disk; its gate is open. */
static int drain_unknown(struct bpfsnap_origin *origin, unsigned long deadline)
{
	struct request_queue *q = origin->disk->queue;
	int ret = 0;

	synchronize_rcu_tasks();
	if (is_below(origin->disk))
		ret = await_submitters(deadline);
	if (!ret)
		ret = freeze_queue_once(q, deadline);
	if (ret)
		return ret;
	/* Nobody else's freeze may last over both of ours, with a task asleep before it. */
	while (READ_ONCE(q->mq_freeze_depth)) {
		if (time_after(jiffies, deadline))
			return -ETIMEDOUT;
		msleep(1);
	}
	synchronize_rcu_tasks();
	ret = freeze_queue_once(q, deadline);
	if (ret || queue_is_mq(q))
		return ret;
	/* New writes would hide the old ones. */
	bpfsnap_gate_close(origin);
	while (writes_inflight(origin->disk) > 0) {
		if (time_after(jiffies, deadline)) {
			ret = -ETIMEDOUT;
			break;
		}
		msleep(1);
	}
	bpfsnap_gate_open(origin);
	return ret;
}

static struct workqueue_struct *reap_wq;
static atomic_t reaping = ATOMIC_INIT(0);
static DECLARE_WAIT_QUEUE_HEAD(reaped);

/* What passed, or is on its way back, comes back to us, in its own time. */
static void reap_origin(struct work_struct *work)
{
	struct bpfsnap_origin *origin = container_of(work, struct bpfsnap_origin, reap);

	bpfsnap_gate_leave(origin);
	while (bpfsnap_gate_drain(origin, jiffies + HZ))
		;
	bpfsnap_gate_destroy(origin);
	bpfsnap_bdev_close(origin->bdev);
	kfree(origin);
	/* bpfsnap_origin_exit() waits for this function to return. */
	module_put(THIS_MODULE);
	atomic_dec(&reaping);
	wake_up(&reaped);
}

/* The hook does not know it any more, the gate is closed. */
static void let_go(struct bpfsnap_origin *origin)
{
	INIT_WORK(&origin->reap, reap_origin);
	atomic_inc(&reaping);
	queue_work(reap_wq, &origin->reap);
	/* In general there is nothing to wait for, and the caller may unload us next. */
	wait_event_timeout(reaped, !atomic_read(&reaping), msecs_to_jiffies(REAP_PATIENCE_MS));
}

static bool is_hibernating;		/* protected by bpfsnap_list_lock */

/*
 * The image of memory is written to the swap by a kernel whose memory is gone afterwards: the
 * marks and copies of these writes with it, and what counts them.
 */
static int refuse_hibernation(struct notifier_block *block, unsigned long event, void *data)
{
	if (event != PM_HIBERNATION_PREPARE && event != PM_POST_HIBERNATION)
		return NOTIFY_DONE;
	mutex_lock(&bpfsnap_list_lock);
	is_hibernating = event == PM_HIBERNATION_PREPARE && list_empty(&bpfsnap_origins);
	mutex_unlock(&bpfsnap_list_lock);
	if (event == PM_POST_HIBERNATION || is_hibernating)
		return NOTIFY_OK;
	pr_notice("no hibernation while disks are attached: what is written to the swap then would be missed\n");
	return notifier_from_errno(-EBUSY);
}

static struct notifier_block hibernation = { .notifier_call = refuse_hibernation };

int bpfsnap_origin_init(void)
{
	int ret;

	reap_wq = alloc_workqueue("bpfsnap-reap", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	if (!reap_wq)
		return -ENOMEM;
	ret = register_pm_notifier(&hibernation);
	if (ret)
		destroy_workqueue(reap_wq);
	return ret;
}

void bpfsnap_origin_exit(void)
{
	unregister_pm_notifier(&hibernation);
	destroy_workqueue(reap_wq);
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
	ret = bpfsnap_origin_check(bpfsnap_bdev(origin->bdev));
	if (ret)
		goto close;
	ret = bpfsnap_gate_create(origin);
	if (ret)
		goto close;

	/* An attached disk pins the module; the caller's open file does so until here. */
	__module_get(THIS_MODULE);
	origin->attaching = true;
	bpfsnap_hook_add(origin);
	ret = drain_unknown(origin, deadline);
	if (ret)
		goto unhook;
	WRITE_ONCE(origin->attaching, false);
	mutex_lock(&bpfsnap_list_lock);
	if (is_hibernating)
		ret = -EAGAIN;
	else
		list_add_tail(&origin->list, &bpfsnap_origins);
	mutex_unlock(&bpfsnap_list_lock);
	if (!ret)
		return 0;

unhook:
	/* Unhooked first: nothing is held while what passed comes to its end. */
	bpfsnap_hook_del(origin);
	bpfsnap_gate_close(origin);
	let_go(origin);
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
	unsigned long deadline = jiffies + msecs_to_jiffies(DETACH_TIMEOUT_MS);
	int ret;

	lockdep_assert_held(&bpfsnap_lock);
	if (!origin)
		return -ENODEV;
	if (atomic_read(&origin->users))
		return -EBUSY;

	/* What has passed, or is on its way back, comes back to us: none may be left. */
	ret = bpfsnap_gate_settle(origin, deadline);
	if (ret)
		return ret;
	bpfsnap_gate_close(origin);
	ret = bpfsnap_gate_drain(origin, deadline);
	if (ret) {
		bpfsnap_gate_open(origin);
		return ret;
	}
	bpfsnap_hook_del(origin);
	mutex_lock(&bpfsnap_list_lock);
	list_del(&origin->list);
	mutex_unlock(&bpfsnap_list_lock);
	let_go(origin);
	return 0;
}
