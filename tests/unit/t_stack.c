// SPDX-License-Identifier: GPL-2.0-only
/*
 * Are devices found, named and ordered as a tree of block devices says?
 *
 *   dm-0 ── md0 ──┬── sda ── sda1
 *                 └── sdb           each test makes this tree in a directory of its own
 *   cciss/c0d0
 */
#include "unit.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libdevmapper.h>

#include "freeze.h"
#include "stack.h"

enum {
	SDA = 8 << 20, SDA1 = SDA + 1, SDA2 = SDA + 2, SDB = SDA + 16, MD0 = 9 << 20, DM0 = 253 << 20,
	CCISS = 104 << 20,
};

static char root[64];

static void put(const char *path, const char *text)
{
	char full[256];
	FILE *f;

	snprintf(full, sizeof(full), "%s/%s", root, path);
	f = fopen(full, "w");
	assert_non_null(f);
	fprintf(f, "%s\n", text);
	fclose(f);
}

static void dir(const char *path)
{
	char full[256];

	snprintf(full, sizeof(full), "%s/%s", root, path);
	assert_int_equal(mkdir(full, 0755), 0);
}

static void link_to(const char *path, const char *target)
{
	char full[256];

	snprintf(full, sizeof(full), "%s/%s", root, path);
	assert_int_equal(symlink(target, full), 0);
}

static void add(const char *path, const char *dev, const char *size)
{
	char sub[256], target[300];

	dir(path);
	snprintf(sub, sizeof(sub), "%s/dev", path);
	put(sub, dev);
	snprintf(sub, sizeof(sub), "%s/size", path);
	put(sub, size);
	snprintf(sub, sizeof(sub), "%s/holders", path);
	dir(sub);
	snprintf(sub, sizeof(sub), "%s/slaves", path);
	dir(sub);
	snprintf(sub, sizeof(sub), "dev/block/%s", dev);
	snprintf(target, sizeof(target), "../../%s", path);
	link_to(sub, target);
}

