// SPDX-License-Identifier: GPL-2.0-only
/*
 * DOC: the difference storage
 *
 * A store takes chunks in the order in which they were copied, in writes as large as
 * what has gathered meanwhile, and remembers for each in which slot it is.  The pages
 * that were read are written as they are; they are freed when they are stored, and
 * until then image reads find them in memory.
 *
 * It is one of
 *   - a file: written by the filesystem's write_iter(), past the page cache where the
 *     file was opened with O_DIRECT;
 *   - a block device: written by bios;
 *   - a file whose blocks are written by bios, past its filesystem, which may be on the disk
 *     of the snapshot itself (pin.c).
 *
 * One write is under way at a time.  Bios need no memory but the store's own, and go on
 * when there is none left.  A filesystem takes what it needs from where all do: nothing of
 * that waits for I/O, but it may wait for memory that only writes of the origin would give
 * back.  That ends with the range, see starve().
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/statfs.h>
#include <linux/uio.h>
#include "bpfsnap.h"
#include "trace.h"

enum {
	/* Stored at once when so much has gathered, or after so long. */
	GATHER_CHUNKS	= 64,
	GATHER_MS	= 8,
};

/* The end of one or several bios. */
struct batch {
	const struct bpfsnap_store *store;
	atomic_t left;
	int error;
	struct completion done;
};

static void batch_put(struct batch *batch)
{
	if (atomic_dec_and_test(&batch->left))
		complete(&batch->done);
}

static void store_endio(struct bio *bio)
{
	struct batch *batch = bio->bi_private;

	if (bio->bi_status)
		WRITE_ONCE(batch->error, blk_status_to_errno(bio->bi_status));
	bio_put(bio);
	batch_put(batch);
}

bool bpfsnap_store_owns(const struct bpfsnap_origin *origin, const struct bio *bio)
{
	const struct batch *batch = bio->bi_private;

	return bio->bi_end_io == store_endio && batch->store->pinned == origin;
}

/* Where is @slot, and how many go on after it?  Slots up to nr_slots are somewhere. */
static sector_t slot_sect(const struct bpfsnap_store *store, u64 slot, u32 *ret_nr)
{
	u32 low = 0, high = store->nr_runs - 1;

	while (low < high) {
		u32 middle = (low + high + 1) / 2;

		if (store->runs[middle].slot <= slot)
			low = middle;
		else
			high = middle - 1;
	}
	slot -= store->runs[low].slot;
	*ret_nr = min_t(u64, store->runs[low].nr_slots - slot, U32_MAX);
	return store->runs[low].sect + slot * BPFSNAP_CHUNK_SECT;
}

static int rw_bdev(struct bpfsnap_store *store, bool write, u64 slot, struct bio_vec *bvecs, u32 nr)
{
	struct batch batch = { .store = store, .left = ATOMIC_INIT(1) };
	struct blk_plug plug;

	init_completion(&batch.done);
	blk_start_plug(&plug);
	while (nr) {
		struct bio *bio;
		sector_t sect;
		u32 here, i;

		sect = slot_sect(store, slot, &here);
		here = min3(here, nr, (u32)BIO_MAX_VECS);
		bio = bio_alloc_bioset(store->bdev, here, (write ? REQ_OP_WRITE : REQ_OP_READ) | REQ_SYNC,
				       GFP_NOIO, &store->bios);
		bio->bi_iter.bi_sector = sect;
		bio->bi_end_io = store_endio;
		bio->bi_private = &batch;
		for (i = 0; i < here; i++)
			__bio_add_page(bio, bvecs[i].bv_page, PAGE_SIZE, 0);
		atomic_inc(&batch.left);
		submit_bio(bio);
		slot += here;
		bvecs += here;
		nr -= here;
	}
	blk_finish_plug(&plug);
	batch_put(&batch);
	wait_for_completion_io(&batch.done);
	return batch.error;
}

