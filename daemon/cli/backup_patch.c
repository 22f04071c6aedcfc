// SPDX-License-Identifier: GPL-2.0-only
/*
 * How is an image brought up to date?
 *
 * While it is patched, its sidecar says "patching" and keeps a "since" from
 * which all that may be wrong in it can be found again.  A crash leaves an
 * image that can't be restored, and that the next run repairs.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "args.h"
#include "backup.h"
#include "copy.h"
#include "signals.h"

static struct json_object *members_of(const struct backup *backup, const struct sidecar *sidecar)
{
	struct json_object *members = json_object_new_object();

	member_add_string(members, "device", sidecar->device);
	member_add_string(members, "path", backup->path);
	return members;
}

static int refuse_changed(struct backup *backup, const struct sidecar *sidecar, const char *name,
			  const char *expected, const char *current, const char *reason)
{
	struct json_object *members = members_of(backup, sidecar);

	member_add_string(members, "expected", expected);
	member_add_string(members, "current", current);
	return cli_fail(backup->cli, name, members, "%s: %s (%s, now %s); take a full backup",
			backup->path, reason, expected, current);
}

/*
 * Is the image as its last backup left it?  What others wrote to it is in no change
 * list.  Where only its name or mode may have changed, a comparison of all bytes
 * afterwards makes up for the doubt.
 */
static int check_untouched(struct backup *backup, const struct sidecar *sidecar, int image_fd)
{
	enum sidecar_match match;
	const char *what = NULL;
	int r;

	if (sidecar->state == SIDECAR_PATCHING)
		return 0;
	r = sidecar_compare(sidecar, image_fd, &match);
	if (r < 0)
		return cli_fail_errno(backup->cli, r, "stat", backup->path);
	switch (match) {
	case SIDECAR_SAME:
		return 0;
	case SIDECAR_TOUCHED:
		if (backup->verify)
			return 0;
		return cli_fail(backup->cli, "ImageInvalid", members_of(backup, sidecar),
				"%s was renamed, copied or changed in mode since its last backup; "
				"update it with --verify, or take a full backup", backup->path);
	case SIDECAR_WRITTEN:
		what = "others have written to it";
		break;
	case SIDECAR_FOREIGN:
		what = "it is not the file";
		break;
	}
	return cli_fail(backup->cli, "ImageInvalid", members_of(backup, sidecar),
			"%s: %s since its last backup; take a full backup", backup->path, what);
}

int backup_open_image(struct backup *backup, int *ret_fd, struct sidecar *ret_sidecar)
{
	struct cli *cli = backup->cli;
	struct json_object *members;
	uint64_t size_bytes;
	const char *reason;
	int r;

	r = backup_lock_image(cli, backup->path, O_RDWR, true, ret_fd);
	if (r == -ENOENT)
		return cli_fail_errno(cli, r, "open", backup->path);
	if (r < 0)
		return r;
	r = sidecar_read(backup->path, ret_sidecar, &reason);
	if (r < 0) {
		members = json_object_new_object();
		member_add_string(members, "path", backup->path);
		return cli_fail(cli, "ImageInvalid", members,
				"%s%s: %s; take a full backup", backup->path, SIDECAR_SUFFIX,
				reason ?: strerror(-r));
	}
	if (ret_sidecar->state == SIDECAR_COPYING)
		return cli_fail(cli, "ImageIncomplete", members_of(backup, ret_sidecar),
				"%s has not been copied to its end", backup->path);
	r = copy_size(*ret_fd, &size_bytes);
	if (r < 0)
		return cli_fail_errno(cli, r, "stat", backup->path);
	if (size_bytes != ret_sidecar->size_bytes)
		return cli_fail(cli, "ImageInvalid", members_of(backup, ret_sidecar),
				"%s is of %" PRIu64 " bytes, but its sidecar says %" PRIu64,
				backup->path, size_bytes, ret_sidecar->size_bytes);
	return check_untouched(backup, ret_sidecar, *ret_fd);
}

/* The law in backup.h. */
static int check_since(struct backup *backup, const struct sidecar *sidecar, uint64_t since)
{
	struct json_object *members;

	if (since <= sidecar->since &&
	    (!backup->snapshot.id || since <= backup->snapshot.since))
		return 0;
	members = members_of(backup, sidecar);
	member_add_number(members, "since", since);
	if (since <= sidecar->since) {
		member_add_number(members, "current", backup->snapshot.since);
		return cli_fail(backup->cli, "SinceTooNew", members,
				"%s: the snapshot is of epoch %" PRIu64 ", older than %" PRIu64,
				backup->path, backup->snapshot.since, since);
	}
	member_add_number(members, "current", sidecar->since);
	return cli_fail(backup->cli, "SinceTooNew", members,
			"%s: the image is of epoch %" PRIu32 ", changes since %" PRIu64
			" would lack some", backup->path, sidecar->since, since);
}

