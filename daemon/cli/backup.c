// SPDX-License-Identifier: GPL-2.0-only
/*
 * How does the content of a snapshot become a backup image?
 *
 * What full and incremental backups have in common.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "backup.h"
#include "copy.h"
#include "stream.h"
#include "signals.h"

int backup_progress(void *data, uint64_t done_bytes)
{
	struct backup *backup = data;

	progress_show(&backup->progress, done_bytes);
	return signals_caught() ? -EINTR : 0;
}

int backup_fail_copy(struct backup *backup, int r, const char *doing)
{
	struct json_object *members;

	progress_end(&backup->progress);
	if (r == -EINTR)
		return cli_fail(backup->cli, "Interrupted", NULL, "interrupted by signal %d (%s)",
				signals_caught(), strsignal(signals_caught()));
	members = json_object_new_object();
	member_add_string(members, "operation", doing);
	member_add_number(members, "errno", -r);
	member_add_string(members, "snapshot", backup->snapshot.id);
	return cli_fail(backup->cli, "SystemFailure", members, "%s from %s to %s: %s", doing,
			backup->snapshot.image, backup->path,
			r == -ENODATA ? "the snapshot's image ended too early" : strerror(-r));
}

int backup_open_source(struct backup *backup, int *ret_fd)
{
	const struct backup_snapshot *snapshot = &backup->snapshot;
	struct json_object *members;
	uint64_t size_bytes;
	int r;

	r = copy_open(snapshot->image, 0, ret_fd, &size_bytes);
	if (r < 0)
		return cli_fail_errno(backup->cli, r, "open", snapshot->image);
	if (size_bytes == snapshot->size_bytes)
		return backup_check_snapshot(backup);
	members = json_object_new_object();
	member_add_string(members, "device", snapshot->device);
	member_add_number(members, "expected", snapshot->size_bytes);
	member_add_number(members, "current", size_bytes);
	return cli_fail(backup->cli, "SizeChanged", members,
			"%s is of %" PRIu64 " bytes, but the snapshot of %" PRIu64,
			snapshot->image, size_bytes, snapshot->size_bytes);
}

int backup_verify(struct backup *backup, int source_fd, const char *path, int file_fd)
{
	struct copy copy = { .jobs = backup->jobs, .progress = backup_progress, .data = backup };
	_cleanup_close_ int again_fd = -1;
	struct json_object *members;
	uint64_t size_bytes, offset = 0;
	int r;

	/* from the disk, not from memory: the file is clean, it has been synced */
	posix_fadvise(file_fd, 0, 0, POSIX_FADV_DONTNEED);
	posix_fadvise(source_fd, 0, 0, POSIX_FADV_DONTNEED);
	r = copy_open(path, 0, &again_fd, &size_bytes);
	if (r < 0)
		return cli_fail_errno(backup->cli, r, "open", path);
	progress_start(&backup->progress, "verify", backup->snapshot.size_bytes);
	r = copy_compare(&copy, source_fd, again_fd, backup->snapshot.size_bytes, &offset);
	progress_end(&backup->progress);
	if (r < 0)
		return backup_fail_copy(backup, r, "compare");
	if (r == 0) {
		backup->verified = true;
		return 0;
	}
	members = json_object_new_object();
	member_add_string(members, "device", backup->snapshot.device);
	member_add_string(members, "path", backup->path);
	member_add_number(members, "offset", offset);
	return cli_fail(backup->cli, "VerificationFailed", members,
			"%s differs from the snapshot at byte %" PRIu64, backup->path, offset);
}

/* Before the sidecar says "complete": until then nobody looks at them. */
int backup_write_sums(struct backup *backup)
{
	int r;

	if (strlen(backup->snapshot.id) >= sizeof(backup->sums.snapshot))
		return cli_fail(backup->cli, "BadReply", NULL, "the snapshot's name is too long");
	strcpy(backup->sums.snapshot, backup->snapshot.id);
	r = sums_write(backup->path, &backup->sums);
	return r < 0 ? cli_fail_errno(backup->cli, r, "write the checksums of", backup->path) : 0;
}

/*
 * Another run may replace the file between opening and locking it, so look
 * again once it is locked.
 */
int backup_lock_image(struct cli *cli, const char *path, int flags, bool exclusive, int *ret_fd)
{
	struct json_object *members;

	for (;;) {
		struct stat opened, named;
		int fd, r;

		fd = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		if (fd < 0 && errno == ENOENT)
			return -ENOENT;
		if (fd < 0)
			return cli_fail_errno(cli, -errno, "open", path);
		if (fstat(fd, &opened) || !S_ISREG(opened.st_mode)) {
			close(fd);
			members = json_object_new_object();
			member_add_string(members, "path", path);
			return cli_fail(cli, "ImageInvalid", members, "%s is no regular file",
					path);
		}
		if (flock(fd, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB)) {
			r = -errno;
			close(fd);
			if (r != -EWOULDBLOCK)
				return cli_fail_errno(cli, r, "lock", path);
			members = json_object_new_object();
			member_add_string(members, "path", path);
			return cli_fail(cli, "ImageBusy", members, "%s is in use by another run",
					path);
		}
		if (stat(path, &named) == 0 && named.st_ino == opened.st_ino &&
		    named.st_dev == opened.st_dev) {
			*ret_fd = fd;
			return 0;
		}
		close(fd);
	}
}

int backup_run(struct backup *backup)
{
	int r, dropped;

	signals_catch();
	if (backup->stream_fd >= 0)
		r = backup_stream(backup);
	else
		r = backup->since ? backup_patch(backup) : backup_full(backup);
	progress_end(&backup->progress);
	dropped = backup_drop_snapshot(backup, r < 0);
	return r < 0 ? r : dropped;
}

void backup_done(struct backup *backup)
{
	struct backup_snapshot *snapshot = &backup->snapshot;

	free(snapshot->id);
	free(snapshot->device);
	free(snapshot->image);
	free(snapshot->generation);
	free(snapshot->reason);
	*snapshot = (struct backup_snapshot) {};
	sums_done(&backup->sums);
}