static int rw_file(struct bpfsnap_store *store, bool write, u64 slot, struct bio_vec *bvecs, u32 nr)
{
	struct file *file = store->file;
	struct iov_iter iter;
	struct kiocb kiocb;
	ssize_t done;

	init_sync_kiocb(&kiocb, file);
	kiocb.ki_pos = slot << BPFSNAP_CHUNK_SHIFT;
	iov_iter_bvec(&iter, write ? ITER_SOURCE : ITER_DEST, bvecs, nr, nr * PAGE_SIZE);
	/* What ends too early doesn't tell why; the next part does, or succeeds. */
	do {
		if (write)
			file_start_write(file);
		done = (write ? file->f_op->write_iter : file->f_op->read_iter)(&kiocb, &iter);
		if (write)
			file_end_write(file);
	} while (done > 0 && iov_iter_count(&iter));
	if (done <= 0)
		return done ?: -EIO;
	/* Lost in writeback, it would read as zeros. */
	return bpfsnap_store_error(store);
}

int bpfsnap_store_error(const struct bpfsnap_store *store)
{
	int ret = filemap_check_wb_err(store->file->f_mapping, store->wb_err);

	/* What went through a journal is lost in the name of the filesystem. */
	return ret ?: errseq_check(&file_inode(store->file)->i_sb->s_wb_err, store->sb_err);
}

int bpfsnap_store_rw(struct bpfsnap_store *store, bool write, u64 slot, struct bio_vec *bvecs,
		     u32 nr)
{
	/* Reclaim could wait for a write that waits for us. */
	unsigned int noio = memalloc_noio_save();
	unsigned int throttle = current->flags & PF_LOCAL_THROTTLE;
	u32 i;
	int ret;

	for (i = 0; i < nr; i++) {
		bvecs[i].bv_len = PAGE_SIZE;
		bvecs[i].bv_offset = 0;
	}
	/*
	 * Throttled by the dirty pages of the storage's own device only: all other
	 * dirty pages may be waiting for us.
	 */
	current->flags |= PF_LOCAL_THROTTLE;
	ret = store->bdev ? rw_bdev(store, write, slot, bvecs, nr) :
			    rw_file(store, write, slot, bvecs, nr);
	current->flags = (current->flags & ~PF_LOCAL_THROTTLE) | throttle;
	memalloc_noio_restore(noio);
	return ret;
}

static bool is_full(int error)
{
	return error == -ENOSPC || error == -EDQUOT;
}

static void tell_low(const struct bpfsnap_range *range, u64 left_slots)
{
	trace_bpfsnap_low_space(range->origin->dev, range->info.image_minor,
				left_slots << BPFSNAP_CHUNK_SHIFT);
	bpfsnap_event_add(BPFSNAP_EVENT_LOW_SPACE, range, 0, left_slots << BPFSNAP_CHUNK_SHIFT);
}

/* There is room again, so nobody need wait for the next look. */
static void is_full_no_more(struct bpfsnap_store *store)
{
	lockdep_assert_held(&store->lock);
	if (store->is_full && !store->is_ending)
		mod_delayed_work(store->wq, &store->retry, 0);
	store->is_full = false;
}

/* Full: is there still time for somebody to extend it? */
static bool may_grow(struct bpfsnap_store *store, const struct bpfsnap_range *range)
{
	lockdep_assert_held(&store->lock);
	if (!store->is_full) {
		store->is_full = true;
		store->full_jiffies = jiffies;
		if (store->grow_ms)
			tell_low(range, 0);
	}
	if (time_after_eq(jiffies, store->full_jiffies + msecs_to_jiffies(store->grow_ms)))
		return false;
	queue_delayed_work(store->wq, &store->retry, msecs_to_jiffies(store->grow_ms / 8 + 1));
	return true;
}

/*
 * Take pieces for one write, as many as fit into it and into the storage.
 * Return: slots that they need, 0 if there is nothing to be done; or -ENOSPC, with the
 * first piece in @batch.
 */
static int take_batch(struct bpfsnap_store *store, struct list_head *batch, u64 *ret_slot)
{
	u64 left_slots;
	u32 nr = 0;

	spin_lock(&store->lock);
	left_slots = store->nr_slots - store->next_slot;
	while (!store->is_ending && !list_empty(&store->pending)) {
		struct bpfsnap_piece *piece = list_first_entry(&store->pending,
							       struct bpfsnap_piece, node);

		if (nr + piece->nr_chunks > BPFSNAP_PIECE_CHUNKS ||
		    nr + piece->nr_chunks > left_slots)
			break;
		list_move_tail(&piece->node, batch);
		store->pending_chunks -= piece->nr_chunks;
		nr += piece->nr_chunks;
	}
	*ret_slot = store->next_slot;
	store->next_slot += nr;
	if (!nr && !store->is_ending && !list_empty(&store->pending)) {
		struct bpfsnap_piece *piece = list_first_entry(&store->pending,
							       struct bpfsnap_piece, node);

		if (!may_grow(store, piece->range)) {
			list_move(&piece->node, batch);
			store->pending_chunks -= piece->nr_chunks;
			nr = -ENOSPC;
		}
	}
	spin_unlock(&store->lock);
	return nr;
}

