// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which ways to change a disk can the tracking programs not see?
 *
 * DAX             memory of the disk is written without any request.
 * bcache above    on 6.1 it sends the bios that it got on to the disk below, and these
 *                 pass block_bio_queue unseen and block_bio_remap not at all.  A disk that takes
 *                 requests shows them at block_rq_issue.
 * md above        the same, but for block_bio_remap; levels that are not known here are doubted.
 * rw_page         before 6.3, swap and some filesystems write pages to brd, zram, pmem and btt past
 *                 any tracepoint.
 * multipath above its clones are requests, not bios: where the gate is what tells.  None but
 *                 multipath takes requests in the device mapper, and it can do with bios, too.
 */
#include "reach.h"

#include <errno.h>
#include <linux/major.h>
#include <stdio.h>
#include <string.h>

#include "sysfs.h"

static bool is_text(uint32_t key, const char *file, const char *text)
{
	char line[64];

	return sysfs_string(key, file, line, sizeof(line)) == 0 && strcmp(line, text) == 0;
}

static void say(struct reach *reach, uint32_t doubts, const char *sentence)
{
	size_t len = strlen(reach->text);

	reach->doubts |= doubts;
	if (!strstr(reach->text, sentence))
		snprintf(reach->text + len, sizeof(reach->text) - len, "%s%s", len ? " " : "",
			 sentence);
}

/* All levels whose members md sends clones to, or the bio itself by block_bio_remap. */
static bool is_known_level(uint32_t md_key)
{
	static const char *const levels[] = {
		"linear", "raid0", "raid1", "raid4", "raid5", "raid6", "raid10",
	};

	for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
		if (is_text(md_key, "md/level", levels[i]))
			return true;
	return false;
}

/* Has a kernel's or module's BTF such a name, of a field for example? A NUL is on either side. */
static bool btf_has(const char *of, const char *name)
{
	char path[512], word[32] = "", text[16384 + sizeof(word)];
	size_t word_len = strlen(name) + 2, kept = 0, n;
	bool is_found = false;
	FILE *f;

	snprintf(path, sizeof(path), "%s/kernel/btf/%s", sysfs_root, of);
	f = fopen(path, "re");
	if (!f)
		return false;
	snprintf(word + 1, sizeof(word) - 1, "%s", name);
	while (!is_found && (n = fread(text + kept, 1, 16384, f)) > 0) {
		size_t len = kept + n;

		is_found = memmem(text, len, word, word_len) != NULL;
		kept = len < word_len ? len : word_len;
		memmove(text, text + len - kept, kept);
	}
	fclose(f);
	return is_found;
}

/* Does this kernel's bcache clone the bios that it passes on? */
static bool bcache_clones(void)
{
	return btf_has("bcache", "orig_bio");
}

/* Before 6.3, block_device_operations has a field for pages that come without a bio. */
static bool takes_pages(uint32_t disk_key)
{
	/* pmem0s is one of btt; another driver's ram has another number than brd's. */
	bool is_one = sysfs_is_called(disk_key, "zram") || sysfs_is_called(disk_key, "pmem") ||
		      (sysfs_is_called(disk_key, "ram") && key_major(disk_key) == RAMDISK_MAJOR);

	return is_one && btf_has("vmlinux", "rw_page");
}

/* Its bios are not shown: their requests are, on a disk that takes any. */
static void hide(struct reach *reach, const char *sentence)
{
	reach->needs_issue = true;
	if (!reach->takes_requests)
		say(reach, BPFSNAP_UNCERTAIN_UNSEEN, sentence);
}

static void look_at_holder(uint32_t holder, bool is_gated, struct reach *reach)
{
	char name[64] = "";

	/* The device mapper sends clones, which block_bio_queue shows on every kernel. */
	reach->has_resender |= !sysfs_has(holder, "dm");
	(void)sysfs_name(holder, name, sizeof(name));
	if (sysfs_has(holder, "bcache") || strncmp(name, "/dev/bcache", 11) == 0) {
		if (!is_gated && !bcache_clones())
			hide(reach, "bcache writes to it in a way that this kernel does not show.");
	} else if (sysfs_has(holder, "md")) {
		if (!is_gated && !is_known_level(holder))
			hide(reach, "An md array of an unknown level writes to it.");
	} else if (sysfs_has(holder, "dm") && sysfs_has(holder, "mq")) {
		reach->path_of = holder;
		reach->needs_issue = true;
		if (is_gated)
			say(reach, BPFSNAP_UNCERTAIN_UNSEEN,
			    "It is a path of a multipath device, whose writes pass no gate: attach that device.");
	}
}

