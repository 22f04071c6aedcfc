/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which op changes which range, and how the range is marked.
 *
 * A mark is a plain 16-bit store.  Two CPUs may race with different epochs
 * only for a disk that is not part of the snapshot which moved the epoch (the
 * disks of a snapshot are drained); both epochs are then later than any
 * checkpoint of that disk, so either mark is right.
 */
#ifndef _MARK_BPF_H
#define _MARK_BPF_H

enum {
	/* Bit 0 of an op tells that it changes data (op_is_write() in the kernel). */
	OP_WRITE_BIT	= 1,
	OP_MASK		= 0xff,
	OP_DISCARD	= 3,
	OP_SECURE_ERASE	= 5,
	OP_WRITE_ZEROES	= 9,

	SECTOR_SHIFT	= 9,
	/* Largest run marked by one verified loop; divides a page. */
	PIECE_BLOCKS	= 256,
	PIECES_PER_PAGE	= BPFSNAP_PAGE_BLOCKS / PIECE_BLOCKS,
	/* 4 GiB, the most that a bio holds, in 4 KiB blocks, plus both ends. */
	PIECES_MAX	= (1 << 20) / PIECE_BLOCKS + 2,
};

static __always_inline int op_changes_data(__u32 op)
{
	return op & OP_WRITE_BIT;
}

static __always_inline int op_is_discard(__u32 op)
{
	return op == OP_DISCARD || op == OP_SECURE_ERASE || op == OP_WRITE_ZEROES;
}

struct mark_range {
	void *pages;
	__u64 first_blk;
	__u64 last_blk;
	__u32 epoch;
	__u32 beyond;		/* out: part of the range has no page */
};

struct mark_run {
	struct bpfsnap_page *page;
	__u32 first;		/* index in the page */
	__u32 epoch;
};

static long mark_block(__u32 i, struct mark_run *run)
{
	run->page->epoch[(run->first + i) % BPFSNAP_PAGE_BLOCKS] = run->epoch;
	return 0;
}

/* A whole piece at once, four marks a store: large discards consist of these. */
static __always_inline void mark_whole(struct bpfsnap_page *page, __u32 first, __u64 epoch)
{
	__u64 *four = (__u64 *)&page->epoch[first % BPFSNAP_PAGE_BLOCKS];

	epoch |= epoch << 16;
	epoch |= epoch << 32;
	/* "volatile" keeps the compiler from calling a memset() that BPF has not. */
#pragma unroll
	for (__u32 j = 0; j < PIECE_BLOCKS / 4; j++)
		((volatile __u64 *)four)[j] = epoch;
}

static long mark_piece(__u32 i, struct mark_range *range)
{
	__u64 first = range->first_blk, last = range->last_blk;
	__u64 from = (first / PIECE_BLOCKS + i) * PIECE_BLOCKS;
	__u64 to = from + PIECE_BLOCKS - 1;
	__u32 key = from / BPFSNAP_PAGE_BLOCKS;
	struct mark_run run = { .epoch = range->epoch };

	if (from > last)
		return 1;
	run.page = bpf_map_lookup_elem(range->pages, &key);
	if (!run.page) {
		range->beyond = 1;
		return 1;
	}
	if (first <= from && to <= last) {
		/* Masked once more, so that the verifier sees the bound. */
		mark_whole(run.page, from & (BPFSNAP_PAGE_BLOCKS - PIECE_BLOCKS), run.epoch);
		return 0;
	}
	if (first > from)
		from = first;
	if (last < to)
		to = last;
	run.first = from % BPFSNAP_PAGE_BLOCKS;
	bpf_loop(to - from + 1, mark_block, &run, 0);
	return 0;
}

/* Mark sectors [sect, sect + nr_sect) of the disk @key as changed now. */
static __always_inline void mark_sectors(__u32 key, struct bpfsnap_device *dev,
					 __u64 sect, __u32 nr_sect)
{
	__u32 zero = 0, shift = (dev->block_shift - SECTOR_SHIFT) & 63;
	struct bpfsnap_state *st = bpf_map_lookup_elem(&state, &zero);
	void *pages = bpf_map_lookup_elem(&marks, &key);
	struct mark_range range = {
		.first_blk = sect >> shift,
		.last_blk = (sect + nr_sect - 1) >> shift,
	};

	if (!st || !pages || range.last_blk >= dev->nr_blk)
		__sync_fetch_and_or(&dev->uncertain, BPFSNAP_UNCERTAIN_RANGE);
	if (!st || !pages)
		return;
	range.pages = pages;
	range.epoch = st->epoch;

	if (range.first_blk == range.last_blk) {
		__u32 page_key = range.first_blk / BPFSNAP_PAGE_BLOCKS;
		struct bpfsnap_page *page = bpf_map_lookup_elem(pages, &page_key);

		if (page) {
			__u16 *mark = &page->epoch[range.first_blk % BPFSNAP_PAGE_BLOCKS];

			/* Look first: most blocks are written again and again. */
			if (*mark < range.epoch)
				*mark = range.epoch;
		}
		return;
	}
	bpf_loop(PIECES_MAX, mark_piece, &range, 0);
	if (range.beyond)
		__sync_fetch_and_or(&dev->uncertain, BPFSNAP_UNCERTAIN_RANGE);
}

#endif /* _MARK_BPF_H */
