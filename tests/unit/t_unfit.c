// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is the cause found for which the module does not take a disk?
 */
#include "unit.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sysfs.h"
#include "unfit.h"

enum { DISK = 254 << 20 };

static char root[64];

static void put(const char *path, const char *text)
{
	char full[256], *slash;
	FILE *f;

	snprintf(full, sizeof(full), "%s/%s", root, path);
	for (slash = strchr(full + strlen(root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(full, 0755);
		*slash = '/';
	}
	f = fopen(full, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* The disk gets this name. */
static void call_it(const char *name)
{
	char full[256], target[256];

	snprintf(full, sizeof(full), "%s/dev/block/254:0", root);
	snprintf(target, sizeof(target), "../../block/%s", name);
	unlink(full);
	assert_int_equal(symlink(target, full), 0);
	snprintf(full, sizeof(full), "block/%s/dev", name);
	put(full, "254:0\n");
}

/* A disk of requests, as most are, of which nothing is wrong. */
static int set_up(void **state)
{
	strcpy(root, "/tmp/t_unfit.XXXXXX");
	assert_non_null(mkdtemp(root));
	sysfs_root = root;
	put("dev/block/x", "");
	call_it("vda");
	put("block/vda/mq/0/x", "");
	put("block/vda/queue/logical_block_size", "4096\n");
	put("block/vda/queue/zoned", "none\n");
	put("block/vda/queue/dax", "0\n");
	put("block/vda/queue/iostats", "0\n");
	put("block/vda/integrity/format", "none\n");
	return 0;
}

static int forget(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static int tear_down(void **state)
{
	return nftw(root, forget, 16, FTW_DEPTH | FTW_PHYS);
}

static void expect(const char *part)
{
	const char *why = unfit_why(DISK, -EOPNOTSUPP);

	assert_non_null(why);
	if (!strstr(why, part))
		fail_msg("\"%s\" does not tell of \"%s\"", why, part);
	/* One cause, and not the list of all. */
	if (strstr(why, ", or "))
		fail_msg("\"%s\" is not about one", why);
}

static void test_errors(void **state)
{
	assert_string_equal(unfit_why(DISK, -EROFS), "it is read-only");
	assert_string_equal(unfit_why(DISK, -ENOSPC), "it has no size");
	assert_null(unfit_why(DISK, -ENODEV));
	assert_null(unfit_why(DISK, -EBUSY));
	assert_null(unfit_why(DISK, -EIO));
}

/* Nothing is to be seen: all that it can be is said. */
static void test_unseen(void **state)
{
	const char *why = unfit_why(DISK, -EOPNOTSUPP);

	assert_non_null(strstr(why, "zoned or DAX, or"));
	assert_string_equal(unfit_why(DISK + 1, -EOPNOTSUPP), why);	/* it is gone */
	call_it("md0");
	put("block/md0/queue/iostats", "1\n");
	assert_string_equal(unfit_why(DISK, -EOPNOTSUPP), why);
}

static void test_blocks(void **state)
{
	put("block/vda/queue/logical_block_size", "8192\n");
	expect("larger than 4096 bytes");
}

static void test_zoned(void **state)
{
	put("block/vda/queue/zoned", "host-aware\n");
	expect("it is zoned");
}

static void test_dax(void **state)
{
	put("block/vda/queue/dax", "1\n");
	expect("(DAX)");
}

static void test_integrity(void **state)
{
	put("block/vda/integrity/format", "T10-DIF-TYPE1-CRC\n");
	expect("integrity profile");
}

static void test_crypto(void **state)
{
	put("block/vda/queue/crypto/max_dun_bits", "64\n");
	expect("inline encryption");
}

/* Disks that take bios. */
static void test_bios(void **state)
{
	call_it("nvme0n1");
	put("block/nvme0n1/queue/iostats", "1\n");
	expect("its driver does not account");
	call_it("ram0");
	expect("without a bio");
	call_it("zram12");
	expect("without a bio");
	call_it("md127");
	put("block/md127/queue/iostats", "0\n");
	expect("iostats is 0");
	put("block/md127/md/level", "linear\n");
	expect("level linear");
	call_it("md_home");
	put("block/md_home/queue/iostats", "0\n");
	expect("iostats is 0");
	call_it("dm-0");
	put("block/dm-0/queue/iostats", "0\n");
	expect("iostats is 0");
	/* What is sure goes first. */
	put("block/dm-0/queue/dax", "1\n");
	expect("(DAX)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_errors, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_unseen, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_blocks, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_zoned, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_dax, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_integrity, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_crypto, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bios, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
