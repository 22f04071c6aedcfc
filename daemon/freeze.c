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
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "device.h"
#include "dmtable.h"
#include "fsdev.h"
#include "fsjournal.h"
#include "mounts.h"

/* btrfs has a number of its own, and names one of its devices. */
static bool is_on(struct libmnt_fs *fs, uint32_t key)
{
	_cleanup_(keys_done) struct keys members = { 0 };
	const char *source = mnt_fs_get_srcpath(fs), *type = mnt_fs_get_fstype(fs);
	struct stat st;

	if (key_of(mnt_fs_get_devno(fs)) == key)
		return true;
	if (type && strcmp(type, "btrfs") == 0)
		return fsdev_of_btrfs(source, &members) >= 0 && keys_has(&members, key);
	return source && source[0] == '/' && stat(source, &st) == 0 && S_ISBLK(st.st_mode) &&
	       key_of(st.st_rdev) == key;
}

/*
 * Return: a handle of what is mounted there, or -errno; -ESTALE if that is another filesystem,
 * which was mounted over it.
 */
static int open_mount(struct libmnt_fs *fs)
{
	_cleanup_(closep) int path_fd = open(mnt_fs_get_target(fs), O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct statx stx;
	char link[64];
	int fd;

	if (path_fd < 0 || statx(path_fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_MNT_ID, &stx) < 0)
		return -errno;
	if (!(stx.stx_mask & STATX_MNT_ID) || stx.stx_mnt_id != (uint64_t)mnt_fs_get_id(fs))
		return -ESTALE;
	/* A file can be a mount point, too. To open a device or a fifo is to use it. */
	if (!S_ISDIR(stx.stx_mode) && !S_ISREG(stx.stx_mode))
		return -ENOTDIR;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", path_fd);
	fd = open(link, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* By the first of its mount points that can be opened; else @ret_target is one of the others. */
static int open_filesystem(struct libmnt_table *table, dev_t devno, const char **ret_target)
{
	struct libmnt_iter *iter = mnt_new_iter(MNT_ITER_BACKWARD);
	struct libmnt_fs *fs;
	int fd = -ENOMEM;

	while (iter && fd < 0 && mnt_table_next_fs(table, iter, &fs) == 0) {
		if (mnt_fs_get_devno(fs) != devno)
			continue;
		*ret_target = mnt_fs_get_target(fs);
		fd = open_mount(fs);
	}
	mnt_free_iter(iter);
	return fd;
}

static int add_filesystem(struct libmnt_table *table, dev_t devno, uint32_t key,
			  struct freeze *freeze, struct fault *fault)
{
	int *fds = realloc(freeze->fds, (freeze->nr + 1) * sizeof(*fds)), fd;
	char name[DEVICE_NAME_MAX];
	const char *target = "";

	if (!fds)
		return -ENOMEM;
	freeze->fds = fds;
	fd = open_filesystem(table, devno, &target);
	if (fd < 0)
		return fault_device(fault, REASON_FREEZE_FAILED,
				    device_name(key, name, sizeof(name)),
				    "The filesystem on %s could not be frozen, since what is mounted at %s cannot be opened: %s.",
				    name, target,
				    fd == -ESTALE ? "another one is mounted over it" : strerror(-fd));
	fds[freeze->nr++] = fd;
	return 0;
}

static int add_filesystems(struct libmnt_table *table, uint32_t key, struct keys *seen,
			   struct freeze *freeze, struct fault *fault)
{
	struct libmnt_iter *iter = mnt_new_iter(MNT_ITER_BACKWARD);
	struct libmnt_fs *fs;
	int first = iter ? 0 : -ENOMEM;

	while (iter && mnt_table_next_fs(table, iter, &fs) == 0) {
		dev_t devno = mnt_fs_get_devno(fs);
		int r;

		if (!is_on(fs, key))
			continue;
		r = keys_add(seen, key_of(devno));
		if (r > 0)
			r = add_filesystem(table, devno, key, freeze, fault);
		if (r >= 0)
			r = keys_add(&freeze->keys, key);
		if (r < 0)
			first = first ?: r;
	}
	mnt_free_iter(iter);
	return first;
}

/* A handle of each filesystem. Return: 0, or the first error, with a handle of all others. */
static int open_mounts(const struct keys *keys, struct freeze *freeze, struct fault *fault)
{
	_cleanup_(mounts_putp) struct libmnt_table *table = mounts_read();
	_cleanup_(keys_done) struct keys seen = { 0 };
	int first = 0;

	if (!table)
		return -ENOMEM;
	for (size_t i = 0; i < keys->nr; i++) {
		int r = add_filesystems(table, keys->items[i], &seen, freeze, fault);

		first = first ?: r;
	}
	return first;
}

/* All but the first ones. */
static void forget(struct freeze *freeze, size_t nr_kept)
{
	while (freeze->nr > nr_kept)
		close(freeze->fds[--freeze->nr]);
}

void freeze_sync(const struct keys *keys)
{
	struct freeze mounts = { 0 };
	struct fault unsaid = { 0 };

	(void)open_mounts(keys, &mounts, &unsaid);
	for (size_t i = 0; i < mounts.nr; i++)
		(void)syncfs(mounts.fds[i]);
	forget(&mounts, 0);
	free(mounts.fds);
	keys_done(&mounts.keys);
	fault_done(&unsaid);
}

enum freeze_owner { ARMED, WE, CHILD };

/**
 * struct freeze_shared - between us and the child that watches
 * @nr_begun: filesystems that are frozen, or being frozen: no others are ours to thaw
 * @nr_frozen: that are
 * @owner: who thaws them
 */
struct freeze_shared {
	atomic_size_t nr_begun, nr_frozen;
	_Atomic enum freeze_owner owner;
};

/* Return: which one was not frozen any more; else @end. */
static size_t thaw(const struct freeze *freeze, size_t first, size_t end)
{
	size_t missing = end;

	for (size_t i = end; i-- > first;)
		if (ioctl(freeze->fds[i], FITHAW, 0) < 0 && errno == EINVAL)
			missing = i;
	return missing;
}

/*
 * Runs in the child: must not return. Nobody frozen may be needed to get here. When the time is
 * over the parent may be about to freeze one more: until it has noticed, or is gone, we stay.
 */
static void watch(const struct freeze *freeze, int fd, int timeout_ms)
{
	struct freeze_shared *shared = freeze->shared;
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	size_t nr_thawed = 0, nr_frozen;
	char word;
	int r;

	for (;;) {
		enum freeze_owner armed = ARMED;

		do
			r = poll(&poll_fd, 1, timeout_ms);
		while (r < 0 && errno == EINTR);
		timeout_ms = -1;
		if (r > 0 && read(fd, &word, 1) == 1)
			_exit(0);	/* thawed by the parent */
		if (r == 0 && !atomic_compare_exchange_strong(&shared->owner, &armed, CHILD))
			continue;	/* it is doing so */
		nr_frozen = atomic_load(&shared->nr_frozen);
		(void)thaw(freeze, nr_thawed, atomic_load(&shared->nr_begun));
		if (r != 0)
			_exit(1);
		nr_thawed = nr_frozen;
	}
}

static void end_watchdog(struct freeze *freeze, bool is_thawed)
{
	if (is_thawed)
		(void)!write(freeze->watch_fd, "t", 1);
	close(freeze->watch_fd);
	freeze->watch_fd = -1;
	(void)waitpid(freeze->watch_pid, NULL, 0);
}

static int start_watchdog(struct freeze *freeze, uint32_t timeout_ms)
{
	int fds[2], pid;

	freeze->shared = mmap(NULL, sizeof(*freeze->shared), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (freeze->shared == MAP_FAILED) {
		freeze->shared = NULL;
		return -errno;
	}
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
		watch(freeze, fds[0], (int)timeout_ms);
	}
	close(fds[0]);
	freeze->watch_fd = fds[1];
	freeze->watch_pid = pid;
	return 0;
}

static const char *path_of(const struct freeze *freeze, size_t i, char *ret_path, size_t room)
{
	char link[64];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", freeze->fds[i]);
	len = readlink(link, ret_path, room - 1);
	ret_path[len < 0 ? 0 : len] = '\0';
	return ret_path;
}

int freeze_begin(const struct keys *keys, uint32_t timeout_ms, struct freeze *ret_freeze,
		 struct fault *fault)
{
	char path[512];
	size_t i;
	int r;

	*ret_freeze = (struct freeze){ .watch_fd = -1 };
	r = open_mounts(keys, ret_freeze, fault);
	if (r >= 0 && ret_freeze->nr > 0)
		r = start_watchdog(ret_freeze, timeout_ms);
	if (r < 0) {
		forget(ret_freeze, 0);	/* nothing is ours to thaw */
		return fault_system(fault, "freeze", r, "Filesystems cannot be frozen: %s.",
				    strerror(-r));
	}
	for (i = 0; i < ret_freeze->nr && r >= 0; i++) {
		atomic_store(&ret_freeze->shared->nr_begun, i + 1);
		if (ioctl(ret_freeze->fds[i], FIFREEZE, 0) < 0) {
			r = -errno;
			/* One that another has frozen is not ours to thaw. */
			atomic_store(&ret_freeze->shared->nr_begun, i);
			continue;
		}
		atomic_store(&ret_freeze->shared->nr_frozen, i + 1);
		if (atomic_load(&ret_freeze->shared->owner) == CHILD)
			r = -ETIME;
	}
	if (r >= 0)
		return 0;
	path_of(ret_freeze, i - 1, path, sizeof(path));
	return fault_device(fault, REASON_FREEZE_FAILED, path,
			    "The filesystem at %s could not be frozen%s: %s.", path,
			    r == -ETIME ? " in time" : "", strerror(-r));
}

/*
 * Freezing what is mounted above does not stop those who move blocks, repair, or keep books. Of
 * the device mapper's targets these only pass on what they get.
 */
static bool writes_by_itself(uint32_t key)
{
	static const char *const plain[] = { "linear", "striped", "crypt", "delay", "flakey", "error",
					     "zero", "verity", "multipath" };

	if (sysfs_has(key, "partition"))
		return false;
	return !sysfs_has(key, "dm") || !dmtable_is_of(key, plain, ARRAY_SIZE(plain));
}

enum freeze_found freeze_look(const struct freeze *freeze, uint32_t key)
{
	_cleanup_(keys_done) struct keys keys = { 0 };
	bool has_frozen = false, has_others = false;
	int r = keys_add(&keys, key);

	for (size_t i = 0; i < keys.nr && r >= 0; i++) {
		_cleanup_(keys_done) struct keys children = { 0 };

		has_others |= i > 0 && writes_by_itself(keys.items[i]);
		if (keys_has(&freeze->keys, keys.items[i])) {
			has_frozen = true;
			continue;
		}
		if (fsjournal_is_mounted(keys.items[i]))
			return FREEZE_FOUND_HIDDEN;
		r = sysfs_children(keys.items[i], "holders", NULL, &children);
		if (r >= 0)
			r = sysfs_children(keys.items[i], "", "partition", &children);
		/* A machine's disk, swap, a filesystem that sysfs does not show; or nothing. */
		has_others |= children.nr == 0;
		for (size_t j = 0; j < children.nr && r >= 0; j++)
			r = keys_add(&keys, children.items[j]);
	}
	if (r < 0 || !has_frozen)
		return FREEZE_FOUND_NONE;
	return has_others ? FREEZE_FOUND_OTHERS : FREEZE_FOUND;
}

/* Return: 0, or why what was done in the meantime was not done while they were frozen. */
static int end_freeze(struct freeze *freeze, uint32_t timeout_ms, struct fault *fault)
{
	size_t nr = atomic_load(&freeze->shared->nr_begun), missing = nr;
	bool is_ours = atomic_exchange(&freeze->shared->owner, WE) != CHILD;
	char path[512];

	if (is_ours)
		missing = thaw(freeze, 0, nr);
	end_watchdog(freeze, is_ours);
	if (!is_ours)
		return fault_device(fault, REASON_FREEZE_FAILED, path_of(freeze, 0, path, sizeof(path)),
				    "The filesystems were thawed after %u ms, before the boundary was made.",
				    timeout_ms);
	if (missing < nr)
		return fault_device(fault, REASON_FREEZE_FAILED,
				    path_of(freeze, missing, path, sizeof(path)),
				    "The filesystem at %s was thawed by somebody else before the boundary was made.",
				    path);
	return 0;
}

int freeze_end(struct freeze *freeze, uint32_t timeout_ms, struct fault *fault)
{
	int r = 0;

	if (freeze->watch_fd >= 0)
		r = end_freeze(freeze, timeout_ms, fault);
	if (freeze->shared)
		munmap(freeze->shared, sizeof(*freeze->shared));
	forget(freeze, 0);
	free(freeze->fds);
	keys_done(&freeze->keys);
	*freeze = (struct freeze){ .watch_fd = -1 };
	return r;
}
