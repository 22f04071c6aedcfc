// SPDX-License-Identifier: GPL-2.0-only
/*
 * How does a full backup go on that was interrupted?
 *
 * The snapshot it was made from may be gone: that is no matter.  Of what was copied, only
 * blocks marked later than that snapshot's epoch differ from a new one, so these are copied
 * again, and the rest after them.  Until they are, the note stays as it is, so that a run
 * can be interrupted at any place and as often as it wants.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "backup.h"
#include "copy.h"
#include "signals.h"

uint64_t backup_segment_bytes = 256 << 20;

/* The note goes first: it must never speak of what has been emptied. */
static int start_anew(const char *part, int part_fd, struct sidecar *sidecar, const char *why)
{
	int r;

	if (why)
		cli_warn("%s can't be gone on with: %s; it starts anew", part, why);
	*sidecar = (struct sidecar) {};
	r = sidecar_remove(part);
	if (r == 0 && ftruncate(part_fd, 0))
		r = -errno;
	return r;
}

int backup_open_part(struct backup *backup, char **ret_path, int *ret_fd, struct sidecar *ret_sidecar)
{
	_cleanup_close_ int fd = -1;
	enum sidecar_match match;
	const char *reason;
	char *path;
	int r;

	if (asprintf(&path, "%s.part", backup->path) < 0)
		return cli_fail_errno(backup->cli, -ENOMEM, "create", backup->path);
	*ret_path = path;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd < 0)
		return cli_fail_errno(backup->cli, -errno, "create", path);
	if (flock(fd, LOCK_EX | LOCK_NB))
		return cli_fail_errno(backup->cli, -errno, "lock", path);
	*ret_fd = fd;
	fd = -1;
	r = sidecar_read(path, ret_sidecar, &reason);
	if (r == 0)
		r = sidecar_compare(ret_sidecar, *ret_fd, &match);
	if (r == -ENOENT)
		r = start_anew(path, *ret_fd, ret_sidecar, NULL);
	else if (r < 0)
		r = start_anew(path, *ret_fd, ret_sidecar, reason ?: strerror(-r));
	else if (ret_sidecar->state != SIDECAR_COPYING || match == SIDECAR_FOREIGN)
		r = start_anew(path, *ret_fd, ret_sidecar, "it is another file");
	return r < 0 ? cli_fail_errno(backup->cli, r, "empty", path) : 0;
}

/* Is what is there of this device and history?  If not it is worth nothing. */
static const char *why_not(const struct backup *backup, const struct sidecar *sidecar)
{
	const struct backup_snapshot *snapshot = &backup->snapshot;

	if (strcmp(snapshot->device, sidecar->device) ||
	    snapshot->disk_offset_bytes != sidecar->disk_offset_bytes ||
	    snapshot->size_bytes != sidecar->size_bytes)
		return "it is of another device";
	if (strcmp(snapshot->generation, sidecar->generation))
		return "the history of changes was broken";
	if (sidecar->since > snapshot->since)
		return "it is of a later snapshot";
	if (snapshot->uncertain)
		return "tracking is uncertain";
	return NULL;
}

static int note(struct backup *backup, const char *part, int part_fd, struct sidecar *sidecar,
		uint64_t done_bytes)
{
	int r = fdatasync(part_fd) ? -errno : 0;

	sidecar->done_bytes = done_bytes;
	if (r == 0)
		r = sidecar_identify(sidecar, part_fd);
	if (r == 0)
		r = sidecar_write(part, sidecar);
	return r < 0 ? cli_fail_errno(backup->cli, r, "write the sidecar of", part) : 0;
}

