// SPDX-License-Identifier: GPL-2.0-only
/*
 * DOC: storage in the blocks of a file
 *
 * A machine with one disk has nowhere else to keep old content than in a file on the
 * filesystem of which the snapshot is taken.  Writing to it through that filesystem
 * would write its journal, which would be copied, which would write the file ... So the
 * file is made beforehand, written in full, and kept from changing its blocks as a swap
 * file is; where they are is asked before the hold, and then they are written to by bios
 * that the gate lets pass.
 *
 * What is in these blocks is of no interest to a backup: images show zeros there, and
 * change lists leave them out while the file is pinned.  When it is given back, its
 * blocks are reported as changed.
 *
 * On any other disk, a file can be pinned for the sake of its filesystem, which needs no
 * memory then.  Its blocks are written to like all others of that disk.
 */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/slab.h>
#include "bpfsnap.h"

/* The kernel's own guard of swap files: no write, truncate, reflink or move goes on. */
static int keep_from_moving(struct inode *inode)
{
	int ret = 0;

	inode_lock(inode);
	if (IS_SWAPFILE(inode) || IS_IMMUTABLE(inode))
		ret = -ETXTBSY;
	else if (!IS_DAX(inode))
		inode->i_flags |= S_SWAPFILE;
	else
		ret = -EOPNOTSUPP;
	if (!ret)
		inode_dio_wait(inode);
	inode_unlock(inode);
	return ret;
}

static void let_move(struct inode *inode)
{
	inode_lock(inode);
	inode->i_flags &= ~S_SWAPFILE;
	inode_unlock(inode);
}

/* More runs than this is no file to keep old content in. */
enum { RUNS_MAX = 65536 };

/*
 * Add what blocks [sect, end) of the filesystem's device have of whole chunks.  With
 * blocks smaller than a chunk both ends may lie within one: these stay as they are.
 */
static int add_run(struct bpfsnap_store *store, struct block_device *bdev, sector_t sect,
		   sector_t end)
{
	/* Chunks of a range are counted from its start: in general, that of the disk. */
	sector_t start = get_start_sect(bdev);
	struct bpfsnap_run run = {
		.slot = store->end_slots,
		.sect = round_up(start + sect, BPFSNAP_CHUNK_SECT) - start,
	};

	if (run.sect + BPFSNAP_CHUNK_SECT > end)
		return 0;
	if (store->nr_runs == RUNS_MAX)
		return -EFBIG;
	run.nr_slots = (end - run.sect) / BPFSNAP_CHUNK_SECT;
	if (run.nr_slots > U32_MAX)
		return -EFBIG;
	store->runs[store->nr_runs++] = run;
	store->end_slots += run.nr_slots;
	return 0;
}

/*
 * Where are the blocks of the file?
 * Return: 0; -EOPNOTSUPP for a hole, which is what blocks that are not written yet and
 * shared ones look like too; -EFBIG; -EIO.
 */
static int find_runs(struct bpfsnap_store *store, struct inode *inode, struct block_device *bdev)
{
	u32 shift = inode->i_blkbits - SECTOR_SHIFT;
	u64 nr_blocks = i_size_read(inode) >> inode->i_blkbits, i;
	sector_t first = 0, next = 0;
	int ret;

	store->runs = kvcalloc(min_t(u64, nr_blocks, RUNS_MAX), sizeof(*store->runs), GFP_KERNEL);
	if (!store->runs)
		return -ENOMEM;
	for (i = 0; i < nr_blocks; i++) {
		sector_t block = i;

		ret = bmap(inode, &block);
		if (ret || !block)
			return ret && ret != -EINVAL ? ret : -EOPNOTSUPP;
		if (block != next) {
			ret = add_run(store, bdev, first << shift, next << shift);
			if (ret)
				return ret;
			first = block;
		}
		next = block + 1;
		cond_resched();
		if (fatal_signal_pending(current))
			return -EINTR;
	}
	ret = add_run(store, bdev, first << shift, next << shift);
	return ret ?: store->end_slots ? 0 : -EOPNOTSUPP;
}

