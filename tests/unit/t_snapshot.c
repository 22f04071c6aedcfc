// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does a snapshot that fails at any of its steps leave everything as it was?
 *
 * The system is faked by ops that write a journal.  Each call can be made to
 * fail, one after the other, until none is left to fail.
 */
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "snapshot.h"

/**
 * struct fake - a system
 * @fail_at: the call that fails, counted from 1; 0 for none
 * @stores, @snapshots, @checkpoints: what exists now
 * @journal: calls in their order, undoing ones with '-'
 */
struct fake {
	int calls, fail_at;
	int stores, snapshots, checkpoints;
	char journal[4096];
	struct snapshot_plan plan;
};

static int call(struct fake *f, const char *what, const char *object, struct fault *fault)
{
	size_t len = strlen(f->journal);

	snprintf(f->journal + len, sizeof(f->journal) - len, "%s:%s ", what, object);
	if (++f->calls == f->fail_at)
		return fault_system(fault, what, -EIO, "told to fail");
	return 0;
}

static void note(struct fake *f, const char *what)
{
	size_t len = strlen(f->journal);

	snprintf(f->journal + len, sizeof(f->journal) - len, "-%s ", what);
}

/* "/dev/b2": disk b, partition 2 of 100 sectors; "/dev/b": the whole disk of 1000. */
static int fake_resolve(void *ctx, const char *path, struct device *ret_device, struct fault *fault)
{
	unsigned int disk = (unsigned int)(path[5] - 'a') + 1, part = path[6] ? (unsigned int)(path[6] - '0') : 0;
	struct device d = {
		.key = disk << 8 | part, .disk_key = disk << 8,
		.start_sect = part * 100, .nr_sect = part ? 100 : 1000, .disk_nr_sect = 1000,
	};

	snprintf(d.name, sizeof(d.name), "%s", path);
	snprintf(d.disk_name, sizeof(d.disk_name), "%.6s", path);
	*ret_device = d;
	return call(ctx, "resolve", path, fault);
}

/* Disk m stands on disks b and c, disk l on disk m. */
static int fake_is_above(void *ctx, const struct device *upper, const struct device *lower,
			 struct fault *fault)
{
	char u = upper->name[5], l = lower->name[5];

	if (call(ctx, "is_above", upper->name, fault) < 0)
		return -EIO;
	return (u == 'm' && (l == 'b' || l == 'c')) || (u == 'l' && (l == 'm' || l == 'b' || l == 'c'));
}

static int fake_check_storage(void *ctx, struct snapshot_plan *plan,
			      struct fault *fault)
{
	return call(ctx, "check_storage", plan->request->storage, fault);
}

static int fake_open_store(void *ctx, const struct snapshot_plan *plan, struct fault *fault)
{
	struct fake *f = ctx;
	int r = call(f, "open_store", plan->request->storage, fault);

	return r < 0 ? r : 100 + f->stores++;
}

static void fake_close_store(void *ctx, int fd)
{
	struct fake *f = ctx;

	assert_int_equal(fd, 100 + --f->stores);
	note(f, "store");
}

static int fake_next_epoch(void *ctx, uint32_t *ret_epoch, struct fault *fault)
{
	*ret_epoch = 8;
	return call(ctx, "next_epoch", "", fault);
}

static int fake_check_checkpoint(void *ctx, const struct device *device, const char *name,
				 size_t nr_new, struct fault *fault)
{
	return call(ctx, "check_checkpoint", device->disk_name, fault);
}

static int fake_list_freeze(void *ctx, struct snapshot_plan *plan, struct fault *fault)
{
	for (size_t i = 0; i < plan->nr_ranges; i++)
		assert_true(keys_add(&plan->freeze, plan->ranges[i].key) >= 0);
	return call(ctx, "list_freeze", "", fault);
}

static int fake_create(void *ctx, struct snapshot_plan *plan, struct fault *fault)
{
	struct fake *f = ctx;
	int r = call(f, "create", "", fault);

	f->plan = *plan;
	for (size_t i = 0; i < plan->nr_ranges; i++)
		assert_int_equal(plan->store_fds[i], 100 + (int)i);
	f->snapshots += r >= 0;
	return r;
}

static void fake_destroy(void *ctx, const struct snapshot_plan *plan)
{
	struct fake *f = ctx;

	assert_int_equal(f->snapshots--, 1);
	assert_int_equal(f->checkpoints, 0);
	note(f, "snapshot");
}

static int fake_put_checkpoint(void *ctx, const struct device *device, const char *name,
			       uint32_t epoch, struct fault *fault)
{
	struct fake *f = ctx;
	int r = call(f, "put_checkpoint", device->disk_name, fault);

	assert_int_equal(epoch, 7);
	f->checkpoints += r >= 0;
	return r;
}

