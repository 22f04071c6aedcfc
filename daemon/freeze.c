// SPDX-License-Identifier: GPL-2.0-only
/*
 * How are filesystems frozen without the module, and thawed whatever happens to us?
 *
 * The thaw is armed before the freeze: a child with the same handles waits for a word of
 * ours, for our end, or for the deadline.
 */
#include "freeze.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "device.h"
#include "log.h"
#include "mounts.h"

/* btrfs has a number of its own, and names its device. */
static bool is_on(struct libmnt_fs *fs, uint32_t key)
{
	const char *source = mnt_fs_get_srcpath(fs);
	struct stat st;

	if (key_of(mnt_fs_get_devno(fs)) == key)
		return true;
	return source && source[0] == '/' && stat(source, &st) == 0 && S_ISBLK(st.st_mode) &&
	       key_of(st.st_rdev) == key;
}

/* A handle of one mount point of each filesystem. */
static int open_mounts(const struct keys *keys, struct freeze *freeze)
{
	_cleanup_(mounts_putp) struct libmnt_table *table = mounts_read();
	_cleanup_(keys_done) struct keys seen = { 0 };

	if (!table)
		return -ENOMEM;
	freeze->fds = calloc(keys->nr + 1, sizeof(*freeze->fds));
	if (!freeze->fds)
		return -ENOMEM;
	for (size_t i = 0; i < keys->nr; i++) {
		struct libmnt_iter *iter = mnt_new_iter(MNT_ITER_BACKWARD);
		struct libmnt_fs *fs;
		int fd = -1;

		while (iter && fd < 0 && mnt_table_next_fs(table, iter, &fs) == 0)
			if (is_on(fs, keys->items[i]) &&
			    keys_add(&seen, key_of(mnt_fs_get_devno(fs))) > 0)
				fd = open(mnt_fs_get_target(fs), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		mnt_free_iter(iter);
		if (fd >= 0)
			freeze->fds[freeze->nr++] = fd;
	}
	return 0;
}

void freeze_sync(const struct keys *keys)
{
	struct freeze mounts = { 0 };

	(void)open_mounts(keys, &mounts);
	while (mounts.nr > 0) {
		(void)syncfs(mounts.fds[--mounts.nr]);
		close(mounts.fds[mounts.nr]);
	}
	free(mounts.fds);
}

static void thaw(const struct freeze *freeze, size_t nr)
{
	while (nr-- > 0)
		(void)ioctl(freeze->fds[nr], FITHAW, 0);
}

/* Runs in the child: must not return. Nobody frozen may be needed to get here. */
static void watch(const struct freeze *freeze, int fd, uint32_t timeout_ms)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	char word;
	int r;

	do
		r = poll(&poll_fd, 1, (int)timeout_ms);
	while (r < 0 && errno == EINTR);
	if (r > 0 && read(fd, &word, 1) == 1)
		_exit(0);	/* thawed by the parent */
	thaw(freeze, freeze->nr);
	_exit(1);
}

static int start_watchdog(struct freeze *freeze, uint32_t timeout_ms)
{
	int fds[2], pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid < 0) {
		int r = -errno;

		close(fds[0]);
		close(fds[1]);
		return r;
	}
	if (pid == 0) {
		close(fds[1]);
		watch(freeze, fds[0], timeout_ms);
	}
	close(fds[0]);
	freeze->watch_fd = fds[1];
	freeze->watch_pid = pid;
	return 0;
}

int freeze_begin(const struct keys *keys, uint32_t timeout_ms, struct freeze *ret_freeze,
		 struct fault *fault)
{
	size_t i;
	int r;

	*ret_freeze = (struct freeze){ .watch_fd = -1 };
	r = open_mounts(keys, ret_freeze);
	if (r >= 0 && ret_freeze->nr > 0)
		r = start_watchdog(ret_freeze, timeout_ms);
	if (r < 0)
		return fault_system(fault, "freeze", r, "Filesystems cannot be frozen: %s.",
				    strerror(-r));
	for (i = 0; i < ret_freeze->nr; i++) {
		char link[64], path[512] = "";

		if (ioctl(ret_freeze->fds[i], FIFREEZE, 0) == 0)
			continue;
		r = -errno;
		snprintf(link, sizeof(link), "/proc/self/fd/%d", ret_freeze->fds[i]);
		(void)!readlink(link, path, sizeof(path) - 1);
		thaw(ret_freeze, i);
		/* One that another has frozen is not ours to thaw. */
		while (ret_freeze->nr > i)
			close(ret_freeze->fds[--ret_freeze->nr]);
		return fault_device(fault, REASON_FREEZE_FAILED, path,
				    "The filesystem at %s could not be frozen: %s.", path,
				    strerror(-r));
	}
	return 0;
}

int freeze_end(struct freeze *freeze)
{
	int status = 0;

	thaw(freeze, freeze->nr);
	if (freeze->watch_fd >= 0) {
		(void)!write(freeze->watch_fd, "t", 1);
		close(freeze->watch_fd);
		if (waitpid(freeze->watch_pid, &status, 0) < 0)
			status = 0;
	}
	while (freeze->nr > 0)
		close(freeze->fds[--freeze->nr]);
	free(freeze->fds);
	*freeze = (struct freeze){ .watch_fd = -1 };
	return status ? -ETIME : 0;
}
