// SPDX-License-Identifier: GPL-2.0-only
/*
 * DOC: keeping old content
 *
 * Before a write goes on, the old content of the chunks that it touches is read into
 * memory, in pieces as large as the write; once it is there, the chunks' bits are set
 * and the write goes on.  Storing follows behind (store.c).  All decisions are made by the
 * origin's worker or a write's submitter, with origin->cow_lock held:
 *
 *   neither bit     on the origin
 *   started         being read
 *   started, copied in memory or storage, found through the index
 *
 * Memory is bounded for each snapshot.  At the bound, writes that need a copy wait
 * until something has been stored.
 *
 * If there is no memory below the bound, writes go on, slowly: they may be what gives
 * memory back.  Each range has a reserve of all that a copy takes: pieces, which come back
 * when they have been stored; entries in the index and pages of bits, which stay where they
 * are used and are replaced before anything else gets memory that writes have given back.
 * Only if there is nothing of these for a long time, or nothing is stored, the range fails.
 *
 * Whatever fails, fails the range and lets the write go on.  The error is seen
 * before the write is issued, so an image read that raced it can't return new
 * content as old.
 */
#include <linux/highmem.h>
#include <linux/slab.h>
#include "bpfsnap.h"
#include "trace.h"

/*
 * Nothing here may wait for memory: what would give it back may be waiting for us.  Nor
 * may it look for some itself: without I/O it can look for half a minute in vain.
 */
#define GFP_COPY	(GFP_NOWAIT | __GFP_NOWARN)

/* A few pages at most: from what the system keeps for those who can't wait. */
#define GFP_REFILL	(GFP_NOWAIT | __GFP_HIGH | __GFP_NOWARN)

/* Of a snapshot's pages, so many are kept when they are not needed: 4 MiB. */
enum { USED_PAGES_MAX = 1024 };

/*
 * Which chunks of @range does [from, to) touch?
 * Return: false if none.
 */
static bool touched(const struct bpfsnap_range *range, sector_t from, sector_t to,
		    u64 *ret_first, u64 *ret_last)
{
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
		if (!READ_ONCE(range->error) &&
		    touched(range, bio->bi_iter.bi_sector, bio_end_sector(bio), &first, &last) &&
		    !bpfsnap_chunkmap_all(&range->copied, first, last))
			return true;
	return false;
}

void bpfsnap_cow_count_dropped(struct bpfsnap_origin *origin, const struct bpfsnap_job *job)
{
	struct bpfsnap_range *range;
	u64 first, last;

	list_for_each_entry_rcu(range, &origin->ranges, node)
		if (touched(range, job->sect, job->end_sect, &first, &last))
			atomic64_inc(&range->dropped_discards);
}

/* Pages that the snapshot has used before, up to @nr.  Return: how many. */
static u32 take_used(struct bpfsnap_snapshot *snap, struct bio_vec *bvecs, u32 nr)
{
	u32 i;

	spin_lock(&snap->used_lock);
	for (i = 0; i < nr && snap->used; i++) {
		bvecs[i].bv_page = snap->used;
		snap->used = (struct page *)page_private(snap->used);
	}
	snap->nr_used -= i;
	spin_unlock(&snap->used_lock);
	return i;
}

/* Kept for the next pieces, as far as there is room.  Return: how many of them. */
static u32 keep_used(struct bpfsnap_snapshot *snap, const struct bio_vec *bvecs, u32 nr)
{
	u32 i;

	spin_lock(&snap->used_lock);
	nr = min_t(u32, nr, USED_PAGES_MAX - snap->nr_used);
	for (i = 0; i < nr; i++) {
		set_page_private(bvecs[i].bv_page, (unsigned long)snap->used);
		snap->used = bvecs[i].bv_page;
	}
	snap->nr_used += nr;
	spin_unlock(&snap->used_lock);
	return nr;
}

static void free_used_page(struct page *page)
{
	set_page_private(page, 0);
	__free_page(page);
}

void bpfsnap_cow_free_used(struct bpfsnap_snapshot *snap)
{
	struct page *next;

	for (; snap->used; snap->used = next) {
		next = (struct page *)page_private(snap->used);
		free_used_page(snap->used);
	}
}

static void free_piece(struct bpfsnap_piece *piece, u32 kept)
{
	for (; kept < piece->nr_pages; kept++)
		free_used_page(piece->bvecs[kept].bv_page);
	kfree(piece);
}

