// SPDX-License-Identifier: GPL-2.0-only
/*
 * Why does the kernel module not take a disk?
 *
 * It has one errno for all kinds that it cannot serve (bpfsnap_origin_check() there); sysfs
 * tells them apart.
 */
#include "unfit.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "sysfs.h"

enum {
	LBS_MAX_BYTES = 4096,	/* what the module copies at least */
};

/* Is there such a file, with another content? */
static bool is_not(uint32_t key, const char *file, const char *text)
{
	char line[64];

	return sysfs_string(key, file, line, sizeof(line)) == 0 && strcmp(line, text) != 0;
}

static bool is_linear(uint32_t key)
{
	char level[32];

	return sysfs_string(key, "md/level", level, sizeof(level)) == 0 &&
	       strcmp(level, "linear") == 0;
}

/* What sysfs has no word for: how a driver takes bios. */
static const char *unfit_driver(uint32_t key)
{
	if (is_linear(key))
		return "it is an md array of level linear, which sends writes on in a way that hides them";
	if (sysfs_is_called(key, "ram") || sysfs_is_called(key, "zram"))
		return "pages are written to it without a bio, as to brd and zram before Linux 6.3";
	if (sysfs_is_called(key, "md") || sysfs_is_called(key, "dm-"))
		return is_not(key, "queue/iostats", "1") ?
		       "it does not account writes in flight while its queue/iostats is 0" : NULL;
	if (sysfs_has(key, "queue") && !sysfs_has(key, "mq"))
		return "its driver does not account writes in flight";
	return NULL;
}

static const char *unfit_kind(uint32_t key)
{
	uint64_t lbs_bytes;
	const char *why;

	/* First what is sure. */
	if (sysfs_u64(key, "queue/logical_block_size", &lbs_bytes) == 0 && lbs_bytes > LBS_MAX_BYTES)
		return "its logical blocks are larger than 4096 bytes";
	if (is_not(key, "queue/zoned", "none"))
		return "it is zoned";
	if (is_not(key, "queue/dax", "0"))
		return "it can be written without requests (DAX)";
	if (is_not(key, "integrity/format", "none"))
		return "it has an integrity profile";
	if (sysfs_has(key, "queue/crypto"))
		return "it has inline encryption";
	why = unfit_driver(key);
	return why ?: "it is zoned or DAX, or has inline encryption or an integrity profile, or its driver takes writes that nobody sees (brd, zram and pmem before Linux 6.3) or does not account them";
}

const char *unfit_why(uint32_t disk_key, int error)
{
	switch (-error) {
	case EROFS:
		return "it is read-only";
	case ENOSPC:
		return "it has no size";
	case EOPNOTSUPP:
		return unfit_kind(disk_key);
	}
	return NULL;
}
