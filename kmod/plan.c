// SPDX-License-Identifier: GPL-2.0-only
/*
 * DOC: what a snapshot is made of
 *
 * Ranges and stores are made, and looked at together, before anything is held; whatever
 * can fail for lack of anything fails here.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/slab.h>
#include "bpfsnap.h"

/* Storages on disks whose storages are on disks ...: more is taken for a circle. */
enum { DEPTH_MAX = 8 };

static bool holds_disk(const struct bpfsnap_snapshot *snap, const struct gendisk *disk)
{
	u32 i;

	for (i = 0; i < snap->nr_ranges; i++)
		if (snap->ranges[i]->origin->disk == disk)
			return true;
	return false;
}

bool bpfsnap_share_disk(const struct bpfsnap_snapshot *a, const struct bpfsnap_snapshot *b)
{
	u32 i;

	for (i = 0; i < a->nr_ranges; i++)
		if (holds_disk(b, a->ranges[i]->origin->disk))
			return true;
	return false;
}

/* The disk that what is stored lands on, as far as the file's filesystem can tell. */
static const struct gendisk *store_disk(const struct bpfsnap_store *store)
{
	const struct block_device *bdev = store->bdev ?: file_inode(store->file)->i_sb->s_bdev;

	return bdev ? bdev->bd_disk : NULL;
}

/*
 * Storing on a disk of the snapshot itself would have to be copied to itself; and so in
 * a circle through the storages of other snapshots.  A pinned file is the exception that
 * bpfsnap_store_owns() makes.  What the filesystem can't tell (devices stacked under
 * it), the daemon has looked for.
 */
static bool reaches(const struct gendisk *from, const struct bpfsnap_snapshot *snap, u32 depth)
{
	const struct bpfsnap_snapshot *other;
	u32 i;

	if (!from || !depth)
		return from;
	if (holds_disk(snap, from))
		return true;
	list_for_each_entry(other, &bpfsnap_snapshots, list) {
		if (!holds_disk(other, from))
			continue;
		for (i = 0; i < other->nr_stores; i++)
			if (!other->stores[i]->pinned &&
			    reaches(store_disk(other->stores[i]), snap, depth - 1))
				return true;
	}
	return false;
}

static int check_store(struct bpfsnap_store *store, const struct bpfsnap_snapshot *snap)
{
	const struct bpfsnap_snapshot *other;

	if (store->pinned && holds_disk(snap, store->pinned->disk)) {
		/* What is written to its blocks is kept for nobody: nobody may want it. */
		list_for_each_entry(other, &bpfsnap_snapshots, list)
			if (holds_disk(other, store->pinned->disk))
				return -EBUSY;
		return snap->writable ? -EINVAL : 0;
	}
	bpfsnap_pin_disown(store);
	return reaches(store_disk(store), snap, DEPTH_MAX) ? -EXDEV : 0;
}

static int check_range(struct gendisk *disk, const struct bpfsnap_snap_device *device)
{
	u64 disk_sect = get_capacity(disk), lbs_sect;

	int ret;

	if (!disk_live(disk))
		return -ENODEV;
	/* It may have become something else meanwhile: a table reloaded, a file replaced. */
	ret = bpfsnap_origin_check(disk->part0);
	if (ret)
		return ret;
	lbs_sect = queue_logical_block_size(disk->queue) >> SECTOR_SHIFT;
	if ((device->start_sect | device->nr_sect) & (lbs_sect - 1))
		return -EINVAL;
	if (!device->nr_sect || device->start_sect >= disk_sect ||
	    device->nr_sect > disk_sect - device->start_sect)
		return -ERANGE;
	return 0;
}

/* Which store has this file?  Two may not write to the same. */
static struct bpfsnap_store *find_store(struct bpfsnap_snapshot *snap, const struct file *file)
{
	struct bpfsnap_snapshot *other;
	u32 i;

	for (i = 0; i < snap->nr_stores; i++)
		if (file_inode(snap->stores[i]->file) == file_inode(file))
			return snap->stores[i];
	list_for_each_entry(other, &bpfsnap_snapshots, list)
		for (i = 0; i < other->nr_stores; i++)
			if (file_inode(other->stores[i]->file) == file_inode(file))
				return ERR_PTR(-EBUSY);
	return NULL;
}

/* Devices that name the same file share its store. */
static struct bpfsnap_store *get_store(struct bpfsnap_snapshot *snap,
				       const struct bpfsnap_snap_device *device)
{
	struct file *file = fget(device->store_fd);
	struct bpfsnap_store *store;

	if (!file)
		return ERR_PTR(-EBADF);
	store = find_store(snap, file);
	if (!store) {
		/* Its reference becomes the store's. */
		store = bpfsnap_store_create(snap, file, device);
		if (!IS_ERR(store))
			snap->stores[snap->nr_stores++] = store;
		return store;
	}
	fput(file);
	return store;
}

