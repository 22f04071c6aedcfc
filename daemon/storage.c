// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where may old content go?
 */
#include "storage.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "aside.h"
#include "fsdev.h"
#include "kctl.h"
#include "stack.h"

static bool is_planned(const struct snapshot_plan *plan, uint32_t disk_key)
{
	for (size_t i = 0; i < plan->nr_ranges; i++)
		if (plan->ranges[i].disk_key == disk_key)
			return true;
	return false;
}

/* The chains that end on a disk of the snapshot, but by a journal: how many, and the first. */
static size_t count_own(const struct snapshot_plan *plan, const struct chains *chains,
			const struct chain **ret_first)
{
	size_t nr = 0;

	for (size_t i = 0; i < chains->nr && !chains->items[i].is_journal; i++)
		if (is_planned(plan, chains->items[i].disk_key) && nr++ == 0)
			*ret_first = &chains->items[i];
	return nr;
}

/* What is written through a filesystem or to a device lands on no disk of the snapshot. */
static int check_apart(const struct snapshot_plan *plan, const struct chains *chains,
		       struct fault *fault)
{
	for (size_t i = 0; i < chains->nr; i++)
		if (is_planned(plan, chains->items[i].disk_key))
			return fault_storage(fault, plan->request->storage,
					     "Old content cannot be kept on a device of the snapshot: %s.",
					     chains->items[i].text);
	return 0;
}

/* Is there a snapshot of this disk? What is not known is. */
static bool is_held(uint32_t disk_key)
{
	_cleanup_(freep) struct bpfsnap_snap_info *infos = NULL;
	size_t nr;

	if (kctl_snapshots(&infos, &nr) < 0)
		return true;
	for (size_t i = 0; i < nr; i++)
		if (key_make(infos[i].major, infos[i].minor) == disk_key)
			return true;
	return false;
}

/* The disks that the storage of a held range stands on. */
static int below_store(const struct bpfsnap_snap_info *info, struct chains *chains)
{
	_cleanup_(keys_done) struct keys keys = { 0 };
	int r;

	r = fsdev_of_number(info->store_major, info->store_minor, &keys);
	return r < 0 ? r : stack_below_filesystem(&keys, chains);
}

static bool is_image(const struct bpfsnap_snap_info *infos, size_t nr, uint32_t key)
{
	for (size_t i = 0; i < nr; i++)
		if (key_make(infos[i].image_major, infos[i].image_minor) == key)
			return true;
	return false;
}

/*
 * What is stored on a disk that has a snapshot itself is copied to that one's storage, and
 * so on: it may not come back to a disk of this snapshot, or one write would go round
 * until everything is full.
 */
static int check_circle(const struct snapshot_plan *plan, const struct chains *chains,
			struct fault *fault)
{
	_cleanup_(freep) struct bpfsnap_snap_info *infos = NULL;
	_cleanup_(keys_done) struct keys reached = { 0 };
	size_t nr = 0;
	int r;

	r = kctl_snapshots(&infos, &nr);
	if (r == -ENOENT || r == -ENXIO)
		r = 0;		/* no module yet, no snapshots */
	for (size_t i = 0; i < chains->nr && r >= 0; i++) {
		if (is_image(infos, nr, chains->items[i].disk_key))
			return fault_storage(fault, plan->request->storage,
					     "Old content cannot be kept on the image of another snapshot, with which it would be gone: %s.",
					     chains->items[i].text);
		r = keys_add(&reached, chains->items[i].disk_key);
	}
	for (size_t at = 0; at < reached.nr && r >= 0; at++) {
		for (size_t i = 0; i < nr && r >= 0; i++) {
			_cleanup_(chains_done) struct chains below = { 0 };

			if (key_make(infos[i].major, infos[i].minor) != reached.items[at])
				continue;
			r = below_store(&infos[i], &below);
			for (size_t j = 0; j < below.nr && r >= 0; j++) {
				if (is_planned(plan, below.items[j].disk_key))
					return fault_storage(fault, plan->request->storage,
							     "Old content would go round in a circle: what is stored in %s is copied for another snapshot, whose storage is on a device of this one: %s.",
							     plan->request->storage, below.items[j].text);
				r = keys_add(&reached, below.items[j].disk_key);
			}
		}
	}
	return r < 0 ? fault_storage(fault, plan->request->storage,
				     "Where other snapshots are stored cannot be determined: %s.",
				     strerror(-r)) : 0;
}

/*
 * A file on the snapshot's own disk can be set aside and pinned, if its filesystem is on
 * that very disk: with another device of the snapshot in between or below, what is
 * written there would be copied there.
 */
static int check_own(struct snapshot_plan *plan, const struct chains *chains,
		     const struct chain *own, size_t nr_own, struct fault *fault)
{
	const char *dir = plan->request->storage;

	if (nr_own > 1 || own != &chains->items[0])
		return fault_storage(fault, dir, "Old content cannot be kept on a device of the snapshot: %s.",
				     own->text);
	if (!plan->request->limit_bytes)
		return fault_storage(fault, dir,
				     "Old content cannot be kept on the snapshot's own disk without a limit: %s. With a limit, so much is set aside there beforehand.",
				     own->text);
	if (is_held(own->disk_key))
		return fault_storage(fault, dir,
				     "Nothing can be set aside on the snapshot's own disk while another snapshot of it is held: writing it would fill that one's storage.");
	if (plan->request->writable)
		return fault_storage(fault, dir,
				     "Images that take writes need a storage that is not on the snapshot's own disk: %s.",
				     own->text);
	plan->storage_kind = STORAGE_PINNED;
	return 0;
}