/* Filesystems that leave the blocks of a swap file alone, and that no other node shares. */
static bool is_trusted(const struct super_block *sb)
{
	static const char * const names[] = { "ext2", "ext3", "ext4", "xfs" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(sb->s_type->name, names[i]))
			return true;
	return false;
}

int bpfsnap_pin(struct bpfsnap_store *store)
{
	struct inode *inode = file_inode(store->file);
	struct block_device *bdev = inode->i_sb->s_bdev;
	int ret;

	if (!bdev || !is_trusted(inode->i_sb) || inode->i_blkbits > PAGE_SHIFT)
		return -EOPNOTSUPP;
	if (!i_size_read(inode))
		return -EINVAL;
	ret = keep_from_moving(inode);
	if (ret)
		return ret;
	store->is_aside = true;
	/* No page of it may be written back later, over old content. */
	ret = filemap_write_and_wait(inode->i_mapping) ?:
	      invalidate_inode_pages2(inode->i_mapping) ?: find_runs(store, inode, bdev);
	if (ret)
		return ret;
	store->bdev = bdev;
	store->pinned = bpfsnap_origin_find(bdev->bd_disk->part0->bd_dev);
	if (store->pinned)
		atomic_inc(&store->pinned->users);
	return 0;
}

void bpfsnap_pin_disown(struct bpfsnap_store *store)
{
	if (store->pinned)
		atomic_dec(&store->pinned->users);
	store->pinned = NULL;
}

void bpfsnap_unpin(struct bpfsnap_store *store)
{
	u32 i;

	for (i = 0; store->pinned && i < store->nr_runs; i++)
		bpfsnap_gate_report(store->pinned,
				    get_start_sect(store->bdev) + store->runs[i].sect,
				    store->runs[i].nr_slots * BPFSNAP_CHUNK_SECT);
	if (store->is_aside)
		let_move(file_inode(store->file));
	bpfsnap_pin_disown(store);
}

/* Chunks [first, first + nr) read as zeros, and need no copy. */
static int hide_chunks(struct bpfsnap_range *range, u64 first, u64 nr)
{
	struct bpfsnap_extent *extent = bpfsnap_extent_alloc(GFP_KERNEL);
	int ret;

	if (!extent)
		return -ENOMEM;
	ret = bpfsnap_chunkmap_prepare(&range->started, first, first + nr - 1, GFP_KERNEL);
	if (!ret)
		ret = bpfsnap_chunkmap_prepare(&range->copied, first, first + nr - 1, GFP_KERNEL);
	if (ret) {
		bpfsnap_extent_free(extent);
		return ret;
	}
	*extent = (struct bpfsnap_extent){ .chunk = first, .nr_chunks = nr, .place = BPFSNAP_ZERO };
	bpfsnap_index_add(&range->index, extent);
	bpfsnap_chunkmap_set(&range->started, first, first + nr - 1);
	bpfsnap_chunkmap_set(&range->copied, first, first + nr - 1);
	return 0;
}

int bpfsnap_pin_hide(const struct bpfsnap_store *store, struct bpfsnap_range *range)
{
	sector_t start = range->start_sect, end = start + range->nr_sect;
	u32 i;
	int ret;

	if (store->pinned != range->origin)
		return 0;
	for (i = 0; i < store->nr_runs; i++) {
		sector_t from = get_start_sect(store->bdev) + store->runs[i].sect;
		sector_t to = from + store->runs[i].nr_slots * BPFSNAP_CHUNK_SECT;

		from = max(from, start);
		to = min(to, end);
		if (from >= to)
			continue;
		/* They have no place to be written to. */
		if (range->snap->writable)
			return -EROFS;
		/* A chunk that holds other data besides would be hidden with it. */
		if ((from - start) % BPFSNAP_CHUNK_SECT || (to - start) % BPFSNAP_CHUNK_SECT)
			return -EOPNOTSUPP;
		ret = hide_chunks(range, (from - start) / BPFSNAP_CHUNK_SECT,
				  (to - from) / BPFSNAP_CHUNK_SECT);
		if (ret)
			return ret;
	}
	return 0;
}
