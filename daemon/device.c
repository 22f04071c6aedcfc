// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which range of which disk does a device's path mean?
 */
#include "device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int device_get(uint32_t key, struct device *ret_device)
{
	struct device d = { .key = key, .disk_key = key };
	int r;

	r = sysfs_name(key, d.name, sizeof(d.name));
	if (r < 0)
		return r;
	if (sysfs_has(key, "partition")) {
		r = sysfs_dev(key, "../dev", &d.disk_key);
		if (r < 0)
			return r;
		r = sysfs_u64(key, "start", &d.start_sect);
		if (r < 0)
			return r;
	}
	r = sysfs_u64(key, "size", &d.nr_sect);
	if (r < 0)
		return r;
	r = sysfs_u64(d.disk_key, "size", &d.disk_nr_sect);
	if (r < 0)
		return r;
	r = sysfs_name(d.disk_key, d.disk_name, sizeof(d.disk_name));
	if (r < 0)
		return r;
	*ret_device = d;
	return 0;
}

static _Thread_local bool is_below_dev;

void device_resolve_below(bool is_below)
{
	is_below_dev = is_below;
}

static int stat_below(const char *path, struct stat *ret_st)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC,
				.resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS };
	_cleanup_(closep) int dev_fd = -1, fd = -1;

	if (strncmp(path, "/dev/", 5) != 0)
		return -ENOENT;
	dev_fd = open("/dev", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dev_fd < 0)
		return -errno;
	fd = (int)syscall(SYS_openat2, dev_fd, path + 5, &how, sizeof(how));
	return fd < 0 || fstat(fd, ret_st) < 0 ? -ENOENT : 0;
}

static int look_up(const char *path, struct stat *ret_st)
{
	if (is_below_dev)
		return stat_below(path, ret_st);
	return stat(path, ret_st) < 0 ? -errno : 0;
}

int device_resolve(const char *path, struct device *ret_device, struct fault *fault)
{
	struct stat st;
	int r;

	if (path[0] != '/')
		return fault_device(fault, REASON_DEVICE_NOT_FOUND, path,
				    "A device is named by an absolute path, like /dev/vda.");
	r = look_up(path, &st);
	if (r < 0)
		return fault_device(fault, REASON_DEVICE_NOT_FOUND, path, "%s cannot be found%s: %s.",
				    path, is_below_dev ? " below /dev" : "", strerror(-r));
	if (!S_ISBLK(st.st_mode))
		return fault_device(fault, REASON_DEVICE_UNSUPPORTED, path,
				    "%s is not a block device.", path);
	r = device_get(key_of(st.st_rdev), ret_device);
	if (r < 0)
		return fault_device(fault, REASON_DEVICE_NOT_FOUND, path,
				    "The kernel knows no device behind %s: %s.", path, strerror(-r));
	return 0;
}

static int find_partition(const struct device *disk, uint64_t start_sect, uint64_t nr_sect,
			  struct device *ret_device)
{
	_cleanup_(keys_done) struct keys partitions = { 0 };
	int r;

	r = sysfs_children(disk->key, "", "partition", &partitions);
	if (r < 0)
		return r;
	for (size_t i = 0; i < partitions.nr; i++) {
		struct device d;

		if (device_get(partitions.items[i], &d) == 0 && d.start_sect == start_sect &&
		    d.nr_sect == nr_sect) {
			*ret_device = d;
			return 0;
		}
	}
	return -ENODEV;
}

void device_at(uint32_t disk_key, uint64_t start_sect, uint64_t nr_sect,
	       struct device *ret_device)
{
	struct device d;

	if (device_get(disk_key, &d) < 0) {
		d = (struct device){ .disk_nr_sect = 0 };
		snprintf(d.disk_name, sizeof(d.disk_name), "%u:%u", key_major(disk_key),
			 key_minor(disk_key));
	} else if (start_sect == 0 && nr_sect == d.nr_sect) {
		*ret_device = d;
		return;
	} else if (find_partition(&d, start_sect, nr_sect, ret_device) == 0) {
		return;
	}
	d.key = d.disk_key = disk_key;
	d.start_sect = start_sect;
	d.nr_sect = nr_sect;
	snprintf(d.name, sizeof(d.name), "%.24s[%llu+%llu]", d.disk_name,
		 (unsigned long long)start_sect, (unsigned long long)nr_sect);
	*ret_device = d;
}

const char *device_name(uint32_t key, char *buf, size_t room)
{
	if (sysfs_name(key, buf, room) < 0)
		snprintf(buf, room, "%u:%u", key_major(key), key_minor(key));
	return buf;
}