static void tell_if_low(struct bpfsnap_store *store, const struct bpfsnap_range *range)
{
	u64 left_slots, room_slots = U64_MAX;
	struct kstatfs room;
	bool is_low;

	if (!store->low_slots || READ_ONCE(store->is_low_told))
		return;
	/* A file needs room in its filesystem, too; a look may be a question to a server. */
	if (!store->bdev && time_after(jiffies, store->looked_jiffies + HZ / 4)) {
		store->looked_jiffies = jiffies;
		/* Some do not say. */
		if (!vfs_statfs(&store->file->f_path, &room) && room.f_blocks)
			room_slots = room.f_bavail * (room.f_frsize ?: room.f_bsize) >> BPFSNAP_CHUNK_SHIFT;
	}
	spin_lock(&store->lock);
	left_slots = min(store->nr_slots - store->next_slot, room_slots);
	is_low = left_slots < store->low_slots;
	store->is_low_told = is_low;
	spin_unlock(&store->lock);
	/* None at all is told of by who waits for it. */
	if (is_low)
		tell_low(range, max(left_slots, 1));
}

/* The filesystem of a file is full: it may have room later.  Return: is the batch to be tried again? */
static bool put_back(struct bpfsnap_store *store, struct list_head *batch, u32 nr)
{
	bool again;

	spin_lock(&store->lock);
	again = !store->is_ending &&
		may_grow(store, list_first_entry(batch, struct bpfsnap_piece, node)->range);
	if (again) {
		list_splice_init(batch, &store->pending);
		store->pending_chunks += nr;
		store->next_slot -= nr;
	}
	spin_unlock(&store->lock);
	return again;
}

/* The pieces of a batch are in the slots from @slot on, or have failed. */
static void end_batch(struct bpfsnap_store *store, struct list_head *batch, u64 slot, int error)
{
	while (!list_empty(batch)) {
		struct bpfsnap_piece *piece = list_first_entry(batch, struct bpfsnap_piece, node);
		struct bpfsnap_range *range = piece->range;

		list_del(&piece->node);
		if (error)
			bpfsnap_range_fail(range, error, is_full(error) ? BPFSNAP_FAILURE_STORAGE_FULL :
							  BPFSNAP_FAILURE_STORAGE_WRITE,
					   range->start_sect + piece->chunk * BPFSNAP_CHUNK_SECT);
		bpfsnap_index_stored(&range->index, piece->extent, slot);
		slot += piece->nr_chunks;
		bpfsnap_piece_put(piece);
		/* Should this look come too early, it tries again by itself. */
		if (READ_ONCE(range->is_starved))
			bpfsnap_gate_kick(range->origin);
	}
}

/* Return: false to try again later. */
static bool store_batch(struct bpfsnap_store *store, struct list_head *batch, u64 slot, u32 nr)
{
	u64 begun_ns = ktime_get_ns();
	struct bpfsnap_piece *piece;
	u32 i, n = 0;
	int ret;

	list_for_each_entry(piece, batch, node)
		for (i = 0; i < piece->nr_chunks; i++)
			store->bvecs[n++].bv_page = piece->bvecs[i].bv_page;
	piece = list_first_entry(batch, struct bpfsnap_piece, node);
	WRITE_ONCE(store->is_busy, true);
	tell_if_low(store, piece->range);
	ret = bpfsnap_store_rw(store, true, slot, store->bvecs, nr);
	WRITE_ONCE(store->is_busy, false);
	/* Trying in vain is no progress: nobody is to wait for that but as long as he was told. */
	if (!is_full(ret))
		WRITE_ONCE(store->progress_jiffies, jiffies);
	trace_bpfsnap_stored(piece->range->origin->dev, slot, nr, ktime_get_ns() - begun_ns, ret);
	/* What was lost in writeback does not come back. */
	if (is_full(ret) && (store->bdev || !bpfsnap_store_error(store)) &&
	    put_back(store, batch, nr))
		return false;
	if (!is_full(ret)) {
		spin_lock(&store->lock);
		is_full_no_more(store);
		spin_unlock(&store->lock);
	}
	end_batch(store, batch, slot, ret);
	return true;
}