int bpfsnap_range_make(struct bpfsnap_snapshot *snap, const struct bpfsnap_ioc_snap_create *arg,
		      const struct bpfsnap_snap_device *device, u32 *ret_step)
{
	struct bpfsnap_range *range;
	int ret;

	*ret_step = BPFSNAP_STEP_NONE;
	range = kzalloc(sizeof(*range), GFP_KERNEL);
	if (!range)
		return -ENOMEM;
	range->snap = snap;

	*ret_step = BPFSNAP_STEP_ORIGIN;
	ret = -ENODEV;
	range->origin = bpfsnap_origin_find(MKDEV(device->major, device->minor));
	if (!range->origin)
		goto free;
	ret = check_range(range->origin->disk, device);
	if (ret)
		goto free;
	range->start_sect = device->start_sect;
	range->nr_sect = device->nr_sect;

	*ret_step = BPFSNAP_STEP_STORE;
	range->store = get_store(snap, device);
	ret = PTR_ERR_OR_ZERO(range->store);
	if (ret)
		goto free;

	*ret_step = BPFSNAP_STEP_NONE;
	ret = bpfsnap_cow_create(range);
	if (ret)
		goto free;
	*ret_step = BPFSNAP_STEP_IMAGE;
	ret = bpfsnap_image_create(range);
	if (ret)
		goto cow_destroy;

	range->info = (struct bpfsnap_snap_info){
		.major = device->major,
		.minor = device->minor,
		.start_sect = device->start_sect,
		.nr_sect = device->nr_sect,
		.epoch = arg->epoch,
		.image_major = range->image->major,
		.image_minor = range->image->first_minor,
		.flags = arg->flags,
	};
	memcpy(range->info.id, arg->id, sizeof(arg->id));
	atomic_inc(&range->origin->users);
	snap->ranges[snap->nr_ranges++] = range;
	return 0;

cow_destroy:
	bpfsnap_cow_destroy(range);
free:
	kfree(range);
	return ret;
}

void bpfsnap_range_leave(struct bpfsnap_range *range)
{
	bpfsnap_cow_destroy(range);
	atomic_dec(&range->origin->users);
}

/* Ranges of one disk stand together and don't overlap. */
static int check_ranges(const struct bpfsnap_snapshot *snap, u32 *ret_index)
{
	u32 i, j;

	for (i = 0; i < snap->nr_ranges; i++) {
		const struct bpfsnap_range *a = snap->ranges[i];

		*ret_index = i;
		for (j = 0; j < i; j++) {
			const struct bpfsnap_range *b = snap->ranges[j];

			if (a->origin != b->origin)
				continue;
			if (bpfsnap_first_of_disk(snap, i))
				return -EINVAL;
			if (a->start_sect < b->start_sect + b->nr_sect &&
			    b->start_sect < a->start_sect + a->nr_sect)
				return -EINVAL;
		}
	}
	return 0;
}

/* Blocks of the pinned stores of @other, which may be @snap itself, are no content. */
static int hide_stores(const struct bpfsnap_snapshot *other, struct bpfsnap_range *range)
{
	u32 i;
	int ret = 0;

	for (i = 0; i < other->nr_stores && !ret; i++)
		ret = bpfsnap_pin_hide(other->stores[i], range);
	return ret;
}

static int check_stores(const struct bpfsnap_snapshot *snap, u32 *ret_index)
{
	struct bpfsnap_snapshot *other;
	u32 i;
	int ret;

	for (i = 0; i < snap->nr_ranges; i++) {
		*ret_index = i;
		ret = check_store(snap->ranges[i]->store, snap);
		if (!ret)
			ret = hide_stores(snap, snap->ranges[i]);
		list_for_each_entry(other, &bpfsnap_snapshots, list)
			if (!ret)
				ret = hide_stores(other, snap->ranges[i]);
		if (ret)
			return ret;
	}
	return 0;
}

int bpfsnap_ranges_check(const struct bpfsnap_snapshot *snap, u32 *ret_step, u32 *ret_index)
{
	int ret;

	*ret_step = BPFSNAP_STEP_ORIGIN;
	ret = check_ranges(snap, ret_index);
	if (ret)
		return ret;
	*ret_step = BPFSNAP_STEP_STORE;
	return check_stores(snap, ret_index);
}
