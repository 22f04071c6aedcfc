// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which block devices does the filesystem of a file use?
 *
 * stat() answers for most.  Some filesystems have a device number of their own
 * (major 0); for these the mount table names the source, and btrfs lists all
 * members in sysfs.
 */
#include "fsdev.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "mounts.h"

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* If /sys/fs/btrfs/<uuid>/devices has @name, all that stand beside it. */
static int add_members(const char *uuid, const char *name, struct keys *keys)
{
	_cleanup_(close_dir) DIR *dir = NULL;
	char path[PATH_MAX];
	struct dirent *entry;
	int r;

	snprintf(path, sizeof(path), "%s/fs/btrfs/%s/devices/%s", sysfs_root, uuid, name);
	if (access(path, F_OK) < 0)
		return 0;
	*strrchr(path, '/') = '\0';
	dir = opendir(path);
	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		char dev[PATH_MAX + 300];
		struct stat st;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(dev, sizeof(dev), "/dev/%s", entry->d_name);
		if (stat(dev, &st) < 0 || !S_ISBLK(st.st_mode))
			return -EOPNOTSUPP;
		r = keys_add(keys, key_of(st.st_rdev));
		if (r < 0)
			return r;
	}
	return 0;
}

int fsdev_of_btrfs(const char *source, struct keys *ret_keys)
{
	_cleanup_(close_dir) DIR *dir = NULL;
	char name[NAME_MAX], path[PATH_MAX];
	struct dirent *entry;
	struct stat st;
	int r;

	if (!source || stat(source, &st) < 0 || !S_ISBLK(st.st_mode))
		return -EOPNOTSUPP;
	r = keys_add(ret_keys, key_of(st.st_rdev));
	if (r < 0)
		return r;
	r = sysfs_name(key_of(st.st_rdev), name, sizeof(name));
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "%s/fs/btrfs", sysfs_root);
	dir = opendir(path);
	if (!dir)
		return -EOPNOTSUPP;
	while ((entry = readdir(dir))) {
		r = add_members(entry->d_name, name + strlen("/dev/"), ret_keys);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool is_memory(const char *type)
{
	static const char *const types[] = { "tmpfs", "ramfs", "devtmpfs", "rootfs" };

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (strcmp(type, types[i]) == 0)
			return true;
	return false;
}

static int ask_mount_table(const char *path, struct keys *keys, char *ret_type, size_t room)
{
	_cleanup_(mounts_putp) struct libmnt_table *table = NULL;
	_cleanup_(freep) char *real = realpath(path, NULL);
	struct libmnt_fs *fs;
	const char *type;

	if (!real)
		return -errno;
	table = mounts_read();
	if (!table)
		return -ENOMEM;
	fs = mnt_table_find_mountpoint(table, real, MNT_ITER_BACKWARD);
	if (!fs)
		return -EOPNOTSUPP;
	type = mnt_fs_get_fstype(fs) ?: "unknown";
	snprintf(ret_type, room, "%s", type);
	if (is_memory(type))
		return 0;
	if (strcmp(type, "btrfs") == 0)
		return fsdev_of_btrfs(mnt_fs_get_source(fs), keys);
	return -EOPNOTSUPP;
}

int fsdev_of_path(const char *path, struct keys *ret_keys, char *ret_type, size_t room)
{
	char type[64] = "";
	struct stat st;
	int r = 0;

	if (stat(path, &st) < 0)
		return -errno;
	if (major(st.st_dev) != 0)
		r = keys_add(ret_keys, key_of(st.st_dev));
	else
		r = ask_mount_table(path, ret_keys, type, sizeof(type));
	if (ret_type)
		snprintf(ret_type, room, "%s", type);
	return r < 0 ? r : 0;
}

int fsdev_of_number(unsigned int major_nr, unsigned int minor_nr, struct keys *ret_keys)
{
	_cleanup_(mounts_putp) struct libmnt_table *table = NULL;
	struct libmnt_fs *fs;
	int r;

	if (major_nr != 0) {
		r = keys_add(ret_keys, key_make(major_nr, minor_nr));
		return r < 0 ? r : 0;
	}
	table = mounts_read();
	if (!table)
		return -ENOMEM;
	fs = mnt_table_find_devno(table, makedev(major_nr, minor_nr), MNT_ITER_BACKWARD);
	if (!fs)
		return -EOPNOTSUPP;
	return fsdev_of_path(mnt_fs_get_target(fs), ret_keys, NULL, 0);
}

bool fsdev_is_loop(uint32_t key)
{
	return sysfs_has(key, "loop/backing_file");
}

/* The kernel remembers the file's device: right even if the file has no name any more. */
static int ask_loop(uint32_t loop_key, dev_t *ret_dev)
{
	_cleanup_(closep) int fd = -1;
	struct loop_info64 info;
	char name[64];
	int r;

	r = sysfs_name(loop_key, name, sizeof(name));
	if (r < 0)
		return r;
	fd = open(name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (ioctl(fd, LOOP_GET_STATUS64, &info) < 0)
		return -errno;
	*ret_dev = (dev_t)info.lo_device;
	return 0;
}

int fsdev_of_loop(uint32_t loop_key, struct keys *ret_keys)
{
	char path[PATH_MAX];
	dev_t dev = 0;
	int r;

	if (ask_loop(loop_key, &dev) == 0 && major(dev) != 0) {
		r = keys_add(ret_keys, key_of(dev));
		return r < 0 ? r : 0;
	}
	r = sysfs_string(loop_key, "loop/backing_file", path, sizeof(path));
	if (r < 0)
		return r;
	return fsdev_of_path(path, ret_keys, NULL, 0);
}