static void store_work(struct work_struct *work)
{
	struct bpfsnap_store *store = container_of(work, struct bpfsnap_store, work);
	/* Reclaim could wait for a write that waits for us. */
	unsigned int noio = memalloc_noio_save();
	LIST_HEAD(batch);
	u64 slot;
	int nr;

	while ((nr = take_batch(store, &batch, &slot))) {
		if (nr < 0)
			end_batch(store, &batch, 0, nr);
		else if (!store_batch(store, &batch, slot, nr))
			break;
		cond_resched();
	}
	memalloc_noio_restore(noio);
}

void bpfsnap_store_hurry(struct bpfsnap_store *store)
{
	queue_work(store->wq, &store->work);
}

void bpfsnap_store_add(struct bpfsnap_store *store, struct bpfsnap_piece *piece)
{
	bool is_much;

	spin_lock(&store->lock);
	list_add_tail(&piece->node, &store->pending);
	store->pending_chunks += piece->nr_chunks;
	is_much = store->pending_chunks >= GATHER_CHUNKS;
	spin_unlock(&store->lock);
	/* Nobody waits for it: a few large writes cost less than many small ones. */
	if (is_much)
		queue_work(store->wq, &store->work);
	else
		queue_delayed_work(store->wq, &store->retry, msecs_to_jiffies(GATHER_MS));
}

dev_t bpfsnap_store_dev(const struct bpfsnap_store *store)
{
	const struct super_block *sb = file_inode(store->file)->i_sb;

	if (store->bdev)
		return store->bdev->bd_dev;
	return sb->s_bdev ? sb->s_bdev->bd_dev : sb->s_dev;
}

static void retry_work(struct work_struct *work)
{
	struct bpfsnap_store *store = container_of(to_delayed_work(work), struct bpfsnap_store, retry);

	queue_work(store->wq, &store->work);
}

int bpfsnap_store_extend(struct bpfsnap_store *store, u64 limit_bytes)
{
	u64 nr_slots = limit_bytes >> BPFSNAP_CHUNK_SHIFT;
	int ret = -EINVAL;

	spin_lock(&store->lock);
	if (nr_slots >= store->nr_slots && (!store->bdev || nr_slots <= store->end_slots)) {
		store->nr_slots = nr_slots;
		store->is_low_told = false;
		is_full_no_more(store);
		ret = 0;
	}
	spin_unlock(&store->lock);
	queue_work(store->wq, &store->work);
	return ret;
}

static int use_bdev(struct bpfsnap_store *store)
{
	struct inode *inode = file_inode(store->file);
	int ret;

	/* For us alone: not mounted, not part of another device, no other's storage. */
	store->handle = bpfsnap_bdev_open_excl(inode->i_rdev, store);
	if (IS_ERR(store->handle)) {
		ret = PTR_ERR(store->handle);
		store->handle = NULL;
		return ret;
	}
	store->bdev = bpfsnap_bdev(store->handle);
	/* Pages that somebody wrote before must not land on old content later. */
	ret = sync_blockdev(store->bdev);
	if (!ret)
		ret = invalidate_inode_pages2(store->file->f_mapping);
	if (ret)
		return ret;
	if (bdev_logical_block_size(store->bdev) > PAGE_SIZE)
		return -EOPNOTSUPP;
	store->end_slots = bdev_nr_sectors(store->bdev) / BPFSNAP_CHUNK_SECT;
	/*
	 * Not in its first MiB, where others look for what it is: with a superblock that was copied
	 * before all else it would be a second device of the same name.
	 */
	store->end_slots -= min_t(u64, store->end_slots, SZ_1M / BPFSNAP_CHUNK_BYTES);
	store->runs = kzalloc(sizeof(*store->runs), GFP_KERNEL);
	if (!store->runs)
		return -ENOMEM;
	store->runs->sect = SZ_1M >> SECTOR_SHIFT;
	store->runs->nr_slots = store->end_slots;
	store->nr_runs = 1;
	return 0;
}

/* From here on: what nobody has seen until now would be told as a new error. */
static errseq_t sample_errors(errseq_t *errors)
{
	errseq_t since = 0;

	errseq_check_and_advance(errors, &since);
	return since;
}

