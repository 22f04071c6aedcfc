// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which bytes of a range of a disk changed since an epoch?
 */
#include "extents.h"

#include <stdbool.h>

enum {
	GROUP_BLOCKS = 64,	/* looked at in one go where nothing changed */
};

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static bool is_changed(const struct extents_query *q, uint64_t blk)
{
	const volatile __u16 *epoch;

	if (blk >= q->nr_blk)
		return true;
	epoch = &q->pages[blk / BPFSNAP_PAGE_BLOCKS].epoch[blk % BPFSNAP_PAGE_BLOCKS];
	return *epoch > q->since;
}

static bool is_group_changed(const struct extents_query *q, uint64_t blk)
{
	const __u16 *epoch;
	unsigned int changed = 0;

	epoch = &q->pages[blk / BPFSNAP_PAGE_BLOCKS].epoch[blk % BPFSNAP_PAGE_BLOCKS];
	for (unsigned int i = 0; i < GROUP_BLOCKS; i++)
		changed |= epoch[i] > q->since;
	return changed;
}

/* First changed block in [blk, end), or end. */
static uint64_t find_changed(const struct extents_query *q, uint64_t blk, uint64_t end)
{
	while (blk < end) {
		if (blk % GROUP_BLOCKS == 0 && blk + GROUP_BLOCKS <= min_u64(end, q->nr_blk) &&
		    !is_group_changed(q, blk)) {
			blk += GROUP_BLOCKS;
			continue;
		}
		if (is_changed(q, blk))
			return blk;
		blk++;
	}
	return end;
}

static uint64_t find_unchanged(const struct extents_query *q, uint64_t blk, uint64_t end)
{
	if (q->nr_blk < end && blk >= q->nr_blk)
		return end;
	while (blk < end && is_changed(q, blk))
		blk++;
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

		blk = find_changed(query, blk, end);
		if (blk == end || nr == max)
			break;
		tail = find_unchanged(query, blk, end);
		from = blk << query->block_shift;
		to = tail << query->block_shift;
		from = from > first ? from : first;
		to = min_u64(to, limit);
		extents[nr++] = (struct extent){ from - query->start_bytes, to - from };
		/* The block behind it was seen unchanged: a write that came since is a later one. */
		blk = tail < end ? tail + 1 : end;
	}
	if (blk == end)
		*cursor_bytes = query->len_bytes;
	else if ((blk << query->block_shift) > first)
		*cursor_bytes = (blk << query->block_shift) - query->start_bytes;
	return nr;
}
