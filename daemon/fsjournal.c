// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where does a filesystem write besides its own device?
 *
 * Nothing in sysfs leads from a filesystem to its journal's device or back, as a mount is no
 * holder.  The superblock of ext4 has the journal's number, which the kernel keeps right when
 * another was mounted with; XFS has no number, but shows the names that it was mounted with.
 * Which of them is mounted from a device their directories in sysfs tell.
 */
#include "fsjournal.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "mounts.h"

enum {
	/* ext4, from the start of the device */
	EXT4_COMPAT	= 1024 + 0x5c,
	EXT4_JOURNAL_INUM = 1024 + 0xe0,
	EXT4_JOURNAL_DEV = 1024 + 0xe4,
	EXT4_HAS_JOURNAL = 0x4,
	/* XFS, big-endian */
	XFS_RBLOCKS	= 16,
	XFS_LOGSTART	= 48,
	/* f2fs: the path of the first of several devices */
	F2FS_DEVS	= 1024 + 2201,
};

static uint32_t le32_at(const uint8_t *block, size_t offset)
{
	uint32_t value;

	memcpy(&value, block + offset, sizeof(value));
	return le32toh(value);
}

static bool is_zero(const uint8_t *block, size_t offset, size_t len)
{
	static const uint8_t zeros[8];

	return memcmp(block + offset, zeros, len) == 0;
}

int fsjournal_of_ext4(const uint8_t *block, struct fsjournal *ret_journal)
{
	uint32_t dev = le32_at(block, EXT4_JOURNAL_DEV);

	if (!(le32_at(block, EXT4_COMPAT) & EXT4_HAS_JOURNAL))
		return 0;
	if (dev)
		ret_journal->journal_key = key_make(dev >> 8 & 0xfff,
						    (dev & 0xff) | (dev >> 12 & 0xfff00));
	return dev || le32_at(block, EXT4_JOURNAL_INUM) ? 0 : -EOPNOTSUPP;
}

bool fsjournal_xfs_has_other(const uint8_t *block)
{
	return is_zero(block, XFS_LOGSTART, 8) || !is_zero(block, XFS_RBLOCKS, 8);
}

bool fsjournal_f2fs_has_other(const uint8_t *block)
{
	return block[F2FS_DEVS] != 0;
}

static int read_block(uint32_t key, uint8_t block[FSJOURNAL_BLOCK_BYTES])
{
	_cleanup_(closep) int fd = -1;
	char name[64];
	struct stat st;
	ssize_t n;
	int r;

	r = sysfs_name(key, name, sizeof(name));
	if (r < 0)
		return r;
	fd = open(name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISBLK(st.st_mode) || key_of(st.st_rdev) != key)
		return -ENODEV;
	/* Through the page cache, where ext4 has its superblock. */
	n = pread(fd, block, FSJOURNAL_BLOCK_BYTES, 0);
	if (n < 0)
		return -errno;
	return n == FSJOURNAL_BLOCK_BYTES ? 0 : -EIO;
}

/* The device that a mount option names, if there is that option. */
static int add_option(struct libmnt_fs *fs, const char *option, uint32_t *ret_key)
{
	const char *options = mnt_fs_get_fs_options(fs);
	char path[PATH_MAX], *value;
	struct stat st;
	size_t len;

	if (!options || mnt_optstr_get_option(options, option, &value, &len) != 0)
		return 0;
	if (!value || len >= sizeof(path))
		return -EOPNOTSUPP;
	memcpy(path, value, len);
	path[len] = '\0';
	if (path[0] != '/' || stat(path, &st) < 0 || !S_ISBLK(st.st_mode))
		return -EOPNOTSUPP;
	*ret_key = key_of(st.st_rdev);
	return 0;
}

static int ask_xfs(uint32_t key, struct fsjournal *ret_journal)
{
	_cleanup_(mounts_putp) struct libmnt_table *table = NULL;
	uint8_t block[FSJOURNAL_BLOCK_BYTES];
	struct libmnt_fs *fs;
	int r;

	table = mounts_read();
	if (!table)
		return -ENOMEM;
	fs = mnt_table_find_devno(table, makedev(key_major(key), key_minor(key)),
				  MNT_ITER_BACKWARD);
	if (fs) {
		r = add_option(fs, "logdev", &ret_journal->journal_key);
		return r < 0 ? r : add_option(fs, "rtdev", &ret_journal->realtime_key);
	}
	/* Mounted in another namespace only. */
	r = read_block(key, block);
	return r < 0 ? r : fsjournal_xfs_has_other(block) ? -EOPNOTSUPP : 0;
}

/* Is a filesystem of this type mounted from the device? */
static bool is_mounted(const char *type, uint32_t key)
{
	char name[64], path[PATH_MAX];

	if (sysfs_name(key, name, sizeof(name)) < 0)
		return false;
	for (char *c = name + strlen("/dev/"); *c; c++)
		if (*c == '/')
			*c = '!';
	snprintf(path, sizeof(path), "%s/fs/%s/%s", sysfs_root, type, name + strlen("/dev/"));
	return access(path, F_OK) == 0;
}

bool fsjournal_is_mounted(uint32_t key)
{
	return is_mounted("ext4", key) || is_mounted("xfs", key) || is_mounted("f2fs", key);
}

int fsjournal_find(uint32_t key, struct fsjournal *ret_journal)
{
	uint8_t block[FSJOURNAL_BLOCK_BYTES];
	int r;

	*ret_journal = (struct fsjournal){ 0 };
	if (is_mounted("xfs", key))
		return ask_xfs(key, ret_journal);
	if (is_mounted("ext4", key)) {
		r = read_block(key, block);
		return r < 0 ? r : fsjournal_of_ext4(block, ret_journal);
	}
	if (is_mounted("f2fs", key)) {
		r = read_block(key, block);
		return r < 0 ? r : fsjournal_f2fs_has_other(block) ? -EOPNOTSUPP : 0;
	}
	return 0;
}
