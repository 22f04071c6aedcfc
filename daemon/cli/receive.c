// SPDX-License-Identifier: GPL-2.0-only
/*
 * How does a stream become an image, or a device, again?
 *
 * The laws are those of a backup that has the snapshot at hand: an image takes its name
 * when it is whole, and says "patching" before the first byte of it changes.  It may be
 * patched if it shows an epoch between the stream's base and its end: what changed up to
 * there is in the stream, and what the image has of later is not.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "copy.h"
#include "signals.h"
#include "stream.h"

static int fail(struct receive *receive, int r)
{
	struct json_object *members = json_object_new_object();

	progress_end(&receive->progress);
	member_add_string(members, "path", receive->target);
	if (r == -EINTR)
		return cli_fail(receive->cli, "Interrupted", members, "interrupted by signal %d (%s)",
				signals_caught(), strsignal(signals_caught()));
	if (r == -EBADMSG)
		return cli_fail(receive->cli, "ImageDamaged", members, "the stream: %s",
				receive->stream->fault);
	json_object_put(members);
	return cli_fail_errno(receive->cli, r, "write", receive->target);
}

static int keep_extent(struct changes *touched, const struct stream_record *record)
{
	struct extent *last = touched->nr ? &touched->extents[touched->nr - 1] : NULL;

	if (last && last->offset_bytes + last->length_bytes == record->offset) {
		last->length_bytes += record->length;
		return 0;
	}
	if (touched->nr == touched->room) {
		size_t room = touched->room ? touched->room * 2 : 1024;
		struct extent *extents = reallocarray(touched->extents, room, sizeof(*extents));

		if (!extents)
			return -ENOMEM;
		touched->extents = extents;
		touched->room = room;
	}
	touched->extents[touched->nr++] = (struct extent) {
		.offset_bytes = record->offset, .length_bytes = record->length,
	};
	return 0;
}

/* Writes all records; @touched may be NULL. */
static int apply(struct receive *receive, int fd, bool target_is_zero, struct changes *touched)
{
	_cleanup_free_ char *data = malloc(STREAM_DATA_MAX_BYTES);
	struct stream_record record;
	struct copy copy = {};
	int r = data ? 1 : -ENOMEM;

	progress_start(&receive->progress, "receive", receive->stream->head.size_bytes);
	while (r == 1) {
		r = signals_caught() ? -EINTR : stream_next(receive->stream, data, &record);
		if (r <= 0)
			break;
		r = 0;
		if (record.kind == STREAM_DATA)
			r = copy_write(&copy, fd, data, record.offset, record.length, target_is_zero);
		else if (!target_is_zero)
			r = copy_zeros(&copy, fd, record.offset, record.length);
		if (r == 0 && touched)
			r = keep_extent(touched, &record);
		if (receive->sums.crc)
			sums_feed(&receive->sums, record.offset,
				  record.kind == STREAM_DATA ? data : NULL, record.length);
		progress_show(&receive->progress, record.offset + record.length);
		r = r < 0 ? r : 1;
	}
	if (r == 0 && fsync(fd))
		r = -errno;
	receive->written_bytes = copy.written_bytes;
	progress_end(&receive->progress);
	return r;
}

/* The checksums are of what was sent, not of what was written. */
static int fill_part(struct backup *backup, int part_fd)
{
	struct receive *receive = backup->receive;
	uint64_t size_bytes = receive->stream->head.size_bytes;
	int r;

	r = sums_make(size_bytes, &receive->sums);
	if (r == 0 && ftruncate(part_fd, size_bytes))
		r = -errno;
	if (r == 0)
		r = apply(receive, part_fd, true, NULL);
	if (r < 0)
		return fail(receive, r);
	backup->sums = receive->sums;
	receive->sums = (struct sums) {};
	backup->uncertain = receive->stream->head.uncertain;
	return 0;
}

/* The stream's head in place of a snapshot. */
static int take_snapshot(struct backup *backup, const struct stream *stream)
{
	const struct sidecar *head = &stream->head;

	backup->snapshot = (struct backup_snapshot) {
		.id = strdup(head->snapshot), .device = strdup(head->device),
		.image = strdup("the stream"), .generation = strdup(head->generation),
		.disk_offset_bytes = head->disk_offset_bytes, .size_bytes = head->size_bytes,
		.since = head->since, .created_ns = head->created_ns, .uncertain = head->uncertain,
	};
	return backup->snapshot.id && backup->snapshot.device && backup->snapshot.image &&
	       backup->snapshot.generation ? 0 : -ENOMEM;
}