void bpfsnap_piece_put(struct bpfsnap_piece *piece)
{
	struct bpfsnap_range *range = piece->range;

	if (!refcount_dec_and_test(&piece->ref))
		return;
	if (piece->is_reserve) {
		llist_add(&piece->read, &range->reserve);
	} else {
		/* In this order, or the two together could be more than the limit. */
		u32 nr = piece->nr_pages, kept = keep_used(range->snap, piece->bvecs, nr);

		free_piece(piece, kept);
		atomic_sub(nr, &range->snap->pages);
	}
}

/*
 * With pages for up to @nr chunks; at least one, or NULL.  To use pages again costs less
 * than the allocator's clearing of new ones does.
 */
static struct bpfsnap_piece *alloc_piece(struct bpfsnap_snapshot *snap, u32 nr, gfp_t gfp)
{
	struct bpfsnap_piece *piece;
	u32 i;

	piece = kmalloc(struct_size(piece, bvecs, nr), gfp);
	if (!piece)
		return NULL;
	for (i = take_used(snap, piece->bvecs, nr); i < nr; i++) {
		struct page *page = alloc_page(gfp | __GFP_HIGHMEM);

		if (!page)
			break;
		piece->bvecs[i].bv_page = page;
	}
	piece->nr_pages = i;
	piece->is_reserve = false;
	if (i)
		return piece;
	kfree(piece);
	return NULL;
}

static struct bpfsnap_piece *take_reserve(struct bpfsnap_range *range)
{
	/* With origin->cow_lock: one takes at a time. */
	struct llist_node *read = llist_del_first(&range->reserve);

	return read ? llist_entry(read, struct bpfsnap_piece, read) : NULL;
}

/* Sectors of the chunks [first, first + nr): the range may end within the last one. */
static u32 chunks_sect(const struct bpfsnap_range *range, u64 first, u32 nr)
{
	return min_t(u64, (u64)nr * BPFSNAP_CHUNK_SECT,
		     range->nr_sect - first * BPFSNAP_CHUNK_SECT);
}

static void piece_endio(struct bio *bio)
{
	struct bpfsnap_piece *piece = container_of(bio, struct bpfsnap_piece, bio);

	/* Who awaits it looks at it next, unless he has given up before. */
	if (atomic_xchg(&piece->state, BPFSNAP_PIECE_READ) == BPFSNAP_PIECE_LEFT)
		bpfsnap_gate_read(piece->range->origin, &piece->read);
}

static void prepare_read(struct bpfsnap_piece *piece)
{
	struct bpfsnap_range *range = piece->range;
	struct bio *bio = &piece->bio;
	u32 left_bytes = chunks_sect(range, piece->chunk, piece->nr_chunks) << SECTOR_SHIFT;
	u32 i;

	/*
	 * Built from scratch: no flag of the write that caused it may leak in.  Nor the limits
	 * and the rank of its writer, as others may wait for the same chunks: it is the root's.
	 */
	bio_init(bio, NULL, piece->bvecs, piece->nr_chunks, REQ_OP_READ | REQ_SYNC);
	bio->bi_bdev = range->origin->disk->part0;
	bio_associate_blkg_from_css(bio, NULL);
	bio->bi_ioprio = IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 0);
	bio->bi_iter.bi_sector = range->start_sect + piece->chunk * BPFSNAP_CHUNK_SECT;
	bio->bi_end_io = piece_endio;
	for (i = 0; i < piece->nr_chunks; i++) {
		u32 len_bytes = min_t(u32, PAGE_SIZE, left_bytes);

		/* What lies behind the range's end is stored too: no kernel memory in it. */
		if (len_bytes < PAGE_SIZE)
			clear_highpage(piece->bvecs[i].bv_page);
		/* Not bio_add_page(): a page for each entry is what storing counts on. */
		piece->bvecs[i].bv_len = len_bytes;
		piece->bvecs[i].bv_offset = 0;
		left_bytes -= len_bytes;
		bio->bi_iter.bi_size += len_bytes;
	}
	bio->bi_vcnt = piece->nr_chunks;
	piece->begun_ns = ktime_get_ns();
	trace_bpfsnap_copy_begin(range->origin->dev, range->info.image_minor,
				 bio->bi_iter.bi_sector, bio_sectors(bio));
}

/* Pages that the snapshot may still take, up to @nr, taken.  Return: how many. */
static u32 take_budget(struct bpfsnap_snapshot *snap, u32 nr)
{
	int used = atomic_read(&snap->pages);

	do {
		if (used >= (int)snap->max_pages)
			return 0;
		nr = min_t(u32, nr, snap->max_pages - used);
	} while (!atomic_try_cmpxchg(&snap->pages, &used, used + nr));
	return nr;
}

