// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which directory is a cgroup, of which the programs know the number?
 */
#include "cgroup.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"

#ifndef FILEID_KERNFS
#define FILEID_KERNFS	0xfe	/* linux/exportfs.h */
#endif

/* The roots of cgroup hierarchies; the id of a cgroup is a file handle in its own. */
static const char *const roots[] = {
	"/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/blkio",
};

static bool name_in(const char *root, uint64_t cgroup, char *ret_path, size_t room)
{
	_cleanup_(closep) int root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -1;
	union {
		struct file_handle handle;
		char bytes[sizeof(struct file_handle) + sizeof(uint64_t)];
	} h = { .handle = { .handle_bytes = sizeof(uint64_t), .handle_type = FILEID_KERNFS } };
	char link[64];
	ssize_t n;

	if (root_fd < 0)
		return false;
	memcpy(h.handle.f_handle, &cgroup, sizeof(cgroup));
	fd = open_by_handle_at(root_fd, &h.handle, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return false;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, ret_path, room - 1);
	if (n < 0)
		return false;
	ret_path[n] = '\0';
	return true;
}

bool cgroup_path(uint64_t cgroup, char *ret_path, size_t room)
{
	for (size_t i = 0; cgroup && i < ARRAY_SIZE(roots); i++)
		if (name_in(roots[i], cgroup, ret_path, room))
			return true;
	return false;
}
