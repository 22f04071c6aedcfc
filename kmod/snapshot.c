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
 * One snapshot is held at a time.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include "bpfsnap.h"
#include "bpfsnap_switch.h"
#include "trace.h"

struct snapshot {
	u32 nr_ranges;
	struct bpfsnap_range *ranges[];
};

/* Changed under bpfsnap_lock. */
static struct snapshot *held;

/* Is this range the first of its disk?  Ranges of one disk stand together. */
static bool first_of_disk(const struct snapshot *snap, u32 i)
{
	return i == 0 || snap->ranges[i - 1]->origin != snap->ranges[i]->origin;
}

/*
 * The storage may not live on a disk of the snapshot: its own writes would have to
 * be copied to itself.  What the file's filesystem can't tell (devices stacked
 * under it), the daemon has looked for.
 */
static int check_store(const struct bpfsnap_range *range, const struct bpfsnap_snap_device *devices,
		       u32 nr_devices)
{
	struct inode *inode = file_inode(range->store);
	const struct block_device *below = inode->i_sb->s_bdev;
	u32 i;

	if (!S_ISREG(inode->i_mode) || i_size_read(inode))
		return -EINVAL;
	/* Chunks would land at the end; or the buffer would have to be user memory. */
	if (range->store->f_flags & (O_APPEND | O_DIRECT))
		return -EINVAL;
	if (!(range->store->f_mode & FMODE_READ) || !(range->store->f_mode & FMODE_WRITE) ||
	    !(range->store->f_mode & FMODE_CAN_WRITE) || !(range->store->f_mode & FMODE_CAN_READ))
		return -EBADF;
	if (range->nr_sect << SECTOR_SHIFT > inode->i_sb->s_maxbytes)
		return -EFBIG;
	for (i = 0; below && i < nr_devices; i++)
		if (below->bd_disk->part0->bd_dev == MKDEV(devices[i].major, devices[i].minor))
			return -EXDEV;
	return 0;
}

/* Frees ranges whose storage hangs: that must not make the caller hang. */
static struct workqueue_struct *end_wq;

static void end_range(struct bpfsnap_range *range)
{
	bpfsnap_cow_done(range);
	fput(range->store);
	kfree(range);
}

static void end_late_range(struct work_struct *work)
{
	end_range(container_of(work, struct bpfsnap_range, end_work));
	/* bpfsnap_snapshot_exit() waits for this function to return. */
	module_put(THIS_MODULE);
}

static void free_range(struct bpfsnap_range *range)
{
	bpfsnap_image_destroy(range);
	if (range->store_late) {
		__module_get(THIS_MODULE);
		INIT_WORK(&range->end_work, end_late_range);
		queue_work(end_wq, &range->end_work);
	} else {
		end_range(range);
	}
}

/* Everything of a range that needs memory.  Nobody sees it yet. */
static struct bpfsnap_range *make_range(const struct bpfsnap_ioc_snap_create *arg,
					const struct bpfsnap_snap_device *devices, u32 i,
					u32 *ret_step)
{
	const struct bpfsnap_snap_device *device = &devices[i];
	struct bpfsnap_range *range;
	u64 disk_sect, lbs_sect;
	int ret;

	*ret_step = BPFSNAP_STEP_NONE;
	range = kzalloc(sizeof(*range), GFP_KERNEL);
	if (!range)
		return ERR_PTR(-ENOMEM);

	*ret_step = BPFSNAP_STEP_ORIGIN;
	ret = -ENODEV;
	range->origin = bpfsnap_origin_find(MKDEV(device->major, device->minor));
	if (!range->origin)
		goto free;
	if (!disk_live(range->origin->disk))
		goto free;
	ret = -EINVAL;
	lbs_sect = queue_logical_block_size(range->origin->disk->queue) >> SECTOR_SHIFT;
	if ((device->start_sect | device->nr_sect) & (lbs_sect - 1))
		goto free;
	ret = -ERANGE;
	disk_sect = get_capacity(range->origin->disk);
	if (!device->nr_sect || device->start_sect >= disk_sect ||
	    device->nr_sect > disk_sect - device->start_sect)
		goto free;
	range->start_sect = device->start_sect;
	range->nr_sect = device->nr_sect;

	*ret_step = BPFSNAP_STEP_STORE;
	ret = -EBADF;
	range->store = fget(device->store_fd);
	if (!range->store)
		goto free;
	ret = check_store(range, devices, arg->nr_devices);
	if (ret)
		goto put_store;

	*ret_step = BPFSNAP_STEP_NONE;
	ret = bpfsnap_cow_init(range);
	if (ret)
		goto put_store;
	*ret_step = BPFSNAP_STEP_IMAGE;
	ret = bpfsnap_image_create(range);
	if (ret)
		goto cow_done;

	memcpy(range->info.id, arg->id, sizeof(arg->id));
	range->info.major = device->major;
	range->info.minor = device->minor;
	range->info.start_sect = device->start_sect;
	range->info.nr_sect = device->nr_sect;
	range->info.epoch = arg->epoch;
	range->info.image_major = range->image->major;
	range->info.image_minor = range->image->first_minor;
	return range;

cow_done:
	bpfsnap_cow_done(range);
put_store:
	fput(range->store);
free:
	kfree(range);
	return ERR_PTR(ret);
}

