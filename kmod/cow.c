// SPDX-License-Identifier: GPL-2.0-only
/*
 * DOC: keeping old content
 *
 * The origin's worker reads the old content of a run of chunks into the range's
 * buffer, hands it to the storage file, sets the chunks' bits, and only then lets
 * the write go on.  Everything needed was allocated with the range, so nothing
 * here waits for memory that could wait for the write; what the filesystem of the
 * storage file allocates, it allocates without I/O.
 *
 * Storing runs in a worker of its own, and a write of the origin waits for all its
 * storing no longer than one deadline: a storage that hangs fails the snapshot, not
 * the origin.  What is stored sits in the page cache; if writing it back failed, the
 * file would read as zeros, so every look at the file asks for such errors.
 *
 * Whatever fails, fails the range and lets the write go on.  The error is seen
 * before the write is issued, so an image read that raced it can't return new
 * content as old.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/vmalloc.h>
#include "bpfsnap.h"

void bpfsnap_range_fail(struct bpfsnap_range *range, int error, const char *what, u64 sect)
{
	if (cmpxchg(&range->error, 0, error))
		return;
	/* Pairs with smp_rmb() in the image's check after its read. */
	smp_mb();
	pr_err("%s: snapshot of %s failed, %s at sector %llu (%d); the disk itself goes on\n",
	       range->image->disk_name, range->origin->disk->disk_name, what, sect, error);
}

/*
 * Which chunks of @range does @bio touch?
 * Return: false if none.
 */
static bool touched(const struct bpfsnap_range *range, const struct bio *bio,
		    u64 *ret_first, u64 *ret_last)
{
	sector_t from = bio->bi_iter.bi_sector, to = bio_end_sector(bio);
	sector_t start = range->start_sect, end = start + range->nr_sect;

	if (from >= end || to <= start)
		return false;
	from = max(from, start) - start;
	to = min(to, end) - start;
	*ret_first = from / BPFSNAP_CHUNK_SECT;
	*ret_last = (to - 1) / BPFSNAP_CHUNK_SECT;
	return true;
}

bool bpfsnap_cow_needed(const struct bpfsnap_origin *origin, const struct bio *bio)
{
	const struct bpfsnap_range *range;
	u64 first, last;

	list_for_each_entry_rcu(range, &origin->ranges, node)
		if (!READ_ONCE(range->error) && touched(range, bio, &first, &last) &&
		    !bpfsnap_chunkmap_all(&range->copied, first, last))
			return true;
	return false;
}

void bpfsnap_cow_count_dropped(struct bpfsnap_origin *origin, const struct bio *bio)
{
	struct bpfsnap_range *range;
	u64 first, last;

	/* The worker's walk: see the top of bpfsnap.h for why no RCU lock is held. */
	list_for_each_entry_rcu(range, &origin->ranges, node, true)
		if (touched(range, bio, &first, &last))
			atomic64_inc(&range->dropped_discards);
}

/* Bytes of the run of chunks first..last: the range may end within the last one. */
static size_t run_bytes(const struct bpfsnap_range *range, u64 first, u64 last)
{
	u64 from = first * BPFSNAP_CHUNK_SECT;
	u64 to = min_t(u64, (last + 1) * BPFSNAP_CHUNK_SECT, range->nr_sect);

	return (to - from) << SECTOR_SHIFT;
}

static int read_old(struct bpfsnap_range *range, u64 first, size_t len_bytes)
{
	struct bio *bio = &range->bio;
	size_t done;
	int ret;

	/* Built from scratch: no flag of the write that caused it may leak in. */
	bio_init(bio, range->origin->disk->part0, range->bvecs, BPFSNAP_PIECE_PAGES,
		 REQ_OP_READ | REQ_SYNC);
	bio->bi_iter.bi_sector = range->start_sect + first * BPFSNAP_CHUNK_SECT;
	for (done = 0; done < len_bytes; done += PAGE_SIZE)
		__bio_add_page(bio, vmalloc_to_page(range->buffer + done),
			       min_t(size_t, PAGE_SIZE, len_bytes - done), 0);
	ret = submit_bio_wait(bio);
	bio_uninit(bio);
	invalidate_kernel_vmap_range(range->buffer, len_bytes);
	return ret;
}

