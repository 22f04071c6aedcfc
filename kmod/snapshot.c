// SPDX-License-Identifier: GPL-2.0-only
/*
 * DOC: one instant of several ranges
 *
 * bpfsnap_snapshot_create() goes the steps that uapi/bpfsnap.h lists.  What can
 * fail for lack of anything is done before the filesystems freeze; the images
 * appear after they have thawed, when there is something to see, and can be opened
 * once all are there.  Each step has its undo, and the undo of a step that did not
 * complete is to do nothing.  (Only the epoch stays where it is once it has moved:
 * blocks are then marked with a later epoch than need be, which reports too much,
 * never too little.)
 *
 * Snapshots of the same disk keep old content each for itself; the order of their ends
 * is free.  Whatever has to wait for I/O to free a snapshot waits in a worker: a
 * storage that hangs doesn't make its owner hang.
 */
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include "bpfsnap.h"
#include "bpfsnap_switch.h"
#include "trace.h"

/* Snapshots, also those that are being freed.  Changed under both locks. */
LIST_HEAD(bpfsnap_snapshots);
static struct workqueue_struct *end_wq;
/* Snapshots that are being freed, and who waits for them. */
static atomic_t ending = ATOMIC_INIT(0);
static DECLARE_WAIT_QUEUE_HEAD(ended);

enum {
	END_PATIENCE_MS	= 2000,
	SETTLE_MS	= 100,
};

bool bpfsnap_first_of_disk(const struct bpfsnap_snapshot *snap, u32 i)
{
	return i == 0 || snap->ranges[i - 1]->origin != snap->ranges[i]->origin;
}

static void open_gates(const struct bpfsnap_snapshot *snap, u32 nr)
{
	while (nr--)
		if (bpfsnap_first_of_disk(snap, nr))
			bpfsnap_gate_open(snap->ranges[nr]->origin);
}

static int close_gates(const struct bpfsnap_snapshot *snap, unsigned long deadline, u32 *ret_index)
{
	u32 i;
	int ret;

	for (i = 0; i < snap->nr_ranges; i++) {
		if (!bpfsnap_first_of_disk(snap, i))
			continue;
		*ret_index = i;
		bpfsnap_gate_close(snap->ranges[i]->origin);
		ret = bpfsnap_gate_drain(snap->ranges[i]->origin, deadline);
		if (ret) {
			open_gates(snap, i + 1);
			return ret;
		}
	}
	return 0;
}

/* All gates are closed and drained: counts are exact, and the epoch may change. */
static int switch_epoch(const struct bpfsnap_snapshot *snap, u32 epoch, u32 *ret_index)
{
	u32 i;

	for (i = 0; i < snap->nr_ranges; i++) {
		struct bpfsnap_range *range = snap->ranges[i];
		struct bpfsnap_passed passed = bpfsnap_gate_passed(range->origin);
		struct bpfsnap_switch sw = {
			.abi = BPFSNAP_SWITCH_ABI,
			.dev = range->origin->dev,
			.epoch = epoch,
			.gate_bios = passed.bios,
			.gate_sect = passed.sect,
		};

		*ret_index = i;
		trace_bpfsnap_switch(&sw);
		if (sw.ack != epoch)
			return -ENOPROTOOPT;
		range->info.gate_bios = sw.gate_bios;
		range->info.gate_sect = sw.gate_sect;
		range->info.track_bios = sw.track_bios;
		range->info.track_sect = sw.track_sect;
	}
	return 0;
}

static void arm(const struct bpfsnap_snapshot *snap)
{
	u32 i;

	for (i = 0; i < snap->nr_ranges; i++) {
		struct bpfsnap_range *range = snap->ranges[i];

		range->info.created_ns = ktime_get_real_ns();
		range->diskseq = READ_ONCE(range->origin->disk->diskseq);
		if (range->snap->copies_discards)
			WRITE_ONCE(range->origin->copies_discards, true);
		list_add_tail_rcu(&range->node, &range->origin->ranges);
	}
}

/* No write is copied for the snapshot any more, and nobody looks at its ranges. */
static void disarm(const struct bpfsnap_snapshot *snap)
{
	u32 i;

	for (i = 0; i < snap->nr_ranges; i++)
		list_del_rcu(&snap->ranges[i]->node);
	/* Whoever walks them has preemption off. */
	synchronize_rcu();
}

/*
 * A bio that passed may be the parent of one that waits for a copy: with the gate closed
 * between them, they would wait for the deadline.  So let the waiting ones through first;
 * under load there may always be one, so try, and no more.
 */
static void settle(const struct bpfsnap_snapshot *snap, unsigned long deadline)
{
	u32 i;

	for (i = 0; i < snap->nr_ranges; i++)
		if (bpfsnap_first_of_disk(snap, i))
			(void)bpfsnap_gate_settle(snap->ranges[i]->origin, deadline);
}

