/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which bytes of a range of a disk changed since an epoch?
 */
#ifndef BPFSNAP_EXTENTS_H
#define BPFSNAP_EXTENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/types.h>

#include "bpfsnap_track.h"

/**
 * struct extents_query - what is asked of the marks
 * @pages: marks of the disk; the programs may write to them meanwhile
 * @nr_blk: blocks that @pages has marks for; what lies beyond counts as changed
 * @block_shift: log2 of the bytes in a block
 * @since_mark: changed are blocks with a mark > this
 * @floor: a mark; blocks with an earlier one count as having this one. 0 for none
 * @is_detailed: extents that differ in mark are told apart
 * @start_bytes: of the range, on the disk
 * @len_bytes: of the range
 */
struct extents_query {
	const struct bpfsnap_page *pages;
	uint64_t nr_blk;
	unsigned int block_shift;
	uint32_t since_mark;
	uint32_t floor;
	bool is_detailed;
	uint64_t start_bytes;
	uint64_t len_bytes;
};

/**
 * struct extent - changed bytes, relative to the start of the range
 * @mark: of its first block, with BPFSNAP_MARK_DISCARDED; of all if the query is
 *        detailed. EXTENT_BEYOND if there is no mark for it
 */
struct extent {
	uint64_t offset_bytes;
	uint64_t len_bytes;
	uint32_t mark;
};

#define EXTENT_BEYOND	0x10000u

/**
 * extents_find - the next changed extents of a range
 * @cursor_bytes: in, where in the range to begin; out, where to go on: the start
 *                of the next extent if there is one, the range's length otherwise
 * @extents: room for @max
 *
 * The extents ascend, do not overlap, and end within the range; so do those of calls
 * that follow each other. They touch only where a detailed query tells them apart.
 *
 * Return: how many were found.
 */
size_t extents_find(const struct extents_query *query, uint64_t *cursor_bytes,
		    struct extent *extents, size_t max);

/**
 * extents_count - how many blocks of a disk have each mark
 * @ret_counts: BPFSNAP_MARK_MAX + 1 numbers
 */
void extents_count(const struct bpfsnap_page *pages, uint64_t nr_blk, uint32_t floor,
		   uint64_t *ret_counts);

#endif /* BPFSNAP_EXTENTS_H */
