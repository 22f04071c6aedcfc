/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How is a range marked?
 *
 * A mark is a plain 16-bit store.  Two CPUs may race with different marks only for
 * a disk that is not part of the snapshot which moved the epoch (the disks of a
 * snapshot are drained); both epochs are then later than any boundary of that
 * disk, so either mark is right.
 */
#ifndef _MARK_BPF_H
#define _MARK_BPF_H

enum {
	/* Largest run marked by one verified loop; divides a page. */
	PIECE_BLOCKS	= 256,
	/* Ranges up to this are marked in a plain loop, if in one page. */
	SHORT_BLOCKS	= 32,
	/* 4 GiB, the most that a bio holds, in 4 KiB blocks, plus both ends. */
	PIECES_MAX	= (1 << 20) / PIECE_BLOCKS + 2,
};

/*
 * @full_first, @full_last: blocks that are discarded wholly; none if first > last
 * @changed: out, blocks that had another mark
 * @beyond: out, part of the range has no page
 */
struct mark_range {
	void *pages;
	__u64 first_blk;
	__u64 last_blk;
	__u64 full_first;
	__u64 full_last;
	__u32 mark;
	__u32 changed;
	__u32 beyond;
};

struct mark_run {
	struct bpfsnap_page *page;
	struct mark_range *range;
	__u64 first_blk;
};

static __always_inline __u32 mark_one(__u16 *place, __u32 mark)
{
	__u32 old = *place;

	/* Look first: most blocks are written again and again. */
	if (old == mark)
		return 0;
	*place = mark;
	return ((old ^ mark) & BPFSNAP_MARK_MAX) != 0;
}

static __always_inline __u32 mark_at(const struct mark_range *range, __u64 blk)
{
	return blk >= range->full_first && blk <= range->full_last ?
	       range->mark | BPFSNAP_MARK_DISCARDED : range->mark;
}

static long mark_block(__u32 i, struct mark_run *run)
{
	__u64 blk = run->first_blk + i;

	run->range->changed += mark_one(&run->page->mark[blk % BPFSNAP_PAGE_BLOCKS],
					mark_at(run->range, blk));
	return 0;
}

/*
 * A whole piece at once, four marks a store: large discards consist of these.
 * Return: how many changed, all or none; without a branch, which the verifier would
 * have to follow on either side, 64 times.
 */
static __always_inline __u32 mark_whole(struct bpfsnap_page *page, __u32 first, __u64 mark)
{
	volatile __u64 *four = (__u64 *)&page->mark[first % BPFSNAP_PAGE_BLOCKS];
	__u64 differs = 0;

	mark |= mark << 16;
	mark |= mark << 32;
#pragma unroll
	for (__u32 j = 0; j < PIECE_BLOCKS / 4; j++) {
		differs |= four[j] ^ mark;
		four[j] = mark;
	}
	return differs ? PIECE_BLOCKS : 0;
}

static long mark_piece(__u32 i, struct mark_range *range)
{
	__u64 first = range->first_blk, last = range->last_blk;
	__u64 from = (first / PIECE_BLOCKS + i) * PIECE_BLOCKS;
	__u64 to = from + PIECE_BLOCKS - 1;
	__u32 key = from / BPFSNAP_PAGE_BLOCKS, mark;
	struct mark_run run = { .range = range };

	if (from > last)
		return 1;
	run.page = bpf_map_lookup_elem(range->pages, &key);
	if (!run.page) {
		range->beyond = 1;
		return 1;
	}
	mark = mark_at(range, from);
	if (first <= from && to <= last && mark == mark_at(range, to)) {
		/* Masked once more, so that the verifier sees the bound. */
		range->changed += mark_whole(run.page,
					     from & (BPFSNAP_PAGE_BLOCKS - PIECE_BLOCKS), mark);
		return 0;
	}
	if (first > from)
		from = first;
	if (last < to)
		to = last;
	run.first_blk = from;
	bpf_loop(to - from + 1, mark_block, &run, 0);
	return 0;
}

/* Ranges of several blocks, and discards. */
static __noinline int mark_blocks(struct mark_range *range)
{
	__u64 nr = range->last_blk - range->first_blk + 1;
	__u32 key = range->first_blk / BPFSNAP_PAGE_BLOCKS;
	__u32 at = range->first_blk % BPFSNAP_PAGE_BLOCKS;
	struct bpfsnap_page *page;

	if (nr > SHORT_BLOCKS || at + nr > BPFSNAP_PAGE_BLOCKS) {
		bpf_loop(PIECES_MAX, mark_piece, range, 0);
		return 0;
	}
	page = bpf_map_lookup_elem(range->pages, &key);
	if (!page) {
		range->beyond = 1;
		return 0;
	}
	for (__u32 i = 0; i < SHORT_BLOCKS && i < nr; i++)
		range->changed += mark_one(&page->mark[(at + i) % BPFSNAP_PAGE_BLOCKS],
					   mark_at(range, range->first_blk + i));
	return 0;
}

/*
 * Mark sectors [sect, sect + nr_sect) of a disk as changed now.
 * Return: how many blocks changed for the first time in this epoch.
 */
static __always_inline __u32 mark_sectors(const struct bpfsnap_device *dev, __u32 slot,
					  __u64 sect, __u64 nr_sect, enum change change)
{
	__u32 shift = (dev->block_shift - SECTOR_SHIFT) & 63;
	struct bpfsnap_state *st = get_state();
	void *pages = bpf_map_lookup_elem(&marks, &slot);
	struct mark_range range = {
		.first_blk = sect >> shift,
		.last_blk = (sect + nr_sect - 1) >> shift,
		.full_first = 1,
	};

	if (!st || !pages || range.last_blk >= dev->nr_blk)
		doubt(slot, BPFSNAP_DOUBT_RANGE, 0);
	if (!st || !pages)
		return 0;
	range.mark = *(volatile __u32 *)&st->mark;

	if (range.first_blk == range.last_blk && change != CHANGE_DISCARDS) {
		__u32 key = range.first_blk / BPFSNAP_PAGE_BLOCKS;
		struct bpfsnap_page *page = bpf_map_lookup_elem(pages, &key);

		return page ? mark_one(&page->mark[range.first_blk % BPFSNAP_PAGE_BLOCKS],
				       range.mark) : 0;
	}
	range.pages = pages;
	if (change == CHANGE_DISCARDS) {
		/* Blocks wholly inside; the last one of the disk may be shorter. */
		range.full_first = (sect + (1ull << shift) - 1) >> shift;
		range.full_last = (sect + nr_sect) >> shift;
		if (sect + nr_sect >= dev->nr_sect)
			range.full_last = range.last_blk + 1;
		/* One more than the last; without any, both stay in front of the range. */
		if (range.full_last > range.full_first) {
			range.full_last--;
		} else {
			range.full_first = 1;
			range.full_last = 0;
		}
	}
	mark_blocks(&range);
	if (range.beyond)
		doubt(slot, BPFSNAP_DOUBT_RANGE, 0);
	return range.changed;
}

/* Every block at once: a floor below which no mark counts. */
static __always_inline void mark_all(struct bpfsnap_device *dev)
{
	struct bpfsnap_state *st = get_state();

	if (st)
		dev->floor = *(volatile __u32 *)&st->mark;
}

#endif /* _MARK_BPF_H */
