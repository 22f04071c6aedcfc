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

enum { SKIPS_NR = 1 << BPFSNAP_CHANNEL_NR };

#define SKIPPED(channel_) (1u << BPFSNAP_CHANNEL_##channel_)

static struct doubt_disk disk_of(unsigned int kind)
{
	return (struct doubt_disk){
		.takes_requests = kind & 1, .has_resender = kind & 2, .is_settled = kind & 4,
		.needs_issue = kind & 8, .is_gated = kind & 16,
	};
}

/* A write is lost if every program that it was shown to was skipped since. */
static bool is_lost(unsigned int skipped, const struct doubt_disk *disk)
{
	bool queue = skipped & SKIPPED(QUEUE) && skipped & SKIPPED(AGAIN);
	bool done = skipped & SKIPPED(DONE) && skipped & SKIPPED(DONE_AGAIN);
	bool issue = skipped & SKIPPED(ISSUE);
	/* Marked before the boundary, in the epoch that it ended: that doesn't count. */
	bool crosser = disk->takes_requests && !disk->is_settled && (issue || done);
	bool resent = disk->has_resender && skipped & SKIPPED(REMAP);

	if (disk->is_gated)
		return crosser || skipped & SKIPPED(WRITE);
	if (!disk->takes_requests)
		return queue || resent;
	return crosser || (issue && (queue || resent || disk->needs_issue));
}

static struct doubt_misses misses_of(unsigned int skipped)
{
	struct doubt_misses m;

	for (int i = 0; i < BPFSNAP_CHANNEL_NR; i++) {
		m.before[i] = 5;
		m.now[i] = m.again[i] = 5 + (skipped >> i & 1);
	}
	return m;
}

static void test_misses(void **state)
{
	for (unsigned int skipped = 0; skipped < SKIPS_NR; skipped++) {
		for (unsigned int kind = 0; kind < 32; kind++) {
			struct doubt_misses m = misses_of(skipped);
			struct doubt_disk disk = disk_of(kind);

			assert_int_equal(doubt_missed(&m, &disk), is_lost(skipped, &disk));
			/* Skipped between both looks counts too. */
			memcpy(m.now, m.before, sizeof(m.now));
			assert_int_equal(doubt_missed(&m, &disk), is_lost(skipped, &disk));
		}
	}
}

/* Whom nobody but on_issue may have seen, in the epoch that counts. */
static void test_issue_alone(void **state)
{
	struct doubt_misses issue = misses_of(SKIPPED(ISSUE)), none = misses_of(0);
	struct doubt_misses one = misses_of(SKIPPED(DONE)), queues = misses_of(SKIPPED(QUEUE) |
									      SKIPPED(AGAIN));
	struct doubt_disk disk = { .takes_requests = true, .is_settled = true };

	assert_false(doubt_missed(&issue, &disk));
	disk.needs_issue = true;	/* of bcache, or a clone of multipath's */
	assert_true(doubt_missed(&issue, &disk));
	assert_false(doubt_missed(&queues, &disk));
	disk.needs_issue = false;
	for (int is_gated = 0; is_gated < 2; is_gated++) {
		disk.is_gated = is_gated;
		disk.is_settled = false;	/* waited for a request at the boundary */
		assert_true(doubt_missed(&issue, &disk));
		assert_false(doubt_missed(&one, &disk));
		assert_false(doubt_missed(&queues, &disk));
		assert_false(doubt_missed(&none, &disk));
		disk.is_settled = true;
		assert_false(doubt_missed(&issue, &disk));
	}
	/* A gate's snapshot drains; who takes no requests is waited for at a boundary. */
	disk = (struct doubt_disk){ .is_gated = true };
	assert_false(doubt_missed(&issue, &disk));
}

/* A write for which on_queue was skipped before a look, and on_issue after it. */
static void test_forgives(void **state)
{
	struct doubt_disk disk = { .takes_requests = true, .is_settled = true };
	struct doubt_misses m = misses_of(SKIPPED(QUEUE) | SKIPPED(AGAIN));

	assert_false(doubt_missed(&m, &disk));
	assert_false(doubt_forgives(&disk, false));	/* so it is still known then: */
	m = misses_of(SKIPPED(QUEUE) | SKIPPED(AGAIN) | SKIPPED(ISSUE));
	assert_true(doubt_missed(&m, &disk));
	assert_true(doubt_forgives(&disk, true));
	disk.is_settled = false;
	assert_false(doubt_forgives(&disk, false));
	disk = (struct doubt_disk){ 0 };
	assert_true(doubt_forgives(&disk, false));
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
		cmocka_unit_test(test_issue_alone),
		cmocka_unit_test(test_forgives),
		cmocka_unit_test(test_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
