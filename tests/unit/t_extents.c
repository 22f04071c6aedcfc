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

/* Is the sector at a place of the range within a changed block? */
static bool model(const struct extents_query *q, uint64_t at_bytes)
{
	uint64_t blk = (q->start_bytes + at_bytes) >> q->block_shift;

	return blk >= q->nr_blk ||
	       pages[blk / BPFSNAP_PAGE_BLOCKS].epoch[blk % BPFSNAP_PAGE_BLOCKS] > q->since;
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
		unsigned int epoch = pick(density & 2 ? 8 : 2) ? 0 : (unsigned int)(1 + pick(5));

		for (; run && blk < nr_blk; run--, blk++)
			pages[blk / BPFSNAP_PAGE_BLOCKS].epoch[blk % BPFSNAP_PAGE_BLOCKS] = (uint16_t)epoch;
	}
}

static void check(const struct extents_query *q, uint64_t start)
{
	uint64_t nr_units = q->len_bytes / UNIT_BYTES, cursor = start, previous_end = 0;
	struct extent extents[7];
	bool *seen = calloc(nr_units + 1, sizeof(*seen)), is_first = true;
	size_t nr, max = 1 + pick(7);

	do {
		nr = extents_find(q, &cursor, extents, max);
		assert_true(nr <= max);
		for (size_t i = 0; i < nr; i++) {
			assert_true(extents[i].len_bytes > 0);
			assert_true(extents[i].offset_bytes >= start);
			assert_true(is_first || extents[i].offset_bytes > previous_end);
			previous_end = extents[i].offset_bytes + extents[i].len_bytes;
			assert_true(previous_end <= q->len_bytes);
			is_first = false;
			for (uint64_t u = extents[i].offset_bytes; u < previous_end; u += UNIT_BYTES)
				seen[u / UNIT_BYTES] = true;
		}
		assert_true(nr == max || cursor == q->len_bytes);
	} while (cursor < q->len_bytes);
	for (uint64_t u = 0; u < nr_units; u++)
		if (seen[u] != (u * UNIT_BYTES >= start && model(q, u * UNIT_BYTES)))
			fail_msg("unit %llu of %llu", (unsigned long long)u, (unsigned long long)nr_units);
	free(seen);
}

static void test_model(void **state)
{
	srandom(20);
	for (int i = 0; i < ROUNDS; i++) {
		struct extents_query q = { .pages = pages, .block_shift = 12, .since = (uint32_t)pick(6) };
		uint64_t disk_bytes;

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
	q.since = BPFSNAP_EPOCH_MAX - 1;
	assert_int_equal(extents_find(&q, &cursor, &e, 1), 1);
	assert_int_equal(e.offset_bytes, 0);
	assert_int_equal(e.len_bytes, 4096);
	assert_int_equal(cursor, 4096);
	cursor = 0;
	q.since = BPFSNAP_EPOCH_MAX;
	assert_int_equal(extents_find(&q, &cursor, &e, 1), 0);
	assert_int_equal(cursor, 4096);
	q.len_bytes = 0;
	cursor = 0;
	assert_int_equal(extents_find(&q, &cursor, &e, 1), 0);
	assert_int_equal(cursor, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_all_and_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