static int check_state(struct backup *backup, const struct sidecar *sidecar, bool uncertain,
		       const char *reason)
{
	if (!uncertain || backup->uncertain)	/* said already */
		return 0;
	backup->uncertain = true;
	if (!backup->accept_uncertain)
		return cli_fail(backup->cli, "Uncertain", members_of(backup, sidecar),
				"%s: the change list may lack writes: %s; take a full backup",
				sidecar->device, reason ?: "no reason given");
	cli_warn("%s: going on with a change list that may lack writes: %s", sidecar->device,
		 reason ?: "no reason given");
	return 0;
}

/* Whether the device is still the one in the image. */
int backup_check_device(struct backup *backup, const struct sidecar *sidecar, const char *device,
			const char *generation, uint64_t disk_offset_bytes, uint64_t size_bytes)
{
	char expected[24], current[24];

	if (strcmp(generation, sidecar->generation))
		return refuse_changed(backup, sidecar, "GenerationChanged", sidecar->generation,
				      generation, "the history of changes was broken");
	/* a generation is a whole disk's, so two partitions share it */
	if (strcmp(device, sidecar->device))
		return refuse_changed(backup, sidecar, "ImageInvalid", sidecar->device, device,
				      "the image is of another device");
	/* a partition that moved keeps its name, its generation and perhaps its size */
	if (disk_offset_bytes != sidecar->disk_offset_bytes) {
		snprintf(expected, sizeof(expected), "%" PRIu64, sidecar->disk_offset_bytes);
		snprintf(current, sizeof(current), "%" PRIu64, disk_offset_bytes);
		return refuse_changed(backup, sidecar, "DeviceChanged", expected, current,
				      "the device is at another place of its disk");
	}
	if (size_bytes != sidecar->size_bytes) {
		snprintf(expected, sizeof(expected), "%" PRIu64, sidecar->size_bytes);
		snprintf(current, sizeof(current), "%" PRIu64, size_bytes);
		return refuse_changed(backup, sidecar, "SizeChanged", expected, current,
				      "the size of the device has changed");
	}
	return 0;
}

static int list_changes(struct backup *backup, const struct sidecar *sidecar, bool all,
			struct changes *ret)
{
	struct json_object *parameters = json_object_new_object();
	const char *device = backup->snapshot.device ?: backup->device;
	uint64_t asked;
	int r;

	member_add_string(parameters, "device", device);
	member_add_string(parameters, "generation", sidecar->generation);
	if (strcmp(backup->since, "image"))
		add_since(parameters, backup->since);
	else
		member_add_number(parameters, "since", sidecar->since);
	if (!all)
		member_add_number(parameters, "max", 1);
	if (!member_number(parameters, "since", &asked))
		asked = UINT64_MAX;
	r = changes_query(backup->cli, parameters, all, ret);
	if (r < 0)
		return r;
	if (asked != UINT64_MAX && ret->since != asked)
		return cli_fail(backup->cli, "BadReply", NULL,
				"the daemon listed changes since another epoch");
	r = backup_check_device(backup, sidecar, ret->device, ret->generation,
				ret->disk_offset_bytes, ret->size_bytes);
	if (r == 0)
		r = check_since(backup, sidecar, ret->since);
	return r;
}

/* What can be refused is refused before writes are held for a snapshot. */
static int look_ahead(struct backup *backup, const struct sidecar *sidecar)
{
	_cleanup_changes_ struct changes changes = {};
	uint64_t epoch;
	int r = 0;

	if (parse_number(backup->since, &epoch) == 0)
		r = check_since(backup, sidecar, epoch);
	if (r == 0)
		r = list_changes(backup, sidecar, false, &changes);
	if (r == 0 && changes.uncertain && !backup->accept_uncertain)
		r = check_state(backup, sidecar, true, changes.reason);
	return r;
}

/*
 * The checksums of what was not touched are those of the image's last backup.  While it is
 * patched its sidecar names the new snapshot already, and both are of use: what differs
 * between them is patched again.  Where there are none, they are taken from the image.
 */
int backup_renew_sums(struct backup *backup, const struct sidecar *sidecar, const char *before,
		      const struct changes *changes, int image_fd)
{
	const char *reason;
	bool is_of_image;
	int r;

	r = sums_read(backup->path, &backup->sums, &reason);
	is_of_image = r == 0 && backup->sums.size_bytes == sidecar->size_bytes &&
		      (!*before || !strcmp(backup->sums.snapshot, before));
	if (is_of_image) {
		for (size_t i = 0; r == 0 && i < changes->nr; i++)
			r = sums_renew(&backup->sums, image_fd, changes->extents[i].offset_bytes,
				       changes->extents[i].length_bytes);
	} else {
		if (r != -ENOENT)
			cli_warn("%s: its checksums are of no use, and are made anew from the image",
				 backup->path);
		sums_done(&backup->sums);
		r = sums_make(sidecar->size_bytes, &backup->sums);
		if (r == 0)
			r = sums_renew(&backup->sums, image_fd, 0, sidecar->size_bytes);
	}
	if (r < 0)
		return cli_fail_errno(backup->cli, r, "take the checksums of", backup->path);
	return backup_write_sums(backup);
}