/* Ranges of one disk stand together and don't overlap, and each has its own file. */
static int check_ranges(const struct snapshot *snap, u32 *ret_index)
{
	u32 i, j;

	for (i = 0; i < snap->nr_ranges; i++) {
		const struct bpfsnap_range *a = snap->ranges[i];

		*ret_index = i;
		for (j = 0; j < i; j++) {
			const struct bpfsnap_range *b = snap->ranges[j];

			if (file_inode(a->store) == file_inode(b->store))
				return -EINVAL;
			if (a->origin != b->origin)
				continue;
			if (first_of_disk(snap, i))
				return -EINVAL;
			if (a->start_sect < b->start_sect + b->nr_sect &&
			    b->start_sect < a->start_sect + a->nr_sect)
				return -EINVAL;
		}
	}
	return 0;
}

/*
 * The frozen filesystems of one attempt.  Freezing can take as long as the slowest
 * of them needs to write back, and can't be interrupted; the watchdog thaws those
 * that wait for it when the deadline is over.
 */
struct freezer {
	struct mutex lock;		/* protects the rest */
	struct delayed_work watchdog;
	bool expired;
	u32 nr;
	struct {
		bpfsnap_bdev_t bdev;
		bool frozen;
	} item[];
};

static void thaw_all(struct freezer *freezer)
{
	u32 i = freezer->nr;

	lockdep_assert_held(&freezer->lock);
	while (i--) {
		if (freezer->item[i].frozen)
			bdev_thaw(bpfsnap_bdev(freezer->item[i].bdev));
		freezer->item[i].frozen = false;
	}
}

static void freeze_expired(struct work_struct *work)
{
	struct freezer *freezer = container_of(to_delayed_work(work), struct freezer, watchdog);

	mutex_lock(&freezer->lock);
	freezer->expired = true;
	thaw_all(freezer);
	mutex_unlock(&freezer->lock);
}

/* Thaw what is frozen, and say whether all of it was frozen until now. */
static bool thaw(struct freezer *freezer)
{
	bool in_time;

	cancel_delayed_work_sync(&freezer->watchdog);
	mutex_lock(&freezer->lock);
	in_time = !freezer->expired;
	thaw_all(freezer);
	mutex_unlock(&freezer->lock);
	while (freezer->nr)
		bpfsnap_bdev_close(freezer->item[--freezer->nr].bdev);
	return in_time;
}

/* Is @bdev where the storage of a range lives?  Then storing would wait for the thaw. */
static bool holds_store(const struct snapshot *snap, const struct block_device *bdev)
{
	u32 i;

	for (i = 0; i < snap->nr_ranges; i++)
		if (file_inode(snap->ranges[i]->store)->i_sb->s_bdev == bdev)
			return true;
	return false;
}