static void store_work(struct work_struct *work)
{
	struct bpfsnap_range *range = container_of(work, struct bpfsnap_range, store_work);
	unsigned int noio = memalloc_noio_save();
	unsigned int throttle = current->flags & PF_LOCAL_THROTTLE;
	loff_t pos = range->store_pos_bytes;
	ssize_t written;

	/*
	 * Throttled by the dirty pages of the storage's own device only: all other
	 * dirty pages may be waiting for us.
	 */
	current->flags |= PF_LOCAL_THROTTLE;
	range->store_result = 0;
	written = kernel_write(range->store, range->buffer, range->store_len_bytes, &pos);
	current->flags = (current->flags & ~PF_LOCAL_THROTTLE) | throttle;
	memalloc_noio_restore(noio);

	if (written != range->store_len_bytes)
		range->store_result = written < 0 ? written : -ENOSPC;
	else if (pos != range->store_pos_bytes + range->store_len_bytes)
		range->store_result = -EIO;	/* it went elsewhere: O_APPEND */
	else
		range->store_result = bpfsnap_store_error(range);
	complete(&range->stored);
}

int bpfsnap_store_error(const struct bpfsnap_range *range)
{
	return filemap_check_wb_err(range->store->f_mapping, range->store_wb_err);
}

static int store_old(struct bpfsnap_range *range, u64 first, size_t len_bytes,
		     unsigned long deadline)
{
	long left = deadline - jiffies;

	range->store_pos_bytes = first << BPFSNAP_CHUNK_SHIFT;
	range->store_len_bytes = len_bytes;
	reinit_completion(&range->stored);
	queue_work(range->store_wq, &range->store_work);
	if (!wait_for_completion_timeout(&range->stored, left > 0 ? left : 1)) {
		/* The buffer stays lent; the range has failed and won't need it. */
		range->store_late = true;
		return -ETIMEDOUT;
	}
	return range->store_result;
}

static void copy_run(struct bpfsnap_range *range, u64 first, u64 last, unsigned long deadline)
{
	size_t len_bytes = run_bytes(range, first, last);
	u64 sect = range->start_sect + first * BPFSNAP_CHUNK_SECT;
	int ret;

	ret = bpfsnap_chunkmap_prepare(&range->copied, first, last);
	if (ret)
		return bpfsnap_range_fail(range, ret, "no memory", sect);
	ret = read_old(range, first, len_bytes);
	if (ret)
		return bpfsnap_range_fail(range, ret, "old content unreadable", sect);
	ret = store_old(range, first, len_bytes, deadline);
	if (ret)
		return bpfsnap_range_fail(range, ret, "storage", sect);
	bpfsnap_chunkmap_set(&range->copied, first, last);
	atomic64_add(last - first + 1, &range->copied_chunks);
}

static void copy_range(struct bpfsnap_range *range, const struct bio *bio, unsigned long deadline)
{
	u64 first, last, end;
	bool copied;

	if (!touched(range, bio, &first, &last))
		return;
	while (first <= last && !READ_ONCE(range->error)) {
		end = bpfsnap_chunkmap_run(&range->copied, first,
					   min(last, first + BPFSNAP_PIECE_CHUNKS - 1), &copied);
		if (!copied)
			copy_run(range, first, end, deadline);
		first = end + 1;
		cond_resched();
	}
}

void bpfsnap_cow_copy(struct bpfsnap_origin *origin, struct bio *bio)
{
	unsigned long deadline = jiffies + msecs_to_jiffies(BPFSNAP_STORE_TIMEOUT_MS);
	struct bpfsnap_range *range;

	/* The worker's walk: see the top of bpfsnap.h for why no RCU lock is held. */
	list_for_each_entry_rcu(range, &origin->ranges, node, true)
		copy_range(range, bio, deadline);
}

int bpfsnap_cow_init(struct bpfsnap_range *range)
{
	u64 nr_chunks = DIV_ROUND_UP_ULL(range->nr_sect, BPFSNAP_CHUNK_SECT);
	int ret = -ENOMEM;

	range->store_wb_err = filemap_sample_wb_err(range->store->f_mapping);
	init_completion(&range->stored);
	INIT_WORK(&range->store_work, store_work);
	range->buffer = vmalloc(BPFSNAP_PIECE_BYTES);
	if (!range->buffer)
		return ret;
	range->bvecs = kcalloc(BPFSNAP_PIECE_PAGES, sizeof(*range->bvecs), GFP_KERNEL);
	if (!range->bvecs)
		goto free_buffer;
	range->store_wq = alloc_ordered_workqueue("bpfsnap-store", WQ_MEM_RECLAIM);
	if (!range->store_wq)
		goto free_bvecs;
	ret = bpfsnap_chunkmap_init(&range->copied, nr_chunks);
	if (ret)
		goto free_wq;
	return 0;

free_wq:
	destroy_workqueue(range->store_wq);
free_bvecs:
	kfree(range->bvecs);
free_buffer:
	vfree(range->buffer);
	return ret;
}

void bpfsnap_cow_done(struct bpfsnap_range *range)
{
	/* Waits for a store that we gave up on. */
	destroy_workqueue(range->store_wq);
	bpfsnap_chunkmap_done(&range->copied);
	kfree(range->bvecs);
	vfree(range->buffer);
}