/*
 * Have up to @nr chunks from @first on read by @reads.  Who awaits them takes nothing of
 * the reserves: these are the worker's, who sees to it that they are filled up again.
 * Return: how many, 0 if not even one can be read now.
 */
static u32 start_piece(struct bpfsnap_range *range, struct bpfsnap_job *job, u64 first, u32 nr,
		       bool awaited, struct bio_list *reads)
{
	u32 budget = take_budget(range->snap, bpfsnap_chunkmap_together(first, nr));
	u64 last = first + max(budget, 1u) - 1;
	struct bpfsnap_extent *extent;
	struct bpfsnap_piece *piece = NULL;

	/*
	 * At the bound, what is being stored comes back.  If it is all being read, that may
	 * wait for just this write: read from a loop device, whose file is on this disk.  Or
	 * another range's storage has it, which may be slower than this one's for ever.
	 */
	if (!budget && READ_ONCE(range->store->is_busy))
		return 0;
	if (bpfsnap_chunkmap_prepare(&range->started, first, last, GFP_COPY) ||
	    bpfsnap_chunkmap_prepare(&range->copied, first, last, GFP_COPY))
		goto give_back;
	/* One of these may have gone there all the same. */
	if (awaited && !(range->started.spare && range->copied.spare))
		bpfsnap_gate_kick(range->origin);
	extent = awaited ? bpfsnap_extent_alloc(GFP_COPY) :
			   bpfsnap_index_take(&range->index, GFP_COPY);
	if (!extent)
		goto give_back;
	if (budget)
		piece = alloc_piece(range->snap, budget, GFP_COPY);
	/* A large one takes two pages that are neighbours. */
	if (!piece && budget > BPFSNAP_PIECE_CHUNKS / 2)
		piece = alloc_piece(range->snap, BPFSNAP_PIECE_CHUNKS / 2, GFP_COPY);
	if (!piece && !awaited)
		piece = take_reserve(range);
	if (!piece)
		goto untake;
	/* What is not used of the budget; of a reserve, nothing is. */
	nr = piece->nr_pages;
	atomic_sub(piece->is_reserve ? budget : budget - nr, &range->snap->pages);

	piece->range = range;
	piece->job = job;
	piece->extent = extent;
	piece->chunk = first;
	piece->nr_chunks = nr;
	refcount_set(&piece->ref, 1);
	atomic_set(&piece->state, awaited ? BPFSNAP_PIECE_AWAITED : BPFSNAP_PIECE_LEFT);
	*extent = (struct bpfsnap_extent){
		.chunk = first,
		.nr_chunks = nr,
		.place = BPFSNAP_IN_MEMORY,
		.piece = piece,
	};
	bpfsnap_chunkmap_set(&range->started, first, first + nr - 1);
	list_add_tail(&piece->node, &job->pieces);
	range->reading++;
	prepare_read(piece);
	bio_list_add(reads, &piece->bio);
	return nr;

untake:
	bpfsnap_index_untake(&range->index, extent);
give_back:
	atomic_sub(budget, &range->snap->pages);
	return 0;
}

/* No memory, or too much of it in use: wait, but not for ever. */
static void starve(struct bpfsnap_range *range, u64 chunk)
{
	unsigned long progress = READ_ONCE(range->store->progress_jiffies);
	u64 sect = range->start_sect + chunk * BPFSNAP_CHUNK_SECT;

	bpfsnap_store_hurry(range->store);
	/* That the disk takes its time to read is no lack of memory: it comes back, as do writes. */
	if (!range->is_starved || range->reading || time_after(progress, range->starved_jiffies)) {
		WRITE_ONCE(range->is_starved, true);
		range->starved_jiffies = jiffies;
	}
	if (time_before(jiffies, range->starved_jiffies +
				 msecs_to_jiffies(BPFSNAP_STORE_TIMEOUT_MS)))
		return;
	if (READ_ONCE(range->store->is_busy))
		bpfsnap_range_fail(range, -ETIMEDOUT, BPFSNAP_FAILURE_STORAGE_HANGS, sect);
	else
		bpfsnap_range_fail(range, -ENOMEM, BPFSNAP_FAILURE_NO_MEMORY, sect);
}

/*
 * Begin to copy what @job needs of @range, up to one piece: a write of 4 GiB must leave
 * memory to others, and its last piece to be read starts it again.
 */