static int set_up(void **state)
{
	strcpy(root, "/tmp/t_stack.XXXXXX");
	assert_non_null(mkdtemp(root));
	sysfs_root = root;
	dir("dev");
	dir("dev/block");
	dir("block");
	add("block/sda", "8:0", "2000");
	add("block/sda/sda1", "8:1", "1000");
	put("block/sda/sda1/partition", "1");
	put("block/sda/sda1/start", "64");
	add("block/sdb", "8:16", "3000");
	add("block/md0", "9:0", "900");
	add("block/dm-0", "253:0", "800");
	dir("block/dm-0/dm");
	add("block/cciss!c0d0", "104:0", "1");
	link_to("block/sda/sda1/holders/md0", "../../../md0");
	link_to("block/sdb/holders/md0", "../../md0");
	link_to("block/md0/slaves/sda1", "../../sda/sda1");
	link_to("block/md0/slaves/sdb", "../../sdb");
	link_to("block/md0/holders/dm-0", "../../dm-0");
	link_to("block/dm-0/slaves/md0", "../../md0");
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static int tear_down(void **state)
{
	sysfs_root = "/sys";
	return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void test_get(void **state)
{
	struct device d;

	assert_int_equal(device_get(SDA1, &d), 0);
	assert_int_equal(d.disk_key, SDA);
	assert_int_equal(d.start_sect, 64);
	assert_int_equal(d.nr_sect, 1000);
	assert_int_equal(d.disk_nr_sect, 2000);
	assert_string_equal(d.name, "/dev/sda1");
	assert_string_equal(d.disk_name, "/dev/sda");
	assert_int_equal(device_get(CCISS, &d), 0);
	assert_string_equal(d.name, "/dev/cciss/c0d0");
	assert_int_equal(device_get(SDA + 5, &d), -ENOENT);
}

static void test_at(void **state)
{
	struct device d;

	device_at(SDA, 0, 2000, &d);
	assert_string_equal(d.name, "/dev/sda");
	device_at(SDA, 64, 1000, &d);
	assert_string_equal(d.name, "/dev/sda1");
	device_at(SDA, 64, 999, &d);
	assert_string_equal(d.name, "/dev/sda[64+999]");
	device_at(77 << 20, 0, 5, &d);
	assert_string_equal(d.name, "77:0[0+5]");
}

static void test_above(void **state)
{
	static const uint32_t both[] = { SDA, SDB }, part[] = { SDA1, SDA };
	static const uint32_t order[] = { DM0, MD0, SDA1, SDA, SDB };
	struct keys keys = { 0 };

	assert_int_equal(stack_above(both, 2, &keys), 0);
	assert_int_equal(keys.nr, 5);
	assert_memory_equal(keys.items, order, sizeof(order));
	keys_done(&keys);
	assert_int_equal(stack_above(part, 1, &keys), 0);
	assert_int_equal(keys.nr, 3);
	assert_memory_equal(keys.items, order, 3 * sizeof(order[0]));
	keys_done(&keys);
}

/* The kernel's mapping of dm-0, as libdevmapper tells of it. */
static const char *target = "linear";

int dm_task_run(struct dm_task *task)
{
	return target != NULL;
}

void *dm_get_next_target(struct dm_task *task, void *next, uint64_t *start, uint64_t *length,
			 char **kind, char **params)
{
	*kind = next ? (char *)target : (char *)"linear";	/* the second one of two */
	return next ? NULL : task;
}

/* A filesystem on dm-0, and what it says of those below; then one that is mounted elsewhere. */
static void test_frozen(void **state)
{
	struct freeze freeze = { 0 };

	assert_int_equal(freeze_look(&freeze, SDA), FREEZE_FOUND_NONE);
	assert_int_equal(keys_add(&freeze.keys, DM0), 1);
	assert_int_equal(freeze_look(&freeze, DM0), FREEZE_FOUND);
	assert_int_equal(freeze_look(&freeze, MD0), FREEZE_FOUND);
	/* An array writes to its members of its own accord. */
	assert_int_equal(freeze_look(&freeze, SDA), FREEZE_FOUND_OTHERS);
	assert_int_equal(freeze_look(&freeze, CCISS), FREEZE_FOUND_NONE);
	/* And so does a cache below the filesystem, or who can't be asked. */
	target = "cache";
	assert_int_equal(freeze_look(&freeze, MD0), FREEZE_FOUND_OTHERS);
	assert_int_equal(freeze_look(&freeze, DM0), FREEZE_FOUND);
	target = NULL;
	assert_int_equal(freeze_look(&freeze, MD0), FREEZE_FOUND_OTHERS);
	target = "linear";
	assert_int_equal(keys_add(&freeze.keys, MD0), 1);
	assert_int_equal(freeze_look(&freeze, MD0), FREEZE_FOUND);

	add("block/sda/sda2", "8:2", "900");
	put("block/sda/sda2/partition", "2");
	assert_int_equal(freeze_look(&freeze, SDA), FREEZE_FOUND_OTHERS);
	assert_int_equal(freeze_look(&freeze, SDA2), FREEZE_FOUND_NONE);
	dir("fs");
	dir("fs/ext4");
	dir("fs/ext4/dm-0");
	assert_int_equal(freeze_look(&freeze, DM0), FREEZE_FOUND);
	dir("fs/ext4/sda2");
	assert_int_equal(freeze_look(&freeze, SDA2), FREEZE_FOUND_HIDDEN);
	assert_int_equal(freeze_look(&freeze, SDA), FREEZE_FOUND_HIDDEN);
	assert_int_equal(freeze_look(&freeze, SDA1), FREEZE_FOUND_OTHERS);
	assert_int_equal(keys_add(&freeze.keys, SDA2), 1);
	assert_int_equal(freeze_look(&freeze, SDA2), FREEZE_FOUND);
	assert_int_equal(freeze_look(&freeze, SDB), FREEZE_FOUND_OTHERS);
	keys_done(&freeze.keys);
}

static void test_below(void **state)
{
	struct chains chains = { 0 };

	assert_int_equal(stack_below(DM0, &chains), 0);
	assert_int_equal(chains.nr, 4);
	for (size_t i = 0; i < chains.nr; i++)
		if (chains.items[i].disk_key == SDA)
			assert_string_equal(chains.items[i].text,
					    "/dev/dm-0 on /dev/md0 on /dev/sda1 on /dev/sda");
	chains_done(&chains);
}

/* Device numbers in a circle, as no kernel makes them: an end all the same. */
static void test_circle(void **state)
{
	static const uint32_t sda = SDA;
	struct chains chains = { 0 };
	struct freeze freeze = { 0 };
	struct keys keys = { 0 };

	link_to("block/dm-0/holders/sda", "../../sda");
	link_to("block/sda/slaves/dm-0", "../../dm-0");
	assert_int_equal(stack_above(&sda, 1, &keys), 0);
	keys_done(&keys);
	assert_int_equal(freeze_look(&freeze, SDA), FREEZE_FOUND_NONE);
	assert_int_equal(stack_below(SDA, &chains), 0);
	chains_done(&chains);
}

static void test_resolve(void **state)
{
	struct fault fault = { 0 };
	struct device d;

	assert_true(device_resolve("sda", &d, &fault) < 0);
	assert_int_equal(fault.reason, REASON_DEVICE_NOT_FOUND);
	fault_done(&fault);
	assert_true(device_resolve("/dev/does-not-exist", &d, &fault) < 0);
	assert_int_equal(fault.reason, REASON_DEVICE_NOT_FOUND);
	fault_done(&fault);
	assert_true(device_resolve("/dev/null", &d, &fault) < 0);
	assert_int_equal(fault.reason, REASON_DEVICE_UNSUPPORTED);
	fault_done(&fault);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_get, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_at, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_above, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_frozen, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_below, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_circle, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_resolve, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
