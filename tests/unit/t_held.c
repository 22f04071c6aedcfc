// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whose are snapshots, and does the next daemon know it?
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "held.h"

#define OWN_CLOCK CLOCK_BOOTTIME
#include "clock.h"

#define ONE "11111111-1111-4111-8111-111111111111"
#define TWO "22222222-2222-4222-8222-222222222222"

static char dir[64];
static const char *gone = "";	/* the module does not hold this one */

static bool is_held(const char *snapshot)
{
	return strcmp(snapshot, gone) != 0;
}

static int begin(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/held.XXXXXX");
	gone = "";
	return mkdtemp(dir) && held_open(dir, is_held) == 0 ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	held_forget(ONE);
	held_forget(TWO);
	held_close();
	return rmdir(dir);	/* no file is left */
}

static void restart(void)
{
	held_close();
	assert_int_equal(held_open(dir, is_held), 0);
}

static void make(const char *snapshot, struct held_terms terms, const char *request)
{
	struct json_object *o = json_tokener_parse(request);

	assert_int_equal(held_plan(snapshot, &terms, o), 0);
	json_object_put(o);
}

static void expect_due(const char *snapshot, enum held_end why)
{
	enum held_end got_why;
	char got[37];

	assert_true(held_due(got, &got_why));
	assert_string_equal(got, snapshot);
	assert_int_equal(got_why, why);
	assert_false(held_due(got, &got_why));	/* once */
}

static void expect_none(void)
{
	enum held_end why;
	char got[37];

	assert_false(held_due(got, &why));
}

static void keys(void **state)
{
	struct json_object *same = json_tokener_parse("{\"b\":[1],\"a\":true}");
	struct json_object *other = json_tokener_parse("{\"b\":[2],\"a\":true}");
	struct held_terms terms;
	char got[37];
	bool is_same;

	(void)state;
	make(ONE, (struct held_terms){ .key = "k", .serial = 1, .is_bound = true },
	     "{\"a\":true,\"b\":[1]}");
	assert_true(held_find("k", same, 2, got, &is_same) < 0);	/* it is not taken yet */
	held_created(ONE);
	assert_true(held_find("x", same, 2, got, &is_same) < 0);
	assert_int_equal(held_find("k", other, 2, got, &is_same), 0);
	assert_false(is_same);
	assert_int_equal(held_find("k", same, 2, got, &is_same), 0);
	assert_true(is_same);
	assert_string_equal(got, ONE);
	assert_true(held_get(ONE, &terms));
	assert_int_equal(terms.serial, 2);
	/* The first asker's end is nobody's any more. */
	held_disconnected(1);
	expect_none();
	held_disconnected(2);
	expect_due(ONE, HELD_END_OWNER);
	assert_true(held_find("k", same, 3, got, &is_same) < 0);
	json_object_put(same);
	json_object_put(other);
}

static void leases(void **state)
{
	int64_t expires_ms;

	(void)state;
	make(ONE, (struct held_terms){ .lease_s = 1 }, "{}");
	expect_none();
	assert_int_equal(held_wait_ms(), -1);	/* while it is being taken */
	held_created(ONE);
	assert_int_equal(held_wait_ms(), 1000);
	clock_ms += 999;
	expect_none();
	assert_int_equal(held_renew(ONE, 0, &expires_ms), 0);
	assert_int_equal(expires_ms, clock_ms + 1000);
	clock_ms += 600;
	expect_none();
	restart();
	assert_int_equal(held_wait_ms(), 400);
	clock_ms += 399;
	expect_none();
	held_close();
	clock_ms += 1;
	assert_int_equal(held_open(dir, is_held), 0);
	assert_int_equal(held_wait_ms(), 0);
	expect_due(ONE, HELD_END_LEASE);
	assert_true(held_renew(ONE, 5, &expires_ms) < 0);
	assert_true(held_renew(TWO, 5, &expires_ms) < 0);
	held_retry(ONE);
	expect_none();
	assert_int_equal(held_wait_ms(), HELD_RETRY_MS);
	clock_ms += HELD_RETRY_MS - 1;
	expect_none();
	clock_ms += 1;
	expect_due(ONE, HELD_END_LEASE);
}

static void restarts(void **state)
{
	struct held_terms terms;

	(void)state;
	make(ONE, (struct held_terms){ .is_unconfirmed = true, .serial = 1 }, "{}");
	make(TWO, (struct held_terms){ .key = "k", .is_unconfirmed = true }, "{}");
	held_created(ONE);
	held_created(TWO);
	held_delivered(TWO);
	/* What nobody was told of goes, also if the daemon died before it was taken. */
	restart();
	expect_due(ONE, HELD_END_UNDELIVERED);
	assert_true(held_get(TWO, &terms));
	assert_string_equal(terms.key, "k");
	gone = TWO;
	restart();
	assert_false(held_get(TWO, &terms));
	held_forget(ONE);
	make(ONE, (struct held_terms){ .is_bound = true, .serial = 7 }, "{}");
	held_disconnected(7);	/* its owner leaves while it is being taken */
	expect_none();
	held_created(ONE);
	expect_due(ONE, HELD_END_OWNER);
	restart();
	expect_due(ONE, HELD_END_OWNER);
}