static int freeze_one(struct freezer *freezer, const struct snapshot *snap, dev_t dev)
{
	bpfsnap_bdev_t handle = bpfsnap_bdev_open(dev);
	int ret;

	if (IS_ERR(handle))
		return PTR_ERR(handle);
	ret = holds_store(snap, bpfsnap_bdev(handle)) ? -EXDEV :
							bdev_freeze(bpfsnap_bdev(handle));
	/* If somebody else has frozen it already, he will thaw it. */
	if (ret && !bpfsnap_is_frozen(ret)) {
		bpfsnap_bdev_close(handle);
		return ret;
	}

	mutex_lock(&freezer->lock);
	freezer->item[freezer->nr].bdev = handle;
	freezer->item[freezer->nr].frozen = !ret;
	freezer->nr++;
	ret = 0;
	if (freezer->expired) {
		thaw_all(freezer);
		ret = -ETIMEDOUT;
	}
	mutex_unlock(&freezer->lock);
	return ret;
}

static int freeze(struct freezer *freezer, const struct snapshot *snap,
		  const struct bpfsnap_dev *devs, u32 nr, u32 *ret_index)
{
	u32 i;
	int ret;

	for (i = 0; i < nr; i++) {
		*ret_index = i;
		ret = freeze_one(freezer, snap, MKDEV(devs[i].major, devs[i].minor));
		if (ret)
			return ret;
	}
	return 0;
}

static void open_gates(const struct snapshot *snap, u32 nr)
{
	while (nr--)
		if (first_of_disk(snap, nr))
			bpfsnap_gate_open(snap->ranges[nr]->origin);
}