static enum bpfsnap_cow copy_range(struct bpfsnap_range *range, struct bpfsnap_job *job,
				   bool awaited, struct bio_list *reads)
{
	enum bpfsnap_cow state = BPFSNAP_COW_DONE;
	u32 left = BPFSNAP_PIECE_CHUNKS, nr;
	u64 chunk, last, end;
	bool started;

	if (!touched(range, job->sect, job->end_sect, &chunk, &last))
		return state;
	while (chunk <= last && !READ_ONCE(range->error)) {
		end = bpfsnap_chunkmap_run(&range->started, chunk, min(last, chunk + left - 1),
					   &started);
		if (started) {
			/* By a job before this one, or by this one when it began. */
			if (!bpfsnap_chunkmap_all(&range->copied, chunk, end))
				state = BPFSNAP_COW_BLOCKED;
			chunk = end + 1;
			continue;
		}
		/* Those that starve are the worker's, and were first. */
		if (awaited && range->is_starved)
			return BPFSNAP_COW_STARVED;
		nr = start_piece(range, job, chunk, end - chunk + 1, awaited, reads);
		if (!nr) {
			if (!awaited)
				starve(range, chunk);
			return READ_ONCE(range->error) ? BPFSNAP_COW_DONE : BPFSNAP_COW_STARVED;
		}
		WRITE_ONCE(range->is_starved, false);
		chunk += nr;
		left -= nr;
		if (!left)
			return BPFSNAP_COW_READING;
	}
	return READ_ONCE(range->error) ? BPFSNAP_COW_DONE : state;
}

/* @awaited: the caller looks for what has been read when this returns. */
static enum bpfsnap_cow start(struct bpfsnap_origin *origin, struct bpfsnap_job *job, bool awaited)
{
	enum bpfsnap_cow state = BPFSNAP_COW_DONE;
	struct bio_list reads = BIO_EMPTY_LIST;
	struct blk_plug *plug = awaited ? current->plug : NULL;
	struct bpfsnap_range *range;
	struct bio *bio;

	spin_lock(&origin->cow_lock);
	/* Preemption is off: it is an RCU reader. */
	list_for_each_entry_rcu(range, &origin->ranges, node, true)
		if (!job->range || job->range == range)
			state = max(state, copy_range(range, job, awaited, &reads));
	/* What it has begun starts it again, and is not to be outlived. */
	if (!list_empty(&job->pieces))
		state = BPFSNAP_COW_READING;
	else if (state == BPFSNAP_COW_BLOCKED)
		origin->is_blocked = true;
	spin_unlock(&origin->cow_lock);
	/* What is awaited must not be kept back, nor anything else while this task sleeps. */
	if (plug)
		blk_finish_plug(plug);
	while ((bio = bio_list_pop(&reads)))
		submit_bio_noacct(bio);
	/* Not blk_start_plug(): it is no new one. */
	if (plug)
		current->plug = plug;
	return state;
}

enum bpfsnap_cow bpfsnap_cow_start(struct bpfsnap_origin *origin, struct bpfsnap_job *job)
{
	return start(origin, job, false);
}

static void finish_piece(struct bpfsnap_piece *piece)
{
	int error = blk_status_to_errno(piece->bio.bi_status);
	struct bpfsnap_range *range = piece->range;
	u64 sect = range->start_sect + piece->chunk * BPFSNAP_CHUNK_SECT;
	enum bpfsnap_failure reason = BPFSNAP_FAILURE_DISK_READ;

	lockdep_assert_held(&range->origin->cow_lock);
	list_del(&piece->node);
	bio_uninit(&piece->bio);
	if (!bpfsnap_range_has_disk(range)) {
		error = error ?: -ENODEV;
		reason = BPFSNAP_FAILURE_DISK_GONE;
	}
	trace_bpfsnap_copied(range->origin->dev, range->info.image_minor, sect,
			     chunks_sect(range, piece->chunk, piece->nr_chunks),
			     ktime_get_ns() - piece->begun_ns, error);
	if (error || READ_ONCE(range->error)) {
		if (error)
			bpfsnap_range_fail(range, error, reason, sect);
		bpfsnap_extent_free(piece->extent);
		bpfsnap_piece_put(piece);
	} else {
		bpfsnap_index_add(&range->index, piece->extent);
		bpfsnap_chunkmap_set(&range->copied, piece->chunk,
				     piece->chunk + piece->nr_chunks - 1);
		atomic64_add(piece->nr_chunks, &range->copied_chunks);
		bpfsnap_store_add(range->store, piece);
	}
	/* What has been read can be stored now. */
	range->starved_jiffies = jiffies;
	/* Whoever frees the range takes the lock before. */
	if (!--range->reading)
		wake_up(&range->idle);
}

