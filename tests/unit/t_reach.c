// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is it said from the start what cannot be seen of a disk?
 */
#include "unit.h"

#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "reach.h"
#include "sysfs.h"

enum { VDA = 254 << 20, PMEM = 259 << 20, MD0 = 9 << 20, BCACHE = 252 << 20, DM0 = 253 << 20 };

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

static void link_to(const char *path, const char *target)
{
	char full[256];

	snprintf(full, sizeof(full), "%s/%s", root, path);
	assert_int_equal(symlink(target, full), 0);
}

static void add(const char *name, const char *dev)
{
	char path[128], target[128];

	snprintf(path, sizeof(path), "block/%s/dev", name);
	put(path, dev);
	snprintf(path, sizeof(path), "block/%s/holders/x", name);
	put(path, "");
	snprintf(path, sizeof(path), "dev/block/%s", dev);
	snprintf(target, sizeof(target), "../../block/%s", name);
	link_to(path, target);
}

static int set_up(void **state)
{
	strcpy(root, "/tmp/t_reach.XXXXXX");
	assert_non_null(mkdtemp(root));
	sysfs_root = root;
	put("dev/block/x", "");
	add("vda", "254:0");
	put("block/vda/diskseq", "17\n");
	put("block/vda/queue/iostats", "1\n");
	put("block/vda/inflight", "       3        5\n");
	add("pmem0", "259:0");
	add("md0", "9:0");
	add("bcache0", "252:0");
	add("dm-0", "253:0");
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

static void hold(const char *disk, const char *holder)
{
	char path[128], target[128];

	snprintf(path, sizeof(path), "block/%s/holders/%s", disk, holder);
	snprintf(target, sizeof(target), "../../%s", holder);
	link_to(path, target);
}

static bool needs_issue(uint32_t key, bool is_gated)
{
	struct reach reach;

	reach_look(key, is_gated, &reach);
	return reach.needs_issue;
}

static uint32_t doubts(uint32_t key, bool is_gated)
{
	struct reach reach;

	reach_look(key, is_gated, &reach);
	assert_int_equal(reach.doubts == 0, reach.text[0] == '\0');
	return reach.doubts;
}

static void test_plain(void **state)
{
	struct reach reach;
	uint64_t reads, writes;

	reach_look(VDA, false, &reach);
	assert_int_equal(reach.doubts, 0);
	assert_int_equal(reach.diskseq, 17);
	assert_int_equal(reach.zone_sect, 0);
	assert_int_equal(reach.transport, BPFSNAP_TRANSPORT_OTHER);
	assert_false(reach.takes_requests);
	assert_false(reach.has_resender);
	assert_false(reach.needs_issue);
	assert_int_equal(reach_inflight(VDA, &reads, &writes), 0);
	assert_int_equal(reads, 3);
	assert_int_equal(writes, 5);
	put("block/vda/mq/0/x", "");
	put("block/vda/device/scsi_device/x", "");
	put("block/vda/queue/zoned", "host-managed\n");
	put("block/vda/queue/chunk_sectors", "524288\n");
	reach_look(VDA, false, &reach);
	assert_true(reach.takes_requests);
	assert_true(reach.counts_inflight);
	assert_int_equal(reach.transport, BPFSNAP_TRANSPORT_SCSI);
	assert_int_equal(reach.zone_sect, 524288);
	assert_int_equal(reach.doubts, 0);
}

static void test_dax(void **state)
{
	put("block/pmem0/queue/dax", "1\n");
	assert_int_equal(doubts(PMEM, false), BPFSNAP_UNCERTAIN_DAX);
	assert_int_equal(doubts(PMEM, true), BPFSNAP_UNCERTAIN_DAX);
	put("block/pmem0/queue/dax", "0\n");
	assert_int_equal(doubts(PMEM, false), 0);
}

/* "can, does" it count all that is in flight? */
static const char *counts(uint32_t key)
{
	struct reach reach;

	reach_look(key, false, &reach);
	return reach.counts_inflight ? "can, does" : reach.can_count ? "can" : "cannot";
}

/* That accounting is on says nothing of a driver which takes bios, unless it is a known one. */
static void test_counts(void **state)
{
	static const struct {
		const char *name;
		const char *dev;
		uint32_t key;
		const char *counts;
	} disks[] = {
		{ "md_home", "9:1", MD0 + 1, "can, does" },
		{ "zram0", "250:0", 250 << 20, "can, does" },
		{ "ram1", "1:1", (1 << 20) + 1, "can, does" },
		{ "nvme0n1", "251:0", 251 << 20, "cannot" },	/* a multipath head */
		{ "drbd0", "147:0", 147 << 20, "cannot" },
		{ "mdev0", "249:0", 249 << 20, "cannot" },
	};
	char path[128];

	for (size_t i = 0; i < ARRAY_SIZE(disks); i++) {
		add(disks[i].name, disks[i].dev);
		snprintf(path, sizeof(path), "block/%s/queue/iostats", disks[i].name);
		put(path, "1\n");
		assert_string_equal(counts(disks[i].key), disks[i].counts);
	}
	assert_string_equal(counts(MD0), "can");
	assert_string_equal(counts(BCACHE), "can");
	assert_string_equal(counts(VDA), "cannot");
	put("block/vda/mq/0/x", "");
	assert_string_equal(counts(VDA), "can, does");
	put("block/vda/queue/iostats", "0\n");
	assert_string_equal(counts(VDA), "can");
}

/* What md has taken and does not count yet. */
static void test_keeps_back(void **state)
{
	assert_null(reach_keeps_back(VDA));
	put("block/md0/md/array_state", "active\n");
	put("block/md0/md/sync_action", "idle\n");
	assert_null(reach_keeps_back(MD0));
	put("block/md0/md/array_state", "write-pending\n");
	assert_non_null(reach_keeps_back(MD0));
	put("block/md0/md/array_state", "clean\n");
	put("block/md0/md/sync_action", "resync\n");
	assert_non_null(reach_keeps_back(MD0));
}

static void test_bcache(void **state)
{
	put("block/bcache0/bcache/x", "");
	hold("vda", "bcache0");
	assert_int_equal(doubts(VDA, false), BPFSNAP_UNCERTAIN_UNSEEN);
	assert_int_equal(doubts(VDA, true), 0);		/* the gate shows it */
	put("kernel/btf/bcache", "struct\0orig_bio_or_so");
	assert_int_equal(doubts(VDA, false), BPFSNAP_UNCERTAIN_UNSEEN);
	put("block/vda/mq/0/x", "");
	assert_int_equal(doubts(VDA, false), 0);	/* requests show it */
	assert_true(needs_issue(VDA, false));
	assert_false(needs_issue(VDA, true));
}

static void test_bcache_clones(void **state)
{
	char path[128];
	FILE *f;

	put("block/vda/bcache/x", "");
	assert_int_equal(doubts(VDA, false), BPFSNAP_UNCERTAIN_UNSEEN);
	put("kernel/btf/bcache", "");
	snprintf(path, sizeof(path), "%s/kernel/btf/bcache", root);
	f = fopen(path, "w");
	/* Across the border of two pieces of the file. */
	for (int i = 0; i < 16379; i++)
		fputc('x', f);
	fwrite("\0orig_bio\0end", 1, 14, f);
	fclose(f);
	assert_int_equal(doubts(VDA, false), 0);
	put("block/vda/mq/0/x", "");
	assert_false(needs_issue(VDA, false));
}

static void put_btf(const char *text, size_t len)
{
	char path[128];
	FILE *f;

	put("kernel/btf/vmlinux", "");
	snprintf(path, sizeof(path), "%s/kernel/btf/vmlinux", root);
	f = fopen(path, "w");
	fwrite(text, 1, len, f);
	fclose(f);
}

static void test_pages(void **state)
{
	static const char without[] = "\0zram_rw_page\0rw_pages", with[] = "\0open\0rw_page\0ioctl";

	add("zram0", "250:0");
	add("ram0", "1:0");
	add("ram100", "251:0");
	add("pmem1s", "259:1");
	put_btf(without, sizeof(without));
	assert_int_equal(doubts(250 << 20, false), 0);
	put_btf(with, sizeof(with));
	assert_int_equal(doubts(250 << 20, false), BPFSNAP_UNCERTAIN_UNSEEN);
	assert_int_equal(doubts(1 << 20, false), BPFSNAP_UNCERTAIN_UNSEEN);
	assert_int_equal(doubts(PMEM, false), BPFSNAP_UNCERTAIN_UNSEEN);
	assert_int_equal(doubts(PMEM + 1, false), BPFSNAP_UNCERTAIN_UNSEEN);
	assert_int_equal(doubts(250 << 20, true), 0);	/* the module takes none of them */
	assert_int_equal(doubts(251 << 20, false), 0);	/* not brd */
	assert_int_equal(doubts(VDA, false), 0);
}

static void test_md(void **state)
{
	struct reach reach;

	put("block/md0/md/level", "raid1\n");
	hold("vda", "md0");
	assert_int_equal(doubts(VDA, false), 0);
	reach_look(VDA, false, &reach);
	assert_true(reach.has_resender);
	put("block/md0/md/level", "faulty\n");
	assert_int_equal(doubts(VDA, false), BPFSNAP_UNCERTAIN_UNSEEN);
	assert_int_equal(doubts(VDA, true), 0);
	put("block/vda/mq/0/x", "");
	assert_int_equal(doubts(VDA, false), 0);
	assert_true(needs_issue(VDA, false));
	put("block/md0/md/level", "raid1\n");
	assert_false(needs_issue(VDA, false));
}

static void test_multipath(void **state)
{
	struct reach reach;

	put("block/dm-0/dm/uuid", "mpath-3600\n");
	hold("vda", "dm-0");
	assert_int_equal(doubts(VDA, true), 0);		/* it sends bios */
	reach_look(VDA, false, &reach);
	assert_false(reach.has_resender);
	assert_false(reach.needs_issue);
	assert_int_equal(reach.path_of, 0);
	put("block/dm-0/mq/0/x", "");
	assert_int_equal(doubts(VDA, true), BPFSNAP_UNCERTAIN_UNSEEN);
	reach_look(VDA, true, &reach);
	assert_int_equal(reach.path_of, DM0);
	assert_int_equal(doubts(VDA, false), 0);	/* on_issue sees its requests, nobody else */
	assert_true(needs_issue(VDA, false));
	reach_look(DM0, true, &reach);
	assert_int_equal(reach.path_of, 0);
}

/* The paths of some are partitions; a disk of requests that is no mapped one is no multipath. */
static void test_multipath_partition(void **state)
{
	struct reach reach;

	put("block/vda/vda1/partition", "1\n");
	put("block/vda/vda1/dev", "254:1\n");
	put("block/vda/vda1/holders/x", "");
	link_to("dev/block/254:1", "../../block/vda/vda1");
	put("block/md0/mq/0/x", "");
	link_to("block/vda/vda1/holders/md0", "../../../md0");
	reach_look(VDA, true, &reach);
	assert_int_equal(reach.path_of, 0);
	put("block/dm-0/dm/uuid", "mpath-3600\n");
	put("block/dm-0/mq/0/x", "");
	link_to("block/vda/vda1/holders/dm-0", "../../../dm-0");
	reach_look(VDA, true, &reach);
	assert_int_equal(reach.path_of, DM0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_plain, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_dax, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_counts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_keeps_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bcache, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bcache_clones, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_pages, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_md, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_multipath, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_multipath_partition, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