static int use_file(struct bpfsnap_store *store, u32 flags)
{
	struct file *file = store->file;
	struct inode *inode = file_inode(file);

	if (flags & BPFSNAP_STORE_PINNED)
		return bpfsnap_pin(store);
	if (i_size_read(inode) || file->f_flags & O_APPEND)
		return -EINVAL;
	if (!file->f_op->write_iter || !file->f_op->read_iter)
		return -EINVAL;
	store->end_slots = (u64)inode->i_sb->s_maxbytes >> BPFSNAP_CHUNK_SHIFT;
	store->wb_err = sample_errors(&file->f_mapping->wb_err);
	store->sb_err = sample_errors(&inode->i_sb->s_wb_err);
	return 0;
}

static int use(struct bpfsnap_store *store, const struct bpfsnap_snap_device *device)
{
	umode_t mode = file_inode(store->file)->i_mode;
	u64 limit_slots = device->limit_bytes >> BPFSNAP_CHUNK_SHIFT;
	int ret = -EINVAL;

	if (!(store->file->f_mode & FMODE_READ) || !(store->file->f_mode & FMODE_WRITE))
		return -EBADF;
	if (S_ISBLK(mode))
		ret = device->store_flags ? -EINVAL : use_bdev(store);
	else if (S_ISREG(mode))
		ret = use_file(store, device->store_flags);
	if (ret)
		return ret;
	store->nr_slots = device->limit_bytes ? min(limit_slots, store->end_slots) :
						store->end_slots;
	store->low_slots = device->low_bytes >> BPFSNAP_CHUNK_SHIFT;
	store->grow_ms = device->grow_ms;
	return store->nr_slots ? 0 : -ENOSPC;
}

void bpfsnap_store_stop(struct bpfsnap_store *store)
{
	struct bpfsnap_piece *piece, *next;

	spin_lock(&store->lock);
	store->is_ending = true;
	spin_unlock(&store->lock);
	cancel_delayed_work_sync(&store->retry);
	/* Waits for a write that hangs, if there is one. */
	flush_work(&store->work);
	list_for_each_entry_safe(piece, next, &store->pending, node)
		bpfsnap_piece_put(piece);
	INIT_LIST_HEAD(&store->pending);
}

void bpfsnap_store_free(struct bpfsnap_store *store)
{
	if (store->wq)
		destroy_workqueue(store->wq);
	if (store->handle)
		bpfsnap_bdev_close_excl(store->handle);
	kfree(store->bvecs);
	kvfree(store->runs);
	bioset_exit(&store->bios);
	/* Nobody should find the filesystem busy after us: but fput() is lazy in a worker. */
	if (current->flags & PF_KTHREAD)
		__fput_sync(store->file);
	else
		fput(store->file);
	kfree(store);
}

struct bpfsnap_store *bpfsnap_store_create(struct bpfsnap_snapshot *snap, struct file *file,
					   const struct bpfsnap_snap_device *device)
{
	struct bpfsnap_store *store = kzalloc(sizeof(*store), GFP_KERNEL);
	int ret = -ENOMEM;

	if (!store) {
		fput(file);
		return ERR_PTR(ret);
	}
	store->snap = snap;
	store->file = file;
	spin_lock_init(&store->lock);
	INIT_LIST_HEAD(&store->pending);
	INIT_WORK(&store->work, store_work);
	INIT_DELAYED_WORK(&store->retry, retry_work);
	store->progress_jiffies = jiffies;
	store->looked_jiffies = jiffies - HZ;
	ret = bioset_init(&store->bios, BIO_POOL_SIZE, 0, BIOSET_NEED_BVECS);
	if (ret)
		goto free;
	ret = -ENOMEM;
	store->bvecs = kcalloc(BPFSNAP_PIECE_CHUNKS, sizeof(*store->bvecs), GFP_KERNEL);
	if (!store->bvecs)
		goto free;
	/* In good time, and what waits in memory stays little: its pages are used again. */
	store->wq = alloc_ordered_workqueue("bpfsnap-store", WQ_MEM_RECLAIM | WQ_HIGHPRI);
	if (!store->wq)
		goto free;
	ret = use(store, device);
	if (!ret)
		return store;
	bpfsnap_unpin(store);
free:
	bpfsnap_store_free(store);
	return ERR_PTR(ret);
}