static int check_base(struct backup *backup, const struct sidecar *sidecar)
{
	const struct stream *stream = backup->receive->stream;
	int r = backup_check_device(backup, sidecar, stream->head.device, stream->head.generation,
				    stream->head.disk_offset_bytes, stream->head.size_bytes);

	if (r < 0)
		return r;
	if (stream->base > sidecar->since)
		return cli_fail(backup->cli, "SinceTooNew", NULL,
				"%s: the image is of epoch %" PRIu32 ", changes since %" PRIu64
				" would lack some", backup->path, sidecar->since, stream->base);
	if (sidecar->since > stream->head.since)
		return cli_fail(backup->cli, "SinceTooNew", NULL,
				"%s: the image is of epoch %" PRIu32 ", later than the stream's %" PRIu32,
				backup->path, sidecar->since, stream->head.since);
	return 0;
}

static int patch(struct backup *backup)
{
	struct receive *receive = backup->receive;
	const struct stream *stream = receive->stream;
	_cleanup_changes_ struct changes touched = {};
	_cleanup_close_ int image_fd = -1;
	char before[SIDECAR_ID_BYTES] = "";
	struct sidecar sidecar;
	int r;

	r = backup_open_image(backup, &image_fd, &sidecar);
	if (r == 0)
		r = check_base(backup, &sidecar);
	if (r < 0)
		return r;
	if (sidecar.state == SIDECAR_COMPLETE)
		strcpy(before, sidecar.snapshot);
	strcpy(sidecar.snapshot, stream->head.snapshot);
	sidecar.since = stream->base;
	sidecar.state = SIDECAR_PATCHING;
	sidecar.uncertain |= stream->head.uncertain;
	sidecar.created_ns = stream->head.created_ns;
	r = sidecar_write(backup->path, &sidecar);
	if (r < 0)
		return cli_fail_errno(backup->cli, r, "write the sidecar of", backup->path);
	r = apply(receive, image_fd, false, &touched);
	if (r < 0) {
		r = fail(receive, r);
		cli_warn("%s is left half updated; the same stream, whole, repairs it", backup->path);
		return r;
	}
	r = backup_renew_sums(backup, &sidecar, before, &touched, image_fd);
	if (r < 0)
		return r;
	sidecar.since = stream->head.since;
	sidecar.state = SIDECAR_COMPLETE;
	r = sidecar_identify(&sidecar, image_fd);
	if (r == 0)
		r = sidecar_write(backup->path, &sidecar);
	return r < 0 ? cli_fail_errno(backup->cli, r, "write the sidecar of", backup->path) : 0;
}

int receive_image(struct receive *receive)
{
	_cleanup_(backup_done) struct backup backup = {
		.cli = receive->cli, .path = receive->target, .jobs = receive->jobs,
		.receive = receive, .fill_part = fill_part,
	};
	int r = take_snapshot(&backup, receive->stream);

	if (r < 0)
		return cli_fail_errno(receive->cli, r, "read", "stream");
	return receive->stream->has_base ? patch(&backup) : backup_full(&backup);
}

static int show_progress(void *data, uint64_t done_bytes)
{
	struct receive *receive = data;

	progress_show(&receive->progress, done_bytes);
	return signals_caught() ? -EINTR : 0;
}

int receive_device(struct receive *receive, int fd)
{
	struct copy copy = { .jobs = receive->jobs, .progress = show_progress, .data = receive };
	_cleanup_close_ int again_fd = -1;
	uint64_t size_bytes, offset;
	struct json_object *members;
	int r;

	r = sums_make(receive->stream->head.size_bytes, &receive->sums);
	if (r == 0)
		r = apply(receive, fd, false, NULL);
	if (r < 0) {
		r = fail(receive, r);
		cli_warn("%s is half written", receive->target);
		return r;
	}
	/* what memory still holds proves nothing about the device */
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	r = copy_open(receive->target, 0, &again_fd, &size_bytes);
	if (r < 0)
		return cli_fail_errno(receive->cli, r, "open", receive->target);
	progress_start(&receive->progress, "read back", receive->sums.size_bytes);
	r = sums_compare(&receive->sums, &copy, again_fd, &offset);
	progress_end(&receive->progress);
	if (r <= 0)
		return r < 0 ? fail(receive, r) : 0;
	members = json_object_new_object();
	member_add_string(members, "device", receive->target);
	member_add_number(members, "offset", offset);
	return cli_fail(receive->cli, "VerificationFailed", members,
			"%s differs from the stream in the MiB at byte %" PRIu64, receive->target,
			offset);
}