/* From freeze to thaw.  On failure everything is as before. */
static int hold(struct bpfsnap_snapshot *snap, struct bpfsnap_ioc_snap_create *arg,
		const struct bpfsnap_dev *freeze_devs, struct bpfsnap_freezer *freezer)
{
	unsigned long timeout = msecs_to_jiffies(arg->timeout_ms), deadline = jiffies + timeout;
	/* Reclaim would write to filesystems that are frozen, disks that are held. */
	unsigned int noio = memalloc_noio_save();
	ktime_t frozen = ktime_get(), begin;
	u32 slowest, i;
	int ret, thawed;

	arg->failed_step = BPFSNAP_STEP_FREEZE;
	ret = bpfsnap_freeze(freezer, snap, freeze_devs, arg->nr_freeze, deadline, &slowest);
	arg->failed_index = slowest;
	if (ret)
		goto thaw;

	arg->failed_step = BPFSNAP_STEP_DRAIN;
	settle(snap, jiffies + min(timeout / 4, msecs_to_jiffies(SETTLE_MS)));
	trace_bpfsnap_hold_begin(arg->epoch, snap->nr_ranges);
	begin = ktime_get();
	ret = close_gates(snap, deadline, &arg->failed_index);
	if (!ret) {
		arg->failed_step = BPFSNAP_STEP_SWITCH;
		ret = switch_epoch(snap, arg->epoch, &arg->failed_index);
		if (!ret)
			arm(snap);
		open_gates(snap, snap->nr_ranges);
	}
	arg->hold_ns = ktime_to_ns(ktime_sub(ktime_get(), begin));
	trace_bpfsnap_hold_end(arg->epoch, arg->hold_ns, ret);
thaw:
	/* Thawed too early, the filesystems were not frozen at the instant. */
	thawed = bpfsnap_thaw(freezer, &slowest);
	memalloc_noio_restore(noio);
	if (thawed && !ret) {
		disarm(snap);
		arg->failed_step = BPFSNAP_STEP_FREEZE;
		arg->failed_index = slowest;
		ret = thawed;
	}
	if (arg->nr_freeze)
		arg->frozen_ns = ktime_to_ns(ktime_sub(ktime_get(), frozen));
	for (i = 0; i < snap->nr_ranges; i++) {
		snap->ranges[i]->info.hold_ns = arg->hold_ns;
		snap->ranges[i]->info.frozen_ns = arg->frozen_ns;
	}
	return ret;
}

static int publish(const struct bpfsnap_snapshot *snap, u32 *ret_index)
{
	u32 i;
	int ret;

	for (i = 0; i < snap->nr_ranges; i++) {
		*ret_index = i;
		ret = bpfsnap_image_publish(snap->ranges[i]);
		if (ret)
			return ret;
	}
	for (i = 0; i < snap->nr_ranges; i++)
		bpfsnap_image_unend(snap->ranges[i]);
	return 0;
}

static void tell_ended(void)
{
	atomic_dec(&ending);
	wake_up_all(&ended);
}

/* All that others could need of what has been disarmed; waits for whatever has to be waited for. */
static void release(struct bpfsnap_snapshot *snap)
{
	u32 i;

	for (i = 0; i < snap->nr_ranges && snap->is_forced; i++)
		bpfsnap_image_settle(snap->ranges[i]);
	for (i = 0; i < snap->nr_ranges; i++)
		bpfsnap_cow_await(snap->ranges[i]);
	for (i = 0; i < snap->nr_stores; i++)
		bpfsnap_store_stop(snap->stores[i]);
	mutex_lock(&bpfsnap_lock);
	/* Until here, blocks of a pinned store belong to it, and other snapshots hide them. */
	for (i = 0; i < snap->nr_stores; i++)
		bpfsnap_unpin(snap->stores[i]);
	mutex_lock(&bpfsnap_list_lock);
	list_del(&snap->list);
	mutex_unlock(&bpfsnap_list_lock);
	mutex_unlock(&bpfsnap_lock);
	for (i = 0; i < snap->nr_stores; i++)
		bpfsnap_store_free(snap->stores[i]);
	for (i = 0; i < snap->nr_ranges; i++)
		bpfsnap_range_leave(snap->ranges[i]);
	bpfsnap_cow_free_used(snap);
}

/* Those that nobody has open, or all; until then they answer with errors. */
static void destroy_images(struct bpfsnap_snapshot *snap, bool all)
{
	u32 i;

	for (i = 0; i < snap->nr_ranges; i++) {
		struct bpfsnap_range *range = snap->ranges[i];

		if (!range->image || (!all && READ_ONCE(range->openers)))
			continue;
		bpfsnap_image_await_close(range);
		bpfsnap_image_destroy(range);
	}
}

