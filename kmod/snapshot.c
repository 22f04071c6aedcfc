// SPDX-License-Identifier: GPL-2.0-only
/*
 * DOC: one instant of several ranges
 *
 * bpfsnap_snapshot_create() goes the steps that uapi/bpfsnap.h lists.  What can
 * fail for lack of anything is done before the filesystems freeze; the images
 * appear after they have thawed, when there is something to see.  Each step has
 * its undo, and the undo of a step that did not complete is to do nothing.
 *
 * One snapshot is held at a time.
 */
#include <linux/file.h>
#include <linux/fs.h>
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

static void free_range(struct bpfsnap_range *range)
{
	bpfsnap_image_destroy(range);
	bpfsnap_cow_done(range);
	fput(range->store);
	kfree(range);
}

/* Everything of a range that needs memory.  Nobody sees it yet. */
static struct bpfsnap_range *make_range(const struct bpfsnap_ioc_snap_create *arg,
					const struct bpfsnap_snap_device *devices, u32 i,
					u32 *ret_step)
{
	const struct bpfsnap_snap_device *device = &devices[i];
	struct bpfsnap_range *range;
	u64 disk_sect;
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

/* Ranges of one disk stand together, and don't overlap. */
static int check_ranges(const struct snapshot *snap, u32 *ret_index)
{
	u32 i, j;

	for (i = 0; i < snap->nr_ranges; i++) {
		const struct bpfsnap_range *a = snap->ranges[i];

		*ret_index = i;
		for (j = 0; j < i; j++) {
			const struct bpfsnap_range *b = snap->ranges[j];

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

struct frozen {
	bpfsnap_bdev_t bdev;
	bool frozen;
};

static void thaw(struct frozen *list, u32 nr)
{
	while (nr--) {
		if (list[nr].frozen)
			bdev_thaw(bpfsnap_bdev(list[nr].bdev));
		bpfsnap_bdev_close(list[nr].bdev);
	}
}

static int freeze(struct frozen *list, const struct bpfsnap_dev *devs, u32 nr, u32 *ret_index)
{
	u32 i;
	int ret;

	for (i = 0; i < nr; i++) {
		*ret_index = i;
		list[i].bdev = bpfsnap_bdev_open(MKDEV(devs[i].major, devs[i].minor));
		if (IS_ERR(list[i].bdev)) {
			ret = PTR_ERR(list[i].bdev);
			goto undo;
		}
		ret = bdev_freeze(bpfsnap_bdev(list[i].bdev));
		/* EBUSY: frozen by somebody else already, who will thaw it. */
		list[i].frozen = !ret;
		if (ret && ret != -EBUSY) {
			bpfsnap_bdev_close(list[i].bdev);
			goto undo;
		}
	}
	return 0;

undo:
	thaw(list, i);
	return ret;
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
		const struct bpfsnap_dev *freeze_devs, struct frozen *frozen)
{
	unsigned long deadline;
	ktime_t begin;
	u32 i;
	int ret;

	arg->failed_step = BPFSNAP_STEP_FREEZE;
	ret = freeze(frozen, freeze_devs, arg->nr_freeze, &arg->failed_index);
	if (ret)
		return ret;

	arg->failed_step = BPFSNAP_STEP_DRAIN;
	begin = ktime_get();
	deadline = jiffies + msecs_to_jiffies(arg->timeout_ms);
	ret = close_gates(snap, deadline, &arg->failed_index);
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
	thaw(frozen, arg->nr_freeze);
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
	return 0;
}

int bpfsnap_snapshot_create(struct bpfsnap_ioc_snap_create *arg,
			    struct bpfsnap_snap_device *devices,
			    const struct bpfsnap_dev *freeze_devs)
{
	struct frozen *frozen = NULL;
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
	if (arg->nr_freeze) {
		frozen = kcalloc(arg->nr_freeze, sizeof(*frozen), GFP_KERNEL);
		if (!frozen)
			goto free;
	}
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

	ret = hold(snap, arg, freeze_devs, frozen);
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
	kfree(frozen);
	return 0;

free:
	while (snap->nr_ranges)
		free_range(snap->ranges[--snap->nr_ranges]);
	kfree(frozen);
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