static int close_gates(const struct snapshot *snap, unsigned long deadline, u32 *ret_index)
{
	u32 i;
	int ret;

	for (i = 0; i < snap->nr_ranges; i++) {
		if (!first_of_disk(snap, i))
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
static int switch_epoch(const struct snapshot *snap, u32 epoch, u32 *ret_index)
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

static void arm(const struct snapshot *snap)
{
	u32 i;

	for (i = 0; i < snap->nr_ranges; i++) {
		struct bpfsnap_range *range = snap->ranges[i];

		range->info.created_ns = ktime_get_real_ns();
		list_add_tail_rcu(&range->node, &range->origin->ranges);
	}
}

/* No write is copied for the snapshot any more, and nobody looks at its ranges. */
static void disarm(const struct snapshot *snap)
{
	u32 i;

	for (i = 0; i < snap->nr_ranges; i++)
		list_del_rcu(&snap->ranges[i]->node);
	/* The hook's walk, then the workers'. */
	synchronize_rcu();
	for (i = 0; i < snap->nr_ranges; i++)
		if (first_of_disk(snap, i))
			flush_work(&snap->ranges[i]->origin->work);
}

/* From freeze to thaw.  On failure everything is as before. */
static int hold(struct snapshot *snap, struct bpfsnap_ioc_snap_create *arg,
		const struct bpfsnap_dev *freeze_devs, struct freezer *freezer)
{
	unsigned long timeout = msecs_to_jiffies(arg->timeout_ms);
	/* Reclaim would write to filesystems that are frozen, disks that are held. */
	unsigned int noio = memalloc_noio_save();
	ktime_t begin;
	u32 i;
	int ret;

	/* The freeze has the deadline for itself, and then the hold: each is an outage. */
	queue_delayed_work(system_dfl_wq, &freezer->watchdog, 2 * timeout);
	arg->failed_step = BPFSNAP_STEP_FREEZE;
	ret = freeze(freezer, snap, freeze_devs, arg->nr_freeze, &arg->failed_index);
	if (ret)
		goto thaw;

	arg->failed_step = BPFSNAP_STEP_DRAIN;
	begin = ktime_get();
	ret = close_gates(snap, jiffies + timeout, &arg->failed_index);
	if (ret)
		goto thaw;

	arg->failed_step = BPFSNAP_STEP_SWITCH;
	ret = switch_epoch(snap, arg->epoch, &arg->failed_index);
	if (!ret)
		arm(snap);
	open_gates(snap, snap->nr_ranges);
	arg->hold_ns = ktime_to_ns(ktime_sub(ktime_get(), begin));
	for (i = 0; i < snap->nr_ranges; i++)
		snap->ranges[i]->info.hold_ns = arg->hold_ns;
thaw:
	memalloc_noio_restore(noio);
	/* Thawed too early, the filesystems were not frozen at the instant. */
	if (!thaw(freezer) && !ret) {
		disarm(snap);
		arg->failed_step = BPFSNAP_STEP_FREEZE;
		arg->failed_index = 0;
		ret = -ETIMEDOUT;
	}
	return ret;
}

static int publish(const struct snapshot *snap, u32 *ret_index)
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

int bpfsnap_snapshot_create(struct bpfsnap_ioc_snap_create *arg,
			    struct bpfsnap_snap_device *devices,
			    const struct bpfsnap_dev *freeze_devs)
{
	struct freezer *freezer;
	struct snapshot *snap;
	int ret = -ENOMEM;

	lockdep_assert_held(&bpfsnap_lock);
	arg->failed_step = BPFSNAP_STEP_NONE;
	arg->failed_index = 0;
	if (held)
		return -EBUSY;
	snap = kzalloc(struct_size(snap, ranges, arg->nr_devices), GFP_KERNEL);
	if (!snap)
		return ret;
	freezer = kzalloc(struct_size(freezer, item, arg->nr_freeze), GFP_KERNEL);
	if (!freezer)
		goto free;
	mutex_init(&freezer->lock);
	INIT_DELAYED_WORK(&freezer->watchdog, freeze_expired);
	for (; snap->nr_ranges < arg->nr_devices; snap->nr_ranges++) {
		struct bpfsnap_range *range;

		arg->failed_index = snap->nr_ranges;
		range = make_range(arg, devices, snap->nr_ranges, &arg->failed_step);
		if (IS_ERR(range)) {
			ret = PTR_ERR(range);
			goto free;
		}
		snap->ranges[snap->nr_ranges] = range;
	}
	arg->failed_step = BPFSNAP_STEP_ORIGIN;
	ret = check_ranges(snap, &arg->failed_index);
	if (ret)
		goto free;

	ret = hold(snap, arg, freeze_devs, freezer);
	if (ret)
		goto free;

	arg->failed_step = BPFSNAP_STEP_IMAGE;
	ret = publish(snap, &arg->failed_index);
	if (ret) {
		disarm(snap);
		goto free;
	}
	arg->failed_step = BPFSNAP_STEP_NONE;
	arg->failed_index = 0;
	for (u32 i = 0; i < snap->nr_ranges; i++) {
		const struct bpfsnap_snap_info *info = &snap->ranges[i]->info;

		devices[i].image_major = info->image_major;
		devices[i].image_minor = info->image_minor;
		devices[i].gate_bios = info->gate_bios;
		devices[i].gate_sect = info->gate_sect;
		devices[i].track_bios = info->track_bios;
		devices[i].track_sect = info->track_sect;
	}
	held = snap;
	kfree(freezer);
	return 0;

free:
	while (snap->nr_ranges)
		free_range(snap->ranges[--snap->nr_ranges]);
	kfree(freezer);
	kfree(snap);
	return ret;
}

int bpfsnap_snapshot_destroy(const struct bpfsnap_ioc_snap_destroy *arg)
{
	struct snapshot *snap = held;
	u32 i;

	lockdep_assert_held(&bpfsnap_lock);
	if (!snap || memcmp(snap->ranges[0]->info.id, arg->id, sizeof(arg->id)))
		return -ENOENT;
	for (i = 0; i < snap->nr_ranges; i++)
		if (!bpfsnap_image_end(snap->ranges[i]))
			goto busy;
	held = NULL;
	disarm(snap);
	while (snap->nr_ranges)
		free_range(snap->ranges[--snap->nr_ranges]);
	kfree(snap);
	return 0;

busy:
	while (i--)
		bpfsnap_image_unend(snap->ranges[i]);
	return -EBUSY;
}

u32 bpfsnap_snapshot_list(struct bpfsnap_snap_info *items, u32 room)
{
	u32 i;

	lockdep_assert_held(&bpfsnap_lock);
	if (!held)
		return 0;
	for (i = 0; i < min(room, held->nr_ranges); i++) {
		const struct bpfsnap_range *range = held->ranges[i];

		items[i] = range->info;
		items[i].error = -READ_ONCE(range->error);
		items[i].copied_bytes = (u64)atomic64_read(&range->copied_chunks) *
					BPFSNAP_CHUNK_BYTES;
		items[i].dropped_discards = atomic64_read(&range->dropped_discards);
	}
	return held->nr_ranges;
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
