// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which bytes of a range of a disk changed since an epoch?
 */
#include "extents.h"

#include <string.h>

enum {
	GROUP_BLOCKS = 64,	/* looked at in one go where nothing changed */
};

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* A block's mark, lifted to the floor; a discard in front of the floor tells nothing. */
static uint32_t lift(uint32_t mark, uint32_t floor)
{
	return (mark & BPFSNAP_MARK_MAX) < floor ? floor : mark;
}

static uint32_t mark_of(const struct extents_query *q, uint64_t blk)
{
	const volatile __u16 *mark;

	if (blk >= q->nr_blk)
		return EXTENT_BEYOND;
	mark = &q->pages[blk / BPFSNAP_PAGE_BLOCKS].mark[blk % BPFSNAP_PAGE_BLOCKS];
	return lift(*mark, q->floor);
}

static bool is_changed(const struct extents_query *q, uint32_t mark)
{
	return mark == EXTENT_BEYOND || (mark & BPFSNAP_MARK_MAX) > q->since_mark;
}

static bool is_group_changed(const struct extents_query *q, uint64_t blk)
{
	const __u16 *mark;
	unsigned int changed = q->floor > q->since_mark;

	mark = &q->pages[blk / BPFSNAP_PAGE_BLOCKS].mark[blk % BPFSNAP_PAGE_BLOCKS];
	for (unsigned int i = 0; i < GROUP_BLOCKS; i++)
		changed |= (mark[i] & (unsigned int)BPFSNAP_MARK_MAX) > q->since_mark;
	return changed;
}

/* First changed block in [blk, end), or end. */
static uint64_t find_changed(const struct extents_query *q, uint64_t blk, uint64_t end,
			     uint32_t *ret_mark)
{
	while (blk < end) {
		if (blk % GROUP_BLOCKS == 0 && blk + GROUP_BLOCKS <= min_u64(end, q->nr_blk) &&
		    !is_group_changed(q, blk)) {
			blk += GROUP_BLOCKS;
			continue;
		}
		*ret_mark = mark_of(q, blk);
		if (is_changed(q, *ret_mark))
			return blk;
		blk++;
	}
	return end;
}

/* First block in (blk, end) that does not belong to the extent; was it seen unchanged? */
static uint64_t find_tail(const struct extents_query *q, uint64_t blk, uint64_t end, uint32_t mark,
			  bool *ret_is_unchanged)
{
	*ret_is_unchanged = false;
	if (mark == EXTENT_BEYOND)
		return end;
	while (++blk < end) {
		uint32_t other = mark_of(q, blk);

		if (!is_changed(q, other)) {
			*ret_is_unchanged = true;
			break;
		}
		if (q->is_detailed && other != mark)
			break;
	}
	return blk;
}

size_t extents_find(const struct extents_query *query, uint64_t *cursor_bytes,
		    struct extent *extents, size_t max)
{
	uint64_t first = query->start_bytes + min_u64(*cursor_bytes, query->len_bytes);
	uint64_t limit = query->start_bytes + query->len_bytes;
	uint64_t blk = first >> query->block_shift;
	uint64_t end = limit > first ? ((limit - 1) >> query->block_shift) + 1 : blk;
	size_t nr = 0;

	for (;;) {
		uint64_t from, to, tail;
		bool is_unchanged;
		uint32_t mark;

		blk = find_changed(query, blk, end, &mark);
		if (blk == end || nr == max)
			break;
		tail = find_tail(query, blk, end, mark, &is_unchanged);
		from = blk << query->block_shift;
		to = tail << query->block_shift;
		from = from > first ? from : first;
		to = min_u64(to, limit);
		extents[nr++] = (struct extent){ from - query->start_bytes, to - from, mark };
		/* The block behind it was seen unchanged: a write that came since is a later one. */
		blk = tail < end ? tail + is_unchanged : end;
	}
	if (blk == end)
		*cursor_bytes = query->len_bytes;
	else if ((blk << query->block_shift) > first)
		*cursor_bytes = (blk << query->block_shift) - query->start_bytes;
	return nr;
}

void extents_count(const struct bpfsnap_page *pages, uint64_t nr_blk, uint32_t floor,
		   uint64_t *ret_counts)
{
	memset(ret_counts, 0, (BPFSNAP_MARK_MAX + 1) * sizeof(*ret_counts));
	for (uint64_t blk = 0; blk < nr_blk; blk++) {
		const volatile __u16 *mark = &pages[blk / BPFSNAP_PAGE_BLOCKS]
						      .mark[blk % BPFSNAP_PAGE_BLOCKS];

		ret_counts[lift(*mark, floor) & BPFSNAP_MARK_MAX]++;
	}
}