static void end_work(struct work_struct *work)
{
	struct bpfsnap_snapshot *snap = container_of(work, struct bpfsnap_snapshot, end_work);
	bool is_forced = snap->is_forced;
	u32 i;

	release(snap);
	if (is_forced) {
		tell_ended();
		destroy_images(snap, false);
		destroy_images(snap, true);
	}
	for (i = 0; i < snap->nr_ranges; i++)
		kfree(snap->ranges[i]);
	kfree(snap);
	/* bpfsnap_snapshot_exit() waits for this function to return. */
	module_put(THIS_MODULE);
	if (!is_forced)
		tell_ended();
}

/* Usually it takes no time; whoever detaches next should not find the disk busy. */
static void await_end(void)
{
	mutex_unlock(&bpfsnap_lock);
	wait_event_timeout(ended, !atomic_read(&ending), msecs_to_jiffies(END_PATIENCE_MS));
	mutex_lock(&bpfsnap_lock);
}

/* The images are gone, nothing is armed: the rest may take its time. */
static void end(struct bpfsnap_snapshot *snap)
{
	u32 i;

	lockdep_assert_held(&bpfsnap_lock);
	WRITE_ONCE(snap->is_ending, true);
	for (i = 0; i < snap->nr_ranges && !snap->is_forced; i++)
		bpfsnap_image_destroy(snap->ranges[i]);
	__module_get(THIS_MODULE);
	atomic_inc(&ending);
	queue_work(end_wq, &snap->end_work);
}

static struct bpfsnap_snapshot *find(const u8 *id)
{
	struct bpfsnap_snapshot *snap;

	/* Nobody frees it under either of them. */
	lockdep_assert(lockdep_is_held(&bpfsnap_lock) || lockdep_is_held(&bpfsnap_list_lock));
	list_for_each_entry(snap, &bpfsnap_snapshots, list)
		if (!READ_ONCE(snap->is_ending) && !memcmp(snap->id, id, sizeof(snap->id)))
			return snap;
	return NULL;
}

static struct bpfsnap_snapshot *new_snapshot(const struct bpfsnap_ioc_snap_create *arg)
{
	struct bpfsnap_snapshot *snap = kzalloc(sizeof(*snap), GFP_KERNEL);

	if (!snap)
		return NULL;
	memcpy(snap->id, arg->id, sizeof(snap->id));
	snap->writable = arg->flags & BPFSNAP_SNAP_WRITABLE;
	snap->copies_discards = arg->flags & BPFSNAP_SNAP_COPY_DISCARDS;
	snap->max_pages = (arg->memory_bytes ?: BPFSNAP_MEMORY_DEFAULT_BYTES) >> PAGE_SHIFT;
	spin_lock_init(&snap->used_lock);
	INIT_WORK(&snap->end_work, end_work);
	return snap;
}

static void tell(const struct bpfsnap_snapshot *snap, struct bpfsnap_snap_device *devices)
{
	u32 i;

	for (i = 0; i < snap->nr_ranges; i++) {
		const struct bpfsnap_snap_info *info = &snap->ranges[i]->info;

		devices[i].image_major = info->image_major;
		devices[i].image_minor = info->image_minor;
		devices[i].gate_bios = info->gate_bios;
		devices[i].gate_sect = info->gate_sect;
		devices[i].track_bios = info->track_bios;
		devices[i].track_sect = info->track_sect;
	}
}

static int create(struct bpfsnap_snapshot *snap, struct bpfsnap_ioc_snap_create *arg,
		  const struct bpfsnap_snap_device *devices,
		  const struct bpfsnap_dev *freeze_devs)
{
	struct bpfsnap_freezer *freezer = bpfsnap_freezer_new(arg->nr_freeze);
	u32 i;
	int ret = -ENOMEM;

	if (!freezer)
		return ret;
	for (i = 0; i < arg->nr_devices; i++) {
		arg->failed_index = i;
		ret = bpfsnap_range_make(snap, arg, &devices[i], &arg->failed_step);
		if (ret)
			goto free;
	}
	ret = bpfsnap_ranges_check(snap, &arg->failed_step, &arg->failed_index);
	if (ret)
		goto free;
	ret = hold(snap, arg, freeze_devs, freezer);
	if (ret)
		goto free;
	arg->failed_step = BPFSNAP_STEP_IMAGE;
	ret = publish(snap, &arg->failed_index);
	if (ret)
		disarm(snap);
free:
	bpfsnap_freezer_free(freezer);
	return ret;
}