static void fake_remove_checkpoint(void *ctx, const struct device *device, const char *name)
{
	struct fake *f = ctx;

	f->checkpoints--;
	note(f, "checkpoint");
}

static const struct snapshot_ops ops = {
	.resolve = fake_resolve,
	.is_above = fake_is_above,
	.check_storage = fake_check_storage,
	.open_store = fake_open_store,
	.close_store = fake_close_store,
	.next_epoch = fake_next_epoch,
	.check_checkpoint = fake_check_checkpoint,
	.list_freeze = fake_list_freeze,
	.create = fake_create,
	.destroy = fake_destroy,
	.put_checkpoint = fake_put_checkpoint,
	.remove_checkpoint = fake_remove_checkpoint,
};

static int take(struct fake *f, const struct snapshot_request *request, struct fault *fault)
{
	static const uint8_t id[16] = { 1, 2, 3 };

	return snapshot_take(&ops, f, id, request, fault);
}

static void test_good(void **state)
{
	const struct snapshot_request request = {
		.paths = { "/dev/b1", "/dev/c1", "/dev/b2", "/dev/m", "/dev/l" }, .nr_paths = 5,
		.storage = "/s", .timeout_ms = 5, .checkpoint = "daily",
	};
	static const char *const order[] = { "/dev/l", "/dev/m", "/dev/b1", "/dev/b2", "/dev/c1" };
	struct fault fault = { 0 };
	struct fake f = { 0 };

	assert_int_equal(take(&f, &request, &fault), 0);
	assert_int_equal(fault.reason, REASON_NONE);
	assert_int_equal(f.snapshots, 1);
	assert_int_equal(f.checkpoints, 4);	/* b1 and b2 share the disk's */
	assert_int_equal(f.stores, 0);
	assert_int_equal(f.plan.nr_ranges, 5);
	assert_int_equal(f.plan.epoch, 8);
	assert_int_equal(f.plan.id[2], 3);
	for (size_t i = 0; i < 5; i++)
		assert_string_equal(f.plan.ranges[i].name, order[i]);
}

static void test_each_failure(void **state)
{
	const struct snapshot_request request = {
		.paths = { "/dev/b1", "/dev/m", "/dev/a" }, .nr_paths = 3,
		.storage = "/s", .timeout_ms = 5, .checkpoint = "daily",
	};
	int fail_at = 0, r;

	do {
		struct fault fault = { 0 };
		struct fake f = { .fail_at = ++fail_at };

		r = take(&f, &request, &fault);
		if (r < 0) {
			assert_int_equal(r, -EIO);
			assert_int_equal(fault.reason, REASON_SYSTEM_FAILURE);
			assert_string_equal(fault_text(&fault), "told to fail");
			assert_int_equal(f.snapshots, 0);
			assert_int_equal(f.checkpoints, 0);
			/* Nothing was begun after the failure. */
			assert_int_equal(f.calls, fail_at);
		}
		assert_int_equal(f.stores, 0);
		fault_done(&fault);
	} while (r < 0);
	assert_true(fail_at > 15);
}

static void test_undo_order(void **state)
{
	const struct snapshot_request request = {
		.paths = { "/dev/a", "/dev/d" }, .nr_paths = 2,
		.storage = "/s", .timeout_ms = 5, .checkpoint = "daily",
	};
	struct fault fault = { 0 };
	struct fake whole = { 0 }, f = { 0 };

	assert_int_equal(take(&whole, &request, &fault), 0);
	f.fail_at = whole.calls;	/* the second checkpoint */
	assert_int_equal(take(&f, &request, &fault), -EIO);
	assert_non_null(strstr(f.journal, "create: put_checkpoint:/dev/a put_checkpoint:/dev/d "
					  "-checkpoint -snapshot -store -store "));
	fault_done(&fault);
}

static void test_overlap(void **state)
{
	static const struct snapshot_request requests[] = {
		{ .paths = { "/dev/a", "/dev/a" }, .nr_paths = 2 },
		{ .paths = { "/dev/a1", "/dev/b", "/dev/a" }, .nr_paths = 3 },
		{ .paths = { "/dev/a1", "/dev/a1" }, .nr_paths = 2 },
	};

	for (size_t i = 0; i < 3; i++) {
		struct fault fault = { 0 };
		struct fake f = { 0 };

		assert_int_equal(take(&f, &requests[i], &fault), -EOPNOTSUPP);
		assert_int_equal(fault.reason, REASON_DEVICE_UNSUPPORTED);
		fault_done(&fault);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_each_failure),
		cmocka_unit_test(test_undo_order),
		cmocka_unit_test(test_overlap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
