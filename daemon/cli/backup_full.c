// SPDX-License-Identifier: GPL-2.0-only
/*
 * How is a full backup made?
 *
 * Into a file of another name beside the image, so that an older image stays
 * whole until the new one is safe on disk.  Where there is none, an empty file takes
 * its place first: whoever holds the lock of what bears the name owns the name, and
 * with it the sidecar.  The order at the end: the old
 * sidecar goes (it must never describe the new image: a later "since" than the
 * image's would lose changes), the new image takes the name, its sidecar follows.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "backup.h"
#include "copy.h"
#include "signals.h"

static void drop_part(const char *path)
{
	if (unlink(path) && errno != ENOENT)
		cli_warn("%s is left over: %s", path, strerror(errno));
}

/* What can be gone on with stays, if that was asked for; a file with no note can't. */
static void leave_part(const struct backup *backup, const char *path)
{
	_cleanup_free_ char *note = sidecar_path(path);

	if (!backup->resume || !note || access(note, F_OK))
		drop_part(path);
	else
		cli_warn("%s is kept; the same command goes on from it", path);
}

/* Names of ids and devices fit, or the daemon is not to be trusted. */
int backup_fill_sidecar(const struct backup *backup, struct sidecar *ret)
{
	const struct backup_snapshot *snapshot = &backup->snapshot;
	struct sidecar sidecar = {
		.disk_offset_bytes = snapshot->disk_offset_bytes,
		.size_bytes = snapshot->size_bytes,
		.since = snapshot->since,
		.state = SIDECAR_COMPLETE,
		.created_ns = snapshot->created_ns,
	};

	if (strlen(snapshot->device) >= sizeof(sidecar.device) ||
	    strlen(snapshot->generation) >= sizeof(sidecar.generation) ||
	    strlen(snapshot->id) >= sizeof(sidecar.snapshot))
		return -ENAMETOOLONG;
	strcpy(sidecar.device, snapshot->device);
	strcpy(sidecar.generation, snapshot->generation);
	strcpy(sidecar.snapshot, snapshot->id);
	*ret = sidecar;
	return 0;
}

static void keep_owner(const char *path, int fd, const struct stat *old)
{
	if (fchown(fd, old->st_uid, old->st_gid) || fchmod(fd, old->st_mode & 07777))
		cli_warn("%s: can't keep the owner of the old image: %s", path, strerror(errno));
}

static int create_part(struct backup *backup, const struct stat *old, char **ret_path, int *ret_fd)
{
	char *path;
	int fd;

	if (asprintf(&path, "%s.part.XXXXXX", backup->path) < 0)
		return cli_fail_errno(backup->cli, -ENOMEM, "create", backup->path);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0) {
		free(path);
		return cli_fail_errno(backup->cli, -errno, "create a file beside", backup->path);
	}
	*ret_path = path;
	*ret_fd = fd;
	/* locked from its birth until the sidecar is there too */
	if (flock(fd, LOCK_EX | LOCK_NB))
		return cli_fail_errno(backup->cli, -errno, "lock", path);
	keep_owner(path, fd, old);
	return 0;
}

static int fill_part(struct backup *backup, int source_fd, int part_fd)
{
	struct copy copy = {
		.jobs = backup->jobs, .progress = backup_progress, .data = backup,
		.seen = sums_take, .seen_data = &backup->sums,
	};
	uint64_t size_bytes = backup->snapshot.size_bytes;
	int r;

	r = sums_make(size_bytes, &backup->sums);
	if (r < 0)
		return backup_fail_copy(backup, r, "copy");
	if (ftruncate(part_fd, size_bytes))
		return backup_fail_copy(backup, -errno, "copy");
	progress_start(&backup->progress, "copy", size_bytes);
	r = copy_new(&copy, source_fd, part_fd, 0, size_bytes);
	if (r == 0 && fsync(part_fd))
		r = -errno;
	progress_end(&backup->progress);
	backup->copied_bytes = copy.written_bytes;
	backup->changed_bytes = size_bytes;
	return r < 0 ? backup_fail_copy(backup, r, "copy") : 0;
}

