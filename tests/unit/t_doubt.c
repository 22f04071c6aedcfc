// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is a list doubted for every reason there is, for the epochs that the reason concerns, and
 * only then?
 */
#include "unit.h"

#include <stdbool.h>
#include <string.h>

#include "doubt.h"

static struct doubt_facts tracked_only(const struct bpfsnap_device *device)
{
	struct doubt_facts f = { .device = device, .since = -1 };

	f.has[BPFSNAP_CHANNEL_QUEUE] = true;
	f.has[BPFSNAP_CHANNEL_AGAIN] = true;
	f.has[BPFSNAP_CHANNEL_REMAP] = true;
	f.has[BPFSNAP_CHANNEL_ISSUE] = true;
	return f;
}

static struct doubt_facts gated(const struct bpfsnap_device *device)
{
	struct doubt_facts f = { .device = device, .since = -1, .has_switch = true, .is_gated = true };

	f.has[BPFSNAP_CHANNEL_QUEUE] = true;
	f.has[BPFSNAP_CHANNEL_ISSUE] = true;
	f.has[BPFSNAP_CHANNEL_WRITE] = true;
	return f;
}

static void test_reasons(void **state)
{
	struct bpfsnap_device device = { 0 };
	struct doubt_facts f = gated(&device), only = tracked_only(&device);
	char text[1280], one[32];

	assert_false(doubt_text(&f, text, sizeof(text)));
	assert_false(doubt_text(&only, text, sizeof(text)));
	for (uint32_t bits = 1; bits < 2u << BPFSNAP_DOUBT_NR; bits++) {
		device.uncertain = bits;
		assert_true(doubt_text(&f, text, sizeof(text)));
		assert_true(doubt_text(&only, text, sizeof(text)));
		assert_true(doubt_text(&f, one, sizeof(one)));	/* cut, not overrun */
	}
	device.uncertain = ~0u;
	assert_true(doubt_text(&f, text, sizeof(text)));
	assert_true(strlen(text) < sizeof(text) - 1);
	device.uncertain = 0;
	f.reach = "It is made of cheese.";
	assert_true(doubt_text(&f, text, sizeof(text)));
	assert_string_equal(text, f.reach);
}

static void test_programs(void **state)
{
	static const enum bpfsnap_channel needed[] = {
		BPFSNAP_CHANNEL_QUEUE, BPFSNAP_CHANNEL_ISSUE, BPFSNAP_CHANNEL_REMAP,
	};
	struct bpfsnap_device device = { 0 };
	struct doubt_facts f;
	char text[1280];

	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		f = tracked_only(&device);
		f.has[needed[i]] = false;
		assert_true(doubt_text(&f, text, sizeof(text)));
	}
	f = tracked_only(&device);
	f.is_gated = true;
	assert_true(doubt_text(&f, text, sizeof(text)));
	f = gated(&device);
	f.has[BPFSNAP_CHANNEL_WRITE] = false;
	assert_true(doubt_text(&f, text, sizeof(text)));
	f = gated(&device);
	f.has_switch = false;
	assert_true(doubt_text(&f, text, sizeof(text)));
	f = gated(&device);
	f.is_gated = false;
	assert_true(doubt_text(&f, text, sizeof(text)));
}

static void test_epochs(void **state)
{
	struct bpfsnap_device device = { .uncertain = BPFSNAP_UNCERTAIN_UNLOCATED };
	struct doubt_facts f = tracked_only(&device);
	char text[1280];

	device.doubts[BPFSNAP_DOUBT_UNLOCATED] = (struct bpfsnap_doubt){
		.count = 2, .epoch = 7, .opcode = BPFSNAP_OPCODE_KNOWN | 0x8a, .comm = "sg_write",
		.boot_ns = 1000000000,
	};
	f.boot_offset_ns = 1000000000;
	f.since = 6;
	assert_true(doubt_text(&f, text, sizeof(text)));
	assert_non_null(strstr(text, "2 times, last at 1970-01-01T00:00:02Z in epoch 7, by sg_write, opcode 0x8a"));
	f.since = 7;
	assert_false(doubt_text(&f, text, sizeof(text)));
	f.since = -1;
	assert_true(doubt_text(&f, text, sizeof(text)));
}

/* A write is lost if every program that it was shown to was skipped since. */
static void test_misses(void **state)
{
	struct doubt_misses m = { 0 };

	for (unsigned int skipped = 0; skipped < 1u << BPFSNAP_CHANNEL_NR; skipped++) {
		bool queue = skipped & 1u << BPFSNAP_CHANNEL_QUEUE;
		bool again = skipped & 1u << BPFSNAP_CHANNEL_AGAIN;
		bool remap = skipped & 1u << BPFSNAP_CHANNEL_REMAP;
		bool issue = skipped & 1u << BPFSNAP_CHANNEL_ISSUE;
		bool done = skipped & 1u << BPFSNAP_CHANNEL_DONE &&
			    skipped & 1u << BPFSNAP_CHANNEL_DONE_AGAIN;

		for (int i = 0; i < BPFSNAP_CHANNEL_NR; i++) {
			m.before[i] = 5;
			m.now[i] = m.again[i] = 5 + (skipped >> i & 1);
		}
		for (unsigned int kind = 0; kind < 8; kind++) {
			struct doubt_disk disk = { kind & 1, kind & 2, kind & 4 };
			bool lost = (disk.has_resender && remap) || (queue && again);

			if (disk.takes_requests)
				lost = (lost && issue) || (done && !disk.is_settled);
			assert_int_equal(doubt_missed(&m, &disk), lost);
		}
		/* Skipped between both looks counts too. */
		for (int i = 0; i < BPFSNAP_CHANNEL_NR; i++)
			m.now[i] = 5;
		assert_int_equal(doubt_missed(&m, &(struct doubt_disk){ 0 }), queue && again);
	}
}

static void test_counts(void **state)
{
	char text[1280];

	assert_false(doubt_counts(1, 2, 1, 2, text, sizeof(text)));
	assert_true(doubt_counts(1, 2, 1, 3, text, sizeof(text)));
	assert_true(doubt_counts(1, 2, 0, 2, text, sizeof(text)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_programs),
		cmocka_unit_test(test_epochs),
		cmocka_unit_test(test_misses),
		cmocka_unit_test(test_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