/* Elsewhere, who needs it may want the same. */
static int check_aside(struct snapshot_plan *plan, const struct chains *chains, struct fault *fault)
{
	const char *dir = plan->request->storage;

	if (!plan->request->limit_bytes)
		return fault_storage(fault, dir,
				     "Nothing can be set aside in %s without a limit, which is how much it is.",
				     dir);
	for (size_t i = 0; i < chains->nr; i++)
		if (is_held(chains->items[i].disk_key))
			return fault_storage(fault, dir,
					     "Nothing can be set aside in %s while a snapshot of its disk is held: writing it would fill that one's storage.",
					     dir);
	plan->storage_kind = STORAGE_PINNED;
	return 0;
}

static int check_device(struct snapshot_plan *plan, uint32_t key, struct fault *fault)
{
	_cleanup_(chains_done) struct chains chains = { 0 };
	const char *path = plan->request->storage;
	int r;

	r = stack_below(key, &chains);
	if (r < 0)
		return fault_storage(fault, path, "What %s stands on cannot be determined: %s.", path,
				     strerror(-r));
	plan->storage_kind = STORAGE_DEVICE;
	r = check_apart(plan, &chains, fault);
	return r < 0 ? r : check_circle(plan, &chains, fault);
}

/* A file of the client's, on no disk of the snapshot. */
static int check_file(struct snapshot_plan *plan, struct fault *fault)
{
	_cleanup_(chains_done) struct chains chains = { 0 };
	int r;

	r = stack_below_path(plan->request->storage, &chains, fault);
	if (r < 0)
		return r;
	plan->storage_kind = STORAGE_HANDLE;
	r = check_apart(plan, &chains, fault);
	return r < 0 ? r : check_circle(plan, &chains, fault);
}

int storage_check(struct snapshot_plan *plan, struct fault *fault)
{
	_cleanup_(chains_done) struct chains chains = { 0 };
	const char *path = plan->request->storage;
	const struct chain *own;
	struct stat st;
	size_t nr_own;
	int r;

	if (path[0] != '/')
		return fault_storage(fault, path, "A storage is named by an absolute path.");
	if (stat(path, &st) < 0)
		return fault_storage(fault, path, "%s: %s.", path, strerror(errno));
	if (plan->request->set_aside && !S_ISDIR(st.st_mode))
		return fault_storage(fault, path,
				     "Something can be set aside in a directory only, and %s is none.", path);
	if (S_ISBLK(st.st_mode))
		return check_device(plan, key_make(major(st.st_rdev), minor(st.st_rdev)), fault);
	if (S_ISREG(st.st_mode) && plan->request->storage_fd >= 0)
		return check_file(plan, fault);
	if (!S_ISDIR(st.st_mode))
		return fault_storage(fault, path, "%s is neither a directory nor a block device.", path);
	r = stack_below_path(path, &chains, fault);
	if (r < 0)
		return r;
	plan->storage_kind = STORAGE_FILES;
	nr_own = count_own(plan, &chains, &own);
	if (nr_own > 0)
		return check_own(plan, &chains, own, nr_own, fault);
	/* Into blocks that were set aside nothing is written by way of a journal. */
	r = plan->request->set_aside ? check_aside(plan, &chains, fault) :
				       check_apart(plan, &chains, fault);
	return r < 0 ? r : check_circle(plan, &chains, fault);
}

/*
 * A client's file, past the page cache.  The client's own way to it stays as it is, and will
 * do where the filesystem can't do that or does not let us open it, or not at once because
 * of a lease.
 */
static int open_handle(int client_fd)
{
	int flags = fcntl(client_fd, F_GETFL), fd = -1;
	char path[64];

	if (!(flags & O_DIRECT)) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", client_fd);
		fd = open(path, (flags & (O_APPEND | O_SYNC)) | O_RDWR | O_DIRECT | O_NONBLOCK |
			  O_CLOEXEC);
	}
	return fd >= 0 ? fd : fcntl(client_fd, F_DUPFD_CLOEXEC, 0);
}

static int open_storage(const struct snapshot_plan *plan)
{
	const char *path = plan->request->storage;
	int fd;

	if (plan->storage_kind == STORAGE_HANDLE)
		return open_handle(plan->request->storage_fd);
	if (plan->storage_kind == STORAGE_DEVICE && plan->request->storage_fd >= 0)
		return fcntl(plan->request->storage_fd, F_DUPFD_CLOEXEC, 0);
	if (plan->storage_kind == STORAGE_DEVICE)
		return open(path, O_RDWR | O_CLOEXEC);
	if (plan->storage_kind == STORAGE_PINNED) {
		fd = aside_create(path, plan->id, plan->request->limit_bytes);
		errno = fd < 0 ? -fd : 0;
		return fd;
	}
	/* Past the page cache where the filesystem can do that. */
	fd = open(path, O_TMPFILE | O_RDWR | O_CLOEXEC | O_DIRECT, 0600);
	return fd < 0 && errno == EINVAL ? open(path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600) : fd;
}

int storage_open(const struct snapshot_plan *plan, struct fault *fault)
{
	_cleanup_(closep) int fd = open_storage(plan);
	const char *path = plan->request->storage;

	if (fd >= 0)
		return TAKE_FD(fd);
	if (plan->storage_kind == STORAGE_PINNED)
		return fault_storage(fault, path, "%" PRIu64 " bytes cannot be set aside in %s: %s.",
				     plan->request->limit_bytes, path, errno == EOPNOTSUPP ?
				     "its filesystem is neither ext2, ext3, ext4 nor XFS" :
				     errno == ESTALE ? "by that name there is something else here" :
				     strerror(errno));
	if (errno == EOPNOTSUPP || errno == EISDIR)
		return fault_storage(fault, path,
				     "The filesystem of %s has no unnamed temporary files.", path);
	return fault_storage(fault, path, "%s cannot be opened for old content: %s.", path,
			     strerror(errno));
}