static int apply(struct backup *backup, const struct changes *changes, int source_fd, int image_fd)
{
	struct copy copy = { .jobs = backup->jobs, .progress = backup_progress, .data = backup };
	int r = signals_caught() ? -EINTR : 0;

	progress_start(&backup->progress, "copy", changes->changed_bytes);
	for (size_t i = 0; r == 0 && i < changes->nr; i++)
		r = copy_patch(&copy, source_fd, image_fd, changes->extents[i].offset_bytes,
			       changes->extents[i].length_bytes);
	if (r == 0 && fsync(image_fd))
		r = -errno;
	progress_end(&backup->progress);
	backup->changed_bytes = changes->changed_bytes;
	backup->copied_bytes = copy.written_bytes;
	if (r < 0) {
		r = backup_fail_copy(backup, r, "copy");
		cli_warn("%s is left half updated; the next run with --since image repairs it",
			 backup->path);
	}
	return r;
}

/*
 * A comparison that failed says that the change list lacked something.  No
 * later list can repair that, so nobody may take this image for one.
 */
static int verify(struct backup *backup, int source_fd, int image_fd)
{
	int r = backup_verify(backup, source_fd, backup->path, image_fd), removed;

	if (r == 0 || strcmp(json_object_get_string(
	    json_object_object_get(backup->cli->error, "name")), "VerificationFailed"))
		return r;
	removed = sidecar_remove(backup->path);
	if (removed < 0)
		cli_warn("%s%s can't be removed: %s", backup->path, SIDECAR_SUFFIX,
			 strerror(-removed));
	else
		cli_warn("%s has lost its sidecar; take a full backup", backup->path);
	return r;
}

static int update(struct backup *backup, struct sidecar *sidecar, const struct changes *changes,
		  int source_fd, int image_fd)
{
	const struct backup_snapshot *snapshot = &backup->snapshot;
	char before[SIDECAR_ID_BYTES] = "";
	int r;

	if (sidecar->state == SIDECAR_COMPLETE)
		strcpy(before, sidecar->snapshot);
	if (strlen(snapshot->id) >= sizeof(sidecar->snapshot))
		return cli_fail(backup->cli, "BadReply", NULL, "the snapshot's name is too long");
	strcpy(sidecar->snapshot, snapshot->id);
	/* earlier than the sidecar's own, if the user asked for that */
	sidecar->since = changes->since;
	sidecar->state = SIDECAR_PATCHING;
	sidecar->uncertain |= backup->uncertain;
	sidecar->created_ns = snapshot->created_ns;
	r = sidecar_write(backup->path, sidecar);
	if (r < 0)
		return cli_fail_errno(backup->cli, r, "write the sidecar of", backup->path);
	r = apply(backup, changes, source_fd, image_fd);
	if (r == 0 && backup->verify)
		r = verify(backup, source_fd, image_fd);
	if (r == 0)
		r = backup_renew_sums(backup, sidecar, before, changes, image_fd);
	if (r < 0)
		return r;
	r = sidecar_identify(sidecar, image_fd);
	if (r < 0)
		return cli_fail_errno(backup->cli, r, "stat", backup->path);
	sidecar->since = snapshot->since;
	sidecar->state = SIDECAR_COMPLETE;
	if (backup->verified)
		sidecar->uncertain = false;
	backup->image_uncertain = sidecar->uncertain;
	r = sidecar_write(backup->path, sidecar);
	return r < 0 ? cli_fail_errno(backup->cli, r, "write the sidecar of", backup->path) : 0;
}

int backup_patch(struct backup *backup)
{
	const struct backup_snapshot *snapshot = &backup->snapshot;
	_cleanup_close_ int image_fd = -1, source_fd = -1;
	_cleanup_changes_ struct changes changes = {};
	struct sidecar sidecar;
	int r;

	r = backup_open_image(backup, &image_fd, &sidecar);
	if (r == 0)
		r = look_ahead(backup, &sidecar);
	if (r == 0)
		r = backup_take_snapshot(backup);
	if (r == 0 && signals_caught())
		r = backup_fail_copy(backup, -EINTR, "copy");
	if (r == 0)
		r = backup_check_device(backup, &sidecar, snapshot->device, snapshot->generation,
					snapshot->disk_offset_bytes, snapshot->size_bytes);
	if (r == 0)
		r = check_state(backup, &sidecar, snapshot->uncertain, snapshot->reason);
	if (r == 0)
		r = list_changes(backup, &sidecar, true, &changes);
	if (r == 0)
		r = check_state(backup, &sidecar, changes.uncertain, changes.reason);
	if (r == 0)
		r = backup_open_source(backup, &source_fd);
	if (r == 0)
		r = update(backup, &sidecar, &changes, source_fd, image_fd);
	return r;
}