static int publish(struct backup *backup, const char *part, int part_fd, bool *ret_published)
{
	struct cli *cli = backup->cli;
	struct sidecar sidecar;
	int r;

	r = backup_fill_sidecar(backup, &sidecar);
	if (r == 0)
		r = sidecar_remove(backup->path);
	if (r < 0)
		return cli_fail_errno(cli, r, "replace the sidecar of", backup->path);
	if (rename(part, backup->path))
		return cli_fail_errno(cli, -errno, "rename a file to", backup->path);
	*ret_published = true;
	r = sync_directory_of(backup->path);
	/* after the rename, which counts as a change of the file */
	if (r == 0)
		r = sidecar_identify(&sidecar, part_fd);
	if (r == 0)
		r = backup_write_sums(backup);
	if (r == -ECANCELED)
		return r;
	if (r == 0)
		r = sidecar_write(backup->path, &sidecar);
	return r < 0 ? cli_fail_errno(cli, r, "write the sidecar of", backup->path) : 0;
}

/*
 * Locks the file that has the name, an empty one of our own if there is none.  A file
 * of ours that another run locked before us is that run's, which sees an old image.
 */
static int take_name(struct backup *backup, struct stat *ret_old, bool *ret_created, int *ret_fd)
{
	struct cli *cli = backup->cli;
	_cleanup_close_ int created_fd = -1;	/* open: its inode is nobody else's */
	struct stat created = {};

	for (;;) {
		int r = backup_lock_image(cli, backup->path, O_RDONLY, true, ret_fd);

		if (r == 0)
			break;
		if (r != -ENOENT)
			return r;
		closep(&created_fd);
		created_fd = open(backup->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (created_fd < 0 && errno == EEXIST)
			continue;
		if (created_fd < 0)
			return cli_fail_errno(cli, -errno, "create", backup->path);
		if (fstat(created_fd, &created))
			return cli_fail_errno(cli, -errno, "stat", backup->path);
	}
	if (fstat(*ret_fd, ret_old))
		return cli_fail_errno(cli, -errno, "stat", backup->path);
	*ret_created = ret_old->st_ino == created.st_ino && ret_old->st_dev == created.st_dev;
	return 0;
}

/* From the snapshot to the file beside the image. */
static int make_part(struct backup *backup, const char *part, int part_fd, struct sidecar *note)
{
	_cleanup_close_ int source_fd = -1;
	int r;

	if (backup->fill_part)
		return backup->fill_part(backup, part_fd);
	if (signals_caught())
		return backup_fail_copy(backup, -EINTR, "copy");
	backup->uncertain = backup->snapshot.uncertain;
	if (backup->uncertain)
		cli_warn("%s: tracking is uncertain, this image can't be updated later: %s",
			 backup->snapshot.device,
			 backup->snapshot.reason ?: "no reason given");
	r = backup_open_source(backup, &source_fd);
	if (r == 0)
		r = backup->resume ? backup_fill_resumed(backup, part, source_fd, part_fd, note) :
		    fill_part(backup, source_fd, part_fd);
	if (r == 0 && backup->verify)
		r = backup_verify(backup, source_fd, part, part_fd);
	return r;
}

/* With the name locked. */
static int make_image(struct backup *backup, const struct stat *old, bool *ret_published)
{
	_cleanup_free_ char *part = NULL;
	_cleanup_close_ int part_fd = -1;
	struct sidecar note = {};
	int r;

	/* made before the snapshot: a directory that can't be written is found for free */
	r = backup->resume ? backup_open_part(backup, &part, &part_fd, &note) :
	    create_part(backup, old, &part, &part_fd);
	if (r == 0 && !backup->fill_part)
		r = backup_take_snapshot(backup);
	if (r == 0)
		r = make_part(backup, part, part_fd, &note);
	if (r == 0 && backup->resume) {
		keep_owner(part, part_fd, old);
		r = sidecar_remove(part);
		if (r < 0)
			r = cli_fail_errno(backup->cli, r, "remove the sidecar of", part);
	}
	if (r == 0)
		r = publish(backup, part, part_fd, ret_published);
	/* of what has taken the image's name, nothing of ours has this one any more */
	if (part && part_fd >= 0 && !*ret_published)
		leave_part(backup, part);
	return r;
}

int backup_full(struct backup *backup)
{
	_cleanup_close_ int old_fd = -1;
	bool is_created = false, is_published = false;
	struct stat old;
	int r;

	r = take_name(backup, &old, &is_created, &old_fd);
	if (r < 0)
		return r;
	r = make_image(backup, &old, &is_published);
	/* still locked, so nobody has taken it for an old image */
	if (is_created && !is_published && unlink(backup->path))
		cli_warn("%s is left over: %s", backup->path, strerror(errno));
	return r;
}