void bpfsnap_cow_await(struct bpfsnap_range *range)
{
	wait_event(range->idle, !READ_ONCE(range->reading));
	/* Who said so is done with the range when he lets go of it. */
	spin_lock(&range->origin->cow_lock);
	spin_unlock(&range->origin->cow_lock);
}

enum bpfsnap_cow bpfsnap_cow_here(struct bpfsnap_origin *origin, struct bpfsnap_job *job)
{
	struct bpfsnap_piece *piece, *next;
	enum bpfsnap_cow state;
	bool is_read;

	state = start(origin, job, true);
	if (state != BPFSNAP_COW_READING)
		return state;
	spin_lock(&origin->cow_lock);
	list_for_each_entry_safe(piece, next, &job->pieces, node)
		if (atomic_xchg(&piece->state, BPFSNAP_PIECE_LEFT) == BPFSNAP_PIECE_READ)
			finish_piece(piece);
	is_read = list_empty(&job->pieces);
	if (origin->is_blocked) {
		origin->is_blocked = false;
		bpfsnap_gate_kick(origin);
	}
	spin_unlock(&origin->cow_lock);
	/* The gate looks again: a second piece is for the worker, and so is what was armed meanwhile. */
	if (is_read)
		return BPFSNAP_COW_DONE;
	/* Its last piece starts it again, and it may be gone. */
	WRITE_ONCE(origin->left_jiffies, jiffies);
	return state;
}

void bpfsnap_cow_finish(struct bpfsnap_origin *origin, struct list_head *ready)
{
	struct llist_node *read = llist_reverse_order(llist_del_all(&origin->read));
	struct bpfsnap_piece *piece, *next;

	llist_for_each_entry_safe(piece, next, read, read) {
		struct bpfsnap_job *job = piece->job;

		spin_lock(&origin->cow_lock);
		finish_piece(piece);
		if (list_empty(&job->pieces))
			list_add_tail(&job->node, ready);
		spin_unlock(&origin->cow_lock);
	}
}

bool bpfsnap_cow_refill(struct bpfsnap_origin *origin)
{
	struct bpfsnap_range *range;
	bool is_full = true;

	spin_lock(&origin->cow_lock);
	list_for_each_entry_rcu(range, &origin->ranges, node, true)
		if (!READ_ONCE(range->error))
			is_full &= bpfsnap_chunkmap_refill(&range->started, GFP_REFILL) &&
				   bpfsnap_chunkmap_refill(&range->copied, GFP_REFILL) &&
				   bpfsnap_index_refill(&range->index, GFP_REFILL);
	spin_unlock(&origin->cow_lock);
	return is_full;
}

static int create_reserve(struct bpfsnap_range *range)
{
	u32 i;

	for (i = 0; i < BPFSNAP_RESERVE_PIECES; i++) {
		struct bpfsnap_piece *piece = alloc_piece(range->snap, 1, GFP_KERNEL);

		if (!piece)
			return -ENOMEM;
		piece->is_reserve = true;
		llist_add(&piece->read, &range->reserve);
	}
	return 0;
}

static void destroy_reserve(struct bpfsnap_range *range)
{
	struct bpfsnap_piece *piece;

	while ((piece = take_reserve(range)))
		free_piece(piece, 0);
}

int bpfsnap_cow_create(struct bpfsnap_range *range)
{
	u64 nr_chunks = DIV_ROUND_UP_ULL(range->nr_sect, BPFSNAP_CHUNK_SECT);
	int ret;

	init_waitqueue_head(&range->idle);
	init_llist_head(&range->reserve);
	ret = bpfsnap_index_create(&range->index) ?: create_reserve(range) ?:
	      bpfsnap_chunkmap_init(&range->copied, nr_chunks) ?:
	      bpfsnap_chunkmap_init(&range->started, nr_chunks);
	if (ret)
		bpfsnap_cow_destroy(range);
	return ret;
}

void bpfsnap_cow_destroy(struct bpfsnap_range *range)
{
	bpfsnap_index_destroy(&range->index);
	bpfsnap_chunkmap_done(&range->started);
	bpfsnap_chunkmap_done(&range->copied);
	destroy_reserve(range);
}