/* What was copied is brought to the new snapshot. */
static int catch_up(struct backup *backup, struct copy *copy, int source_fd, int part_fd,
		    const struct sidecar *sidecar)
{
	struct json_object *parameters = json_object_new_object();
	_cleanup_changes_ struct changes changes = {};
	int r;

	member_add_string(parameters, "device", backup->snapshot.device);
	member_add_string(parameters, "generation", sidecar->generation);
	member_add_number(parameters, "since", sidecar->since);
	r = changes_query(backup->cli, parameters, true, &changes);
	if (r < 0)
		return r;
	if (changes.uncertain || changes.size_bytes != sidecar->size_bytes ||
	    changes.since != sidecar->since)
		return cli_fail(backup->cli, "Uncertain", NULL, "%s.part can't be gone on with: %s; "
				"without --resume, a backup starts anew", backup->path,
				changes.reason ?: "the device has changed");
	for (size_t i = 0; r == 0 && i < changes.nr; i++) {
		const struct extent *e = &changes.extents[i];
		uint64_t end = e->offset_bytes + e->length_bytes;

		end = end < sidecar->done_bytes ? end : sidecar->done_bytes;
		if (e->offset_bytes >= end)
			break;
		r = copy_patch(copy, source_fd, part_fd, e->offset_bytes, end - e->offset_bytes);
	}
	return r < 0 ? backup_fail_copy(backup, r, "copy") : 0;
}

static int copy_rest(struct backup *backup, struct copy *copy, const char *part, int source_fd,
		     int part_fd, struct sidecar *sidecar)
{
	uint64_t size_bytes = sidecar->size_bytes, at = sidecar->done_bytes;
	int r = 0;

	copy->seen = sums_take;
	copy->seen_data = &backup->sums;
	copy->done_bytes = at;
	while (r == 0 && at < size_bytes) {
		uint64_t left = size_bytes - at;
		uint64_t length = left < backup_segment_bytes ? left : backup_segment_bytes;

		r = copy_new(copy, source_fd, part_fd, at, length);
		if (r < 0)
			return backup_fail_copy(backup, r, "copy");
		at += length;
		r = note(backup, part, part_fd, sidecar, at);
	}
	return r;
}

int backup_fill_resumed(struct backup *backup, const char *part, int source_fd, int part_fd,
			struct sidecar *sidecar)
{
	struct copy copy = { .jobs = backup->jobs };
	uint64_t size_bytes = backup->snapshot.size_bytes;
	const char *why = sidecar->size_bytes ? why_not(backup, sidecar) : NULL;
	int r = 0;

	if (why)
		r = start_anew(part, part_fd, sidecar, why);
	/* what lies beyond is of a segment that did not end; it is made zeros */
	if (r == 0 && (ftruncate(part_fd, sidecar->done_bytes) || ftruncate(part_fd, size_bytes)))
		r = -errno;
	if (r == 0)
		r = sums_make(size_bytes, &backup->sums);
	if (r < 0)
		return backup_fail_copy(backup, r, "copy");
	backup->kept_bytes = sidecar->done_bytes;
	copy.progress = backup_progress;
	copy.data = backup;
	progress_start(&backup->progress, "copy", size_bytes);
	if (sidecar->done_bytes) {
		r = catch_up(backup, &copy, source_fd, part_fd, sidecar);
		if (r == 0) {
			int error = sums_renew(&backup->sums, part_fd, 0, sidecar->done_bytes);

			r = error < 0 ? backup_fail_copy(backup, error, "copy") : 0;
		}
	}
	if (r < 0)
		return r;
	size_bytes = sidecar->done_bytes;
	if (backup_fill_sidecar(backup, sidecar) < 0)
		return cli_fail(backup->cli, "BadReply", NULL, "a name of the snapshot is too long");
	sidecar->state = SIDECAR_COPYING;
	r = note(backup, part, part_fd, sidecar, size_bytes);
	if (r == 0)
		r = copy_rest(backup, &copy, part, source_fd, part_fd, sidecar);
	progress_end(&backup->progress);
	backup->copied_bytes = copy.written_bytes;
	backup->changed_bytes = backup->snapshot.size_bytes;
	return r;
}
