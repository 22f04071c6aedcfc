// SPDX-License-Identifier: GPL-2.0-only
/*
 * What does the kernel's tree of block devices say?
 */
#include "sysfs.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

const char *sysfs_root = "/sys";

void keys_done(struct keys *keys)
{
	free(keys->items);
	*keys = (struct keys){ 0 };
}

bool keys_has(const struct keys *keys, uint32_t key)
{
	for (size_t i = 0; i < keys->nr; i++)
		if (keys->items[i] == key)
			return true;
	return false;
}

int keys_add(struct keys *keys, uint32_t key)
{
	uint32_t *items;

	if (keys_has(keys, key))
		return 0;
	items = realloc(keys->items, (keys->nr + 1) * sizeof(*items));
	if (!items)
		return -ENOMEM;
	keys->items = items;
	items[keys->nr++] = key;
	return 1;
}

uint32_t key_of(dev_t dev)
{
	return key_make(major(dev), minor(dev));
}

void sysfs_path(uint32_t key, const char *file, char *ret_path, size_t room)
{
	snprintf(ret_path, room, "%s/dev/block/%u:%u/%s", sysfs_root, key_major(key),
		 key_minor(key), file);
}

bool sysfs_has(uint32_t key, const char *file)
{
	char path[PATH_MAX];

	sysfs_path(key, file, path, sizeof(path));
	return access(path, F_OK) == 0;
}

static int read_line(const char *path, char *ret_text, size_t room)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, ret_text, room - 1);
	if (n < 0)
		return -errno;
	ret_text[n] = '\0';
	ret_text[strcspn(ret_text, "\n")] = '\0';
	return 0;
}

int sysfs_string(uint32_t key, const char *file, char *ret_text, size_t room)
{
	char path[PATH_MAX];

	sysfs_path(key, file, path, sizeof(path));
	return read_line(path, ret_text, room);
}

int sysfs_u64(uint32_t key, const char *file, uint64_t *ret_value)
{
	char text[32], *end;
	int r;

	r = sysfs_string(key, file, text, sizeof(text));
	if (r < 0)
		return r;
	errno = 0;
	*ret_value = strtoull(text, &end, 10);
	return end == text || *end || errno ? -EBADMSG : 0;
}

static int read_dev(const char *path, uint32_t *ret_key)
{
	unsigned int major_nr, minor_nr;
	char text[32];
	int r;

	r = read_line(path, text, sizeof(text));
	if (r < 0)
		return r;
	if (sscanf(text, "%u:%u", &major_nr, &minor_nr) != 2)
		return -EBADMSG;
	*ret_key = key_make(major_nr, minor_nr);
	return 0;
}

int sysfs_dev(uint32_t key, const char *file, uint32_t *ret_key)
{
	char path[PATH_MAX];

	sysfs_path(key, file, path, sizeof(path));
	return read_dev(path, ret_key);
}

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static int collect(const char *dir_path, const char *prefix, const char *mark, struct keys *keys)
{
	_cleanup_(close_dir) DIR *dir = opendir(dir_path);
	struct dirent *entry;
	int r;

	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while ((entry = readdir(dir))) {
		char path[PATH_MAX];
		uint32_t key;

		if (entry->d_name[0] == '.' || strncmp(entry->d_name, prefix, strlen(prefix)) != 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s/%s", dir_path, entry->d_name, mark ?: "dev");
		if (access(path, F_OK) < 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s/dev", dir_path, entry->d_name);
		if (read_dev(path, &key) < 0)
			continue;	/* it went away between the two looks */
		r = keys_add(keys, key);
		if (r < 0)
			return r;
	}
	return 0;
}

int sysfs_children(uint32_t key, const char *dir, const char *mark, struct keys *keys)
{
	char path[PATH_MAX];

	sysfs_path(key, dir, path, sizeof(path));
	return collect(path, "", mark, keys);
}

int sysfs_disks(const char *prefix, struct keys *keys)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/block", sysfs_root);
	return collect(path, prefix, NULL, keys);
}

int sysfs_name(uint32_t key, char *ret_name, size_t room)
{
	char path[PATH_MAX], target[PATH_MAX], *base;
	ssize_t n;

	sysfs_path(key, "", path, sizeof(path));
	path[strlen(path) - 1] = '\0';
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	base = strrchr(target, '/');
	base = base ? base + 1 : target;
	/* The kernel writes '!' in sysfs for a '/' in a device's name. */
	for (char *c = base; *c; c++)
		if (*c == '!')
			*c = '/';
	if ((size_t)snprintf(ret_name, room, "/dev/%s", base) >= room)
		return -ENAMETOOLONG;
	return 0;
}

bool sysfs_is_called(uint32_t key, const char *name)
{
	static const char dev[] = "/dev/";
	const size_t len = sizeof(dev) - 1 + strlen(name);
	char full[64];

	return sysfs_name(key, full, sizeof(full)) == 0 &&
	       strncmp(full + sizeof(dev) - 1, name, strlen(name)) == 0 &&
	       (isdigit((unsigned char)full[len]) || full[len] == '_');
}
