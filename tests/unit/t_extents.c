// SPDX-License-Identifier: GPL-2.0-only
/*
 * Do the extents tell what a model tells that looks at each byte range's marks
 * one by one?
 */
#include "unit.h"

#include <stdbool.h>
#include <string.h>

#include "extents.h"

enum {
	ROUNDS = 3000,
	PAGES = 3,
	UNIT_BYTES = 512,	/* ranges begin and end at sectors */
};

static struct bpfsnap_page pages[PAGES];

/* What is told of the sector at a place of the range: its mark, 0 if it did not change. */
static uint32_t model(const struct extents_query *q, uint64_t at_bytes)
{
	uint64_t blk = (q->start_bytes + at_bytes) >> q->block_shift;
	uint32_t mark;

	if (blk >= q->nr_blk)
		return EXTENT_BEYOND;
	mark = pages[blk / BPFSNAP_PAGE_BLOCKS].mark[blk % BPFSNAP_PAGE_BLOCKS];
	if ((mark & BPFSNAP_MARK_MAX) < q->floor)
		mark = q->floor;
	return (mark & BPFSNAP_MARK_MAX) > q->since_mark ? mark : 0;
}

static uint64_t pick(uint64_t limit)
{
	return (uint64_t)random() % limit;
}

static void fill(uint64_t nr_blk)
{
	unsigned int density = (unsigned int)pick(4);	/* runs are long, short, rare, frequent */
	uint64_t blk = 0;

	memset(pages, 0, sizeof(pages));
	while (blk < nr_blk) {
		uint64_t run = 1 + pick(density & 1 ? 300 : 3);
		unsigned int mark = pick(density & 2 ? 8 : 2) ? 0 : (unsigned int)(1 + pick(5));

		if (mark && pick(3) == 0)
			mark |= BPFSNAP_MARK_DISCARDED;

		for (; run && blk < nr_blk; run--, blk++)
			pages[blk / BPFSNAP_PAGE_BLOCKS].mark[blk % BPFSNAP_PAGE_BLOCKS] = (uint16_t)mark;
	}
}

static void check(const struct extents_query *q, uint64_t start)
{
	uint64_t nr_units = q->len_bytes / UNIT_BYTES, cursor = start, previous_end = 0;
	uint32_t *seen = calloc(nr_units + 1, sizeof(*seen)), previous_mark = 0;
	struct extent extents[7];
	bool is_first = true;
	size_t nr, max = 1 + pick(7);

	do {
		nr = extents_find(q, &cursor, extents, max);
		assert_true(nr <= max);
		for (size_t i = 0; i < nr; i++) {
			const struct extent *e = &extents[i];

			assert_true(e->len_bytes > 0);
			assert_true(e->offset_bytes >= start);
			assert_true(is_first || e->offset_bytes > previous_end ||
				    (q->is_detailed && e->offset_bytes == previous_end &&
				     e->mark != previous_mark));
			previous_end = e->offset_bytes + e->len_bytes;
			previous_mark = e->mark;
			assert_true(previous_end <= q->len_bytes);
			is_first = false;
			for (uint64_t u = e->offset_bytes; u < previous_end; u += UNIT_BYTES)
				seen[u / UNIT_BYTES] = e->mark;
		}
		assert_true(nr == max || cursor == q->len_bytes);
	} while (cursor < q->len_bytes);
	for (uint64_t u = 0; u < nr_units; u++) {
		uint32_t mark = u * UNIT_BYTES >= start ? model(q, u * UNIT_BYTES) : 0;

		if (q->is_detailed ? seen[u] != mark : !seen[u] != !mark)
			fail_msg("unit %llu of %llu is %x, not %x", (unsigned long long)u,
				 (unsigned long long)nr_units, seen[u], mark);
	}
	free(seen);
}

static void test_model(void **state)
{
	srandom(20);
	for (int i = 0; i < ROUNDS; i++) {
		struct extents_query q = { .pages = pages, .block_shift = 12, .since_mark = (uint32_t)pick(6),
					   .is_detailed = pick(2) };
		uint64_t disk_bytes;

		if (pick(5) == 0)
			q.floor = (uint32_t)(1 + pick(5));
		q.nr_blk = 1 + pick(PAGES * BPFSNAP_PAGE_BLOCKS);
		fill(q.nr_blk);
		disk_bytes = q.nr_blk << q.block_shift;
		q.start_bytes = pick(disk_bytes / UNIT_BYTES) * UNIT_BYTES;
		q.len_bytes = (disk_bytes - q.start_bytes) / UNIT_BYTES;
		q.len_bytes = (1 + pick(q.len_bytes)) * UNIT_BYTES;
		if (pick(20) == 0)
			q.len_bytes += pick(100) * UNIT_BYTES;	/* the device has grown */
		check(&q, pick(2) ? 0 : pick(q.len_bytes / UNIT_BYTES + 1) * UNIT_BYTES);
	}
}

static void test_all_and_nothing(void **state)
{
	struct extents_query q = {
		.pages = pages, .nr_blk = PAGES * BPFSNAP_PAGE_BLOCKS, .block_shift = 16,
		.start_bytes = 1000 * 512, .len_bytes = 4096,
	};
	uint64_t cursor = 0;
	struct extent e;

	memset(pages, 0xff, sizeof(pages));
	q.since_mark = BPFSNAP_MARK_MAX - 1;
	assert_int_equal(extents_find(&q, &cursor, &e, 1), 1);
	assert_int_equal(e.offset_bytes, 0);
	assert_int_equal(e.len_bytes, 4096);
	assert_int_equal(cursor, 4096);
	cursor = 0;
	q.since_mark = BPFSNAP_MARK_MAX;
	assert_int_equal(extents_find(&q, &cursor, &e, 1), 0);
	assert_int_equal(cursor, 4096);
	q.len_bytes = 0;
	cursor = 0;
	assert_int_equal(extents_find(&q, &cursor, &e, 1), 0);
	assert_int_equal(cursor, 0);
}

static void test_count(void **state)
{
	static uint64_t counts[BPFSNAP_MARK_MAX + 1];

	memset(pages, 0, sizeof(pages));
	pages[0].mark[3] = 1;
	pages[1].mark[4] = 2 | BPFSNAP_MARK_DISCARDED;
	pages[1].mark[5] = 9;
	extents_count(pages, 2 * BPFSNAP_PAGE_BLOCKS, 0, counts);
	assert_int_equal(counts[0], 2 * BPFSNAP_PAGE_BLOCKS - 3);
	assert_int_equal(counts[1], 1);
	assert_int_equal(counts[2], 1);
	assert_int_equal(counts[9], 1);
	extents_count(pages, 2 * BPFSNAP_PAGE_BLOCKS, 2, counts);
	assert_int_equal(counts[0], 0);
	assert_int_equal(counts[2], 2 * BPFSNAP_PAGE_BLOCKS - 1);
	assert_int_equal(counts[9], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_all_and_nothing),
		cmocka_unit_test(test_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
