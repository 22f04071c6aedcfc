// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does renumbering lose nothing?  Whatever is asked afterwards, the list is no shorter; and
 * for a boundary that was kept it is the same.
 */
#include "unit.h"

#include <stdbool.h>
#include <stdlib.h>

#include "renumber.h"

enum { ROUNDS = 2000, MARKS = 60 };

static int compare(const void *a, const void *b)
{
	return *(const int32_t *)a - *(const int32_t *)b;
}

static void check(const __u32 *last, uint32_t current, const uint32_t *kept, size_t nr_kept)
{
	uint16_t plan[MARKS + 1] = { 0 };
	__u32 meaning[MARKS + 1] = { 0 };
	uint32_t largest = renumber_plan(last, current, kept, nr_kept, plan);

	assert_true(largest <= nr_kept + 1);
	for (uint32_t m = 1; m < current; m++) {
		assert_true(plan[m] >= 1 && plan[m] <= m && plan[m] <= largest);
		assert_true(m == 1 || plan[m] == plan[m - 1] || plan[m] == plan[m - 1] + 1);
		meaning[plan[m]] = last[m];
	}
	for (uint32_t m = 1; m < current; m++) {
		for (uint32_t since = 0; since <= last[current]; since++)
			assert_true(last[m] <= since || meaning[plan[m]] > since);
		for (size_t i = 0; i < nr_kept; i++)
			assert_int_equal(last[m] > kept[i], meaning[plan[m]] > kept[i]);
		/* While marks are still being rewritten, an old one means no less than before. */
		if (m <= largest)
			assert_true(meaning[m] >= last[m]);
	}
}

static void test_random(void **state)
{
	srandom(7);
	for (int round = 0; round < ROUNDS; round++) {
		uint32_t current = 1 + (uint32_t)random() % MARKS, kept[MARKS];
		__u32 last[MARKS + 1] = { 0 };
		size_t nr_kept = (size_t)random() % MARKS;

		for (uint32_t m = 1; m <= current; m++)
			last[m] = last[m - 1] + 1 + (uint32_t)random() % 4;
		for (size_t i = 0; i < nr_kept; i++)
			kept[i] = (uint32_t)random() % (last[current] + 1);
		qsort(kept, nr_kept, sizeof(kept[0]), compare);
		check(last, current, kept, nr_kept);
	}
}

/* The picture in renumber.h. */
static void test_picture(void **state)
{
	const __u32 last[] = { 0, 10, 11, 12, 13, 14 };
	const uint32_t kept[] = { 11, 13 };
	uint16_t plan[6] = { 0 };

	assert_int_equal(renumber_plan(last, 5, kept, 2, plan), 2);
	assert_int_equal(plan[1], 1);
	assert_int_equal(plan[2], 1);
	assert_int_equal(plan[3], 2);
	assert_int_equal(plan[4], 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_picture),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