int bpfsnap_snapshot_create(struct bpfsnap_ioc_snap_create *arg,
			    struct bpfsnap_snap_device *devices,
			    const struct bpfsnap_dev *freeze_devs)
{
	struct bpfsnap_snapshot *snap;
	int ret;

	lockdep_assert_held(&bpfsnap_lock);
	arg->failed_step = BPFSNAP_STEP_NONE;
	arg->failed_index = 0;
	if (find(arg->id))
		return -EEXIST;
	snap = new_snapshot(arg);
	if (!snap)
		return -ENOMEM;
	ret = create(snap, arg, devices, freeze_devs);
	/* In the list also if it failed: its storage is its own until it is freed. */
	WRITE_ONCE(snap->is_ending, ret != 0);
	mutex_lock(&bpfsnap_list_lock);
	list_add_tail(&snap->list, &bpfsnap_snapshots);
	mutex_unlock(&bpfsnap_list_lock);
	if (ret) {
		end(snap);
		await_end();
		return ret;
	}
	tell(snap, devices);
	arg->failed_step = BPFSNAP_STEP_NONE;
	arg->failed_index = 0;
	return 0;
}

int bpfsnap_snapshot_destroy(const struct bpfsnap_ioc_snap_destroy *arg)
{
	struct bpfsnap_snapshot *snap = find(arg->id);
	u32 i;

	lockdep_assert_held(&bpfsnap_lock);
	if (!snap)
		return -ENOENT;
	for (i = 0; i < snap->nr_ranges; i++)
		if (!bpfsnap_image_end(snap->ranges[i], arg->flags & BPFSNAP_DESTROY_FORCE))
			goto busy;
	/* Nobody opens one any more. */
	for (i = 0; i < snap->nr_ranges; i++)
		snap->is_forced |= READ_ONCE(snap->ranges[i]->openers) != 0;
	for (i = 0; i < snap->nr_ranges && snap->is_forced; i++)
		bpfsnap_range_fail(snap->ranges[i], -ESHUTDOWN, BPFSNAP_FAILURE_FORCED,
				   snap->ranges[i]->start_sect);
	disarm(snap);
	end(snap);
	await_end();
	return 0;

busy:
	while (i--)
		bpfsnap_image_unend(snap->ranges[i]);
	return -EBUSY;
}

int bpfsnap_snapshot_extend(const struct bpfsnap_ioc_snap_extend *arg)
{
	struct bpfsnap_snapshot *snap = find(arg->id);

	/* Writers may be waiting for it: not for a disk that drains. */
	lockdep_assert_held(&bpfsnap_list_lock);
	if (!snap || arg->index >= snap->nr_ranges)
		return -ENOENT;
	return bpfsnap_store_extend(snap->ranges[arg->index]->store, arg->limit_bytes);
}

/* Some of it may be a moment old: nothing is locked. */
void bpfsnap_snapshot_describe(struct bpfsnap_range *range, struct bpfsnap_snap_info *info)
{
	const struct bpfsnap_store *store = range->store;

	/* A disk that has become smaller may grow again, with other content. */
	if (!bpfsnap_range_has_disk(range))
		bpfsnap_range_fail(range, -ENODEV, BPFSNAP_FAILURE_DISK_GONE, range->start_sect);
	*info = range->info;
	info->error = -READ_ONCE(range->error);
	info->reason = range->reason;
	info->failed_sect = range->failed_sect;
	info->failed_ns = range->failed_ns;
	info->copied_bytes = (u64)atomic64_read(&range->copied_chunks) << BPFSNAP_CHUNK_SHIFT;
	info->dropped_discards = atomic64_read(&range->dropped_discards);
	info->memory_bytes = (u64)atomic_read(&range->snap->pages) << PAGE_SHIFT;
	info->index_bytes = READ_ONCE(range->index.nr_extents) * sizeof(struct bpfsnap_extent);
	info->store_major = MAJOR(bpfsnap_store_dev(store));
	info->store_minor = MINOR(bpfsnap_store_dev(store));
	info->store_used_bytes = READ_ONCE(store->next_slot) << BPFSNAP_CHUNK_SHIFT;
	info->store_limit_bytes = READ_ONCE(store->nr_slots) << BPFSNAP_CHUNK_SHIFT;
}

u32 bpfsnap_snapshot_list(void *items, u32 room)
{
	struct bpfsnap_snap_info *infos = items;
	struct bpfsnap_snapshot *snap;
	u32 nr = 0, i;

	lockdep_assert_held(&bpfsnap_list_lock);
	list_for_each_entry(snap, &bpfsnap_snapshots, list) {
		if (READ_ONCE(snap->is_ending))
			continue;
		for (i = 0; i < snap->nr_ranges; i++, nr++)
			if (nr < room)
				bpfsnap_snapshot_describe(snap->ranges[i], &infos[nr]);
	}
	return nr;
}

int bpfsnap_snapshot_init(void)
{
	end_wq = alloc_workqueue("bpfsnap-end", WQ_UNBOUND, 0);
	return end_wq ? 0 : -ENOMEM;
}

void bpfsnap_snapshot_exit(void)
{
	destroy_workqueue(end_wq);
}
