// SPDX-License-Identifier: GPL-2.0-only
/*
 * What can be said to "backup", and what does it answer?
 */
#include <blkid/blkid.h>
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "args.h"
#include "backup.h"
#include "copy.h"

static const struct column columns[] = {
	{ "device",	"device",	COLUMN_TEXT, false },
	{ "image",	"image",	COLUMN_TEXT, false },
	{ "mode",	"mode",		COLUMN_TEXT, false },
	{ "size",	"size",		COLUMN_BYTES, false },
	{ "changed",	"changed_bytes", COLUMN_BYTES, false },
	{ "copied",	"copied_bytes",	COLUMN_BYTES, false },
	{ "kept",	"kept_bytes",	COLUMN_BYTES,	true },
	{ "time",	"duration_ns",	COLUMN_DURATION, false },
	{ "state",	"state",	COLUMN_TEXT, false },
	{ "reason",	"reason",	COLUMN_TEXT,	true },
	{ "read back",	"read_back",	COLUMN_TEXT, false },
	{ "snapshot",	"snapshot",	COLUMN_TEXT, false },
	{ "since",	"since",	COLUMN_COUNT, false },
	{}
};

static struct json_object *summary(const struct backup *backup, uint64_t duration_ns)
{
	const struct backup_snapshot *snapshot = &backup->snapshot;
	struct json_object *object = json_object_new_object();

	member_add_string(object, "device", snapshot->device);
	member_add_string(object, "image", backup->path);
	member_add_string(object, "mode", backup->since ? "incremental" : "full");
	member_add_number(object, "size", snapshot->size_bytes);
	member_add_number(object, "changed_bytes", backup->changed_bytes);
	member_add_number(object, "copied_bytes", backup->copied_bytes);
	if (backup->resume)
		member_add_number(object, "kept_bytes", backup->kept_bytes);
	member_add_number(object, "duration_ns", duration_ns);
	member_add_string(object, "state", backup->uncertain || backup->image_uncertain ?
			  "uncertain" : "verified");
	if (backup->image_uncertain && !backup->uncertain)
		member_add_string(object, "reason",
				  "an earlier update was made from a list that may have lacked writes");
	else
		member_add_string(object, "reason", snapshot->reason);
	/* null: nobody asked */
	json_object_object_add(object, "read_back",
			       backup->verified ? json_object_new_boolean(true) : NULL);
	member_add_string(object, "snapshot", snapshot->id);
	member_add_string(object, "generation", snapshot->generation);
	member_add_number(object, "since", snapshot->since);
	return object;
}

/* The whole disk of a device's number; 0 if there is none. */
static dev_t disk_of(dev_t device)
{
	dev_t disk;

	return blkid_devno_to_wholedisk(device, NULL, 0, &disk) ? 0 : disk;
}

/* Allowed, for it may be moved elsewhere later; but nobody should think it safe there. */
static void warn_of_same_disk(const struct backup *backup)
{
	_cleanup_free_ char *copy = strdup(backup->path);
	struct stat device, dir;
	dev_t disk;

	if (!copy || stat(backup->device, &device) || !S_ISBLK(device.st_mode) ||
	    stat(dirname(copy), &dir))
		return;
	disk = disk_of(device.st_rdev);
	if (disk && disk == disk_of(dir.st_dev))
		cli_warn("%s is on the disk that it is to be a backup of", backup->path);
}

/* Standard output is the stream's; what is said besides goes to standard error. */
static int prepare_stream(struct backup *backup)
{
	struct cli *cli = backup->cli;

	if (isatty(STDOUT_FILENO))
		return cli_usage(cli, "a backup is nothing for a terminal: redirect it to a file or pipe");
	if (backup->verify)
		return cli_usage(cli, "--verify is for images; whoever receives a stream verifies it");
	if (backup->since && !strcmp(backup->since, "image"))
		return cli_usage(cli, "the image is at the other end: name the epoch or checkpoint "
				 "since which it lacks changes");
	fflush(stdout);
	backup->stream_fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	if (backup->stream_fd < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
		return cli_fail_errno(cli, -errno, "open", "standard output");
	return 0;
}

int cmd_backup(struct cli *cli, int argc, char **argv)
{
	struct arg_number jobs = { .value = COPY_JOBS };
	_cleanup_(backup_done) struct backup backup = {
		.cli = cli, .stream_fd = -1,
	};
	_cleanup_json_ struct json_object *object = NULL;
	const struct arg_option options[] = {
		{ "since",	ARG_STRING,	&backup.since },
		{ "snapshot",	ARG_STRING,	&backup.snapshot_id },
		{ "storage",	ARG_STRING,	&backup.storage },
		{ "checkpoint",	ARG_STRING,	&backup.checkpoint },
		{ "keep",	ARG_FLAG,	&backup.keep },
		{ "verify",	ARG_FLAG,	&backup.verify },
		{ "accept-uncertain", ARG_FLAG,	&backup.accept_uncertain },
		{ "resume",	ARG_FLAG,	&backup.resume },
		{ "j|jobs",	ARG_NUMBER,	&jobs },
		{}
	};
	uint64_t start_ns = now_ns();
	char **args;
	int r;

	r = args_parse(cli, argc, argv, options, 2, 2, &args);
	if (r >= 0)
		r = output_check(cli, columns);
	if (r < 0)
		return r;
	if (backup.snapshot_id && (backup.storage || backup.checkpoint || backup.keep))
		return cli_usage(cli, "--storage, --checkpoint and --keep are about a new "
				 "snapshot, --snapshot names an existing one");
	if (backup.resume && (backup.since || !strcmp(args[1], "-")))
		return cli_usage(cli, "--resume is for a full backup to a file; an update that was "
				 "interrupted is repaired by the next one");
	if (backup.accept_uncertain && !backup.since)
		return cli_usage(cli, "--accept-uncertain needs --since");
	r = check_jobs(cli, &jobs, &backup.jobs);
	if (r < 0)
		return r;
	backup.device = args[0];
	backup.path = args[1];
	if (strcmp(backup.path, "-"))
		warn_of_same_disk(&backup);
	else
		r = prepare_stream(&backup);
	if (r == 0)
		r = backup_run(&backup);
	if (backup.stream_fd >= 0 && close(backup.stream_fd) && r == 0)
		r = cli_fail_errno(cli, -errno, "close", "standard output");
	if (r < 0)
		return r;
	object = summary(&backup, now_ns() - start_ns);
	if (cli->json) {
		output_json(object, true);
		return 0;
	}
	json_object_object_add(object, "read_back",
			       json_object_new_string(backup.verified ? "yes" : "-"));
	return output_object(cli, columns, object);
}