static void nothing_agreed(void **state)
{
	struct held_terms terms;

	(void)state;
	make(ONE, (struct held_terms){ .serial = 1 }, "{}");
	assert_false(held_get(ONE, &terms));
	held_created(ONE);
	held_disconnected(1);
	expect_none();
	assert_int_equal(held_wait_ms(), -1);
}

/* /run is full, for this one. */
static void fill_up(const char *snapshot, bool is_full)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s.new", dir, snapshot);
	assert_int_equal(is_full ? mkdir(path, 0700) : rmdir(path), 0);
}

static void full(void **state)
{
	struct json_object *o = json_tokener_parse("{}");
	int64_t expires_ms;
	char got[37];
	bool is_same;

	(void)state;
	make(ONE, (struct held_terms){ .key = "k", .lease_s = 10 }, "{}");
	held_created(ONE);
	fill_up(ONE, true);
	assert_int_equal(held_renew(ONE, 100, &expires_ms), -EISDIR);
	/* It goes on while there is this daemon. */
	assert_true(expires_ms > held_now_ms() + 90000);
	assert_true(held_wait_ms() > 90000);
	assert_int_equal(held_find("k", o, 2, got, &is_same), -EISDIR);
	assert_string_equal(got, ONE);
	assert_true(is_same);
	fill_up(ONE, false);
	restart();
	assert_true(held_wait_ms() <= 10000);
	assert_int_equal(held_renew(ONE, 100, &expires_ms), 0);
	restart();
	assert_true(held_wait_ms() > 90000);
	json_object_put(o);
	/* What was received stays with the next daemon, though that cannot be written down. */
	make(TWO, (struct held_terms){ .key = "l", .is_unconfirmed = true }, "{}");
	held_created(TWO);
	fill_up(TWO, true);
	held_delivered(TWO);
	fill_up(TWO, false);
	restart();
	expect_none();
}

/* Of two connections that ask for one snapshot. */
static void receipt(void **state)
{
	struct json_object *o = json_tokener_parse("{}");
	char got[37];
	bool is_same;

	(void)state;
	make(ONE, (struct held_terms){ .key = "k", .serial = 1, .is_unconfirmed = true }, "{}");
	held_created(ONE);
	assert_int_equal(held_find("k", o, 2, got, &is_same), 0);
	/* The first one is gone without having read; the second one may still. */
	held_undelivered(ONE, 1);
	held_disconnected(1);
	expect_none();
	held_delivered(ONE);
	/* It is known now: a reply more that is lost ends nothing. */
	assert_int_equal(held_find("k", o, 3, got, &is_same), 0);
	held_undelivered(ONE, 3);
	held_disconnected(3);
	expect_none();
	make(TWO, (struct held_terms){ .key = "l", .serial = 4, .is_unconfirmed = true }, "{}");
	held_created(TWO);
	assert_int_equal(held_find("l", o, 5, got, &is_same), 0);
	held_disconnected(4);
	expect_none();
	held_disconnected(5);
	expect_due(TWO, HELD_END_UNDELIVERED);
	json_object_put(o);
}

static void expect_unfinished(const char *snapshot, bool is_unfinished)
{
	struct held_terms terms;

	assert_true(held_get(snapshot, &terms));
	assert_int_equal(terms.is_unfinished, is_unfinished);
}

/* The daemon dies between the snapshot and what belongs to it. */
static void unfinished(void **state)
{
	char path[128];
	FILE *f;

	(void)state;
	make(ONE, (struct held_terms){ .key = "k" }, "{}");
	make(TWO, (struct held_terms){ .key = "l" }, "{}");
	held_created(TWO);
	restart();
	expect_unfinished(ONE, true);
	expect_unfinished(TWO, false);
	held_created(ONE);
	restart();
	expect_unfinished(ONE, false);
	/* As an older daemon wrote it. */
	held_close();
	snprintf(path, sizeof(path), "%s/%s", dir, ONE);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs("{\"key\":\"k\",\"bound\":false,\"unconfirmed\":false,\"lease_s\":0,\"expires_ms\":1,\"request\":{}}", f);
	fclose(f);
	assert_int_equal(held_open(dir, is_held), 0);
	expect_unfinished(ONE, false);
}

/* What was not taken in the end, and could not be destroyed either. */
static void unwanted(void **state)
{
	(void)state;
	make(ONE, (struct held_terms){ .key = "k" }, "{}");
	held_end(ONE, HELD_END_UNDELIVERED);
	assert_int_equal(held_wait_ms(), 0);
	expect_due(ONE, HELD_END_UNDELIVERED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(keys, begin, end),
		cmocka_unit_test_setup_teardown(leases, begin, end),
		cmocka_unit_test_setup_teardown(restarts, begin, end),
		cmocka_unit_test_setup_teardown(nothing_agreed, begin, end),
		cmocka_unit_test_setup_teardown(full, begin, end),
		cmocka_unit_test_setup_teardown(receipt, begin, end),
		cmocka_unit_test_setup_teardown(unfinished, begin, end),
		cmocka_unit_test_setup_teardown(unwanted, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