static void look_at_holders(uint32_t disk_key, bool is_gated, struct reach *reach)
{
	_cleanup_(keys_done) struct keys members = { 0 }, holders = { 0 };

	if (keys_add(&members, disk_key) < 0 ||
	    sysfs_children(disk_key, "", "partition", &members) < 0)
		return;
	for (size_t i = 0; i < members.nr; i++) {
		(void)sysfs_children(members.items[i], "holders", NULL, &holders);
		/* A backing disk of bcache that is registered but has no device yet. */
		if (sysfs_has(members.items[i], "bcache") && !is_gated && !bcache_clones())
			hide(reach, "bcache writes to it in a way that this kernel does not show.");
	}
	for (size_t i = 0; i < holders.nr; i++)
		look_at_holder(holders.items[i], is_gated, reach);
}

static uint32_t zone_sectors(uint32_t disk_key)
{
	uint64_t sect = 0;

	if (!sysfs_has(disk_key, "queue/zoned") || is_text(disk_key, "queue/zoned", "none"))
		return 0;
	(void)sysfs_u64(disk_key, "queue/chunk_sectors", &sect);
	return (uint32_t)sect;
}

static enum bpfsnap_transport transport_of(uint32_t disk_key)
{
	char name[64] = "";

	(void)sysfs_name(disk_key, name, sizeof(name));
	if (strncmp(name, "/dev/nvme", 9) == 0)
		return BPFSNAP_TRANSPORT_NVME;
	/* Only SCSI devices have a directory of this name. */
	return sysfs_has(disk_key, "device/scsi_device") ? BPFSNAP_TRANSPORT_SCSI :
							   BPFSNAP_TRANSPORT_OTHER;
}

/*
 * Is all that is in flight counted? A disk without requests is counted by its driver, or not, or
 * not all of it (NVMe multipath: what is on a path; DRBD); the module knows the same ones.
 */
static bool driver_counts(uint32_t disk_key)
{
	static const char *const names[] = { "md", "dm-", "ram", "zram", "bcache" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (sysfs_is_called(disk_key, names[i]))
			return true;
	return false;
}

void reach_look(uint32_t disk_key, bool is_gated, struct reach *ret_reach)
{
	struct reach reach = { 0 };

	(void)sysfs_u64(disk_key, "diskseq", &reach.diskseq);
	reach.zone_sect = zone_sectors(disk_key);
	reach.transport = transport_of(disk_key);
	reach.takes_requests = sysfs_has(disk_key, "mq");
	reach.can_count = reach.takes_requests || driver_counts(disk_key);
	reach.counts_inflight = reach.can_count && is_text(disk_key, "queue/iostats", "1");
	reach.is_mapped = sysfs_has(disk_key, "dm/name");
	if (is_text(disk_key, "queue/dax", "1"))
		say(&reach, BPFSNAP_UNCERTAIN_DAX,
		    "It can be mapped into memory (DAX), and what is written there is not seen.");
	if (!is_gated && takes_pages(disk_key))
		say(&reach, BPFSNAP_UNCERTAIN_UNSEEN,
		    "Swap and some filesystems write pages to it in a way that this kernel does not show.");
	look_at_holders(disk_key, is_gated, &reach);
	*ret_reach = reach;
}

/*
 * md counts a write once it is under way, which some wait for: until the superblock says that
 * the array is dirty, or until a place that is being synchronized is free.
 */
const char *reach_keeps_back(uint32_t disk_key)
{
	if (is_text(disk_key, "md/array_state", "write-pending"))
		return "its superblock is being written";
	if (sysfs_has(disk_key, "md/sync_action") && !is_text(disk_key, "md/sync_action", "idle") &&
	    !is_text(disk_key, "md/sync_action", "frozen"))
		return "it is being synchronized";
	return NULL;
}

int reach_inflight(uint32_t disk_key, uint64_t *ret_reads, uint64_t *ret_writes)
{
	unsigned long long reads, writes;
	char line[64];
	int r;

	r = sysfs_string(disk_key, "inflight", line, sizeof(line));
	if (r < 0)
		return r;
	if (sscanf(line, "%llu %llu", &reads, &writes) != 2)
		return -EBADMSG;
	*ret_reads = reads;
	*ret_writes = writes;
	return 0;
}
