// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is an image still the backup that was made?
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "args.h"
#include "backup.h"
#include "copy.h"
#include "output.h"
#include "signals.h"

static const struct column columns[] = {
	{ "image",	"image",	COLUMN_TEXT, false },
	{ "device",	"device",	COLUMN_TEXT, false },
	{ "size",	"size",		COLUMN_BYTES, false },
	{ "created",	"created_ns",	COLUMN_TIME, false },
	{ "since",	"since",	COLUMN_COUNT, false },
	{ "state",	"state",	COLUMN_TEXT, false },
	{ "time",	"duration_ns",	COLUMN_DURATION, false },
	{}
};

struct verify {
	struct cli *cli;
	const char *image;
	unsigned int jobs;
	struct progress progress;
};

static int show_progress(void *data, uint64_t done_bytes)
{
	struct verify *verify = data;

	progress_show(&verify->progress, done_bytes);
	return signals_caught() ? -EINTR : 0;
}

static int refuse(const struct verify *verify, const char *name, const char *reason)
{
	struct json_object *members = json_object_new_object();

	member_add_string(members, "path", verify->image);
	return cli_fail(verify->cli, name, members, "%s: %s", verify->image, reason);
}

static int compare(struct verify *verify, const struct sums *sums, int fd)
{
	struct copy copy = { .jobs = verify->jobs, .progress = show_progress, .data = verify };
	struct json_object *members;
	uint64_t offset;
	int r;

	signals_catch();
	progress_start(&verify->progress, "verify", sums->size_bytes);
	r = sums_compare(sums, &copy, fd, &offset);
	progress_end(&verify->progress);
	if (r == -EINTR)
		return cli_fail(verify->cli, "Interrupted", NULL, "interrupted by signal %d (%s)",
				signals_caught(), strsignal(signals_caught()));
	if (r < 0)
		return cli_fail_errno(verify->cli, r, "read", verify->image);
	if (r == 0)
		return 0;
	members = json_object_new_object();
	member_add_string(members, "path", verify->image);
	member_add_number(members, "offset", offset);
	return cli_fail(verify->cli, "ImageDamaged", members,
			"%s is damaged in the MiB at byte %" PRIu64, verify->image, offset);
}

static int run(struct verify *verify, struct sidecar *sidecar)
{
	_cleanup_close_ int lock_fd = -1, fd = -1;
	_cleanup_(sums_done) struct sums sums = {};
	uint64_t size_bytes;
	const char *reason;
	int r;

	r = backup_lock_image(verify->cli, verify->image, O_RDONLY, false, &lock_fd);
	if (r == -ENOENT)
		return cli_fail_errno(verify->cli, r, "open", verify->image);
	if (r < 0)
		return r;
	r = sidecar_read(verify->image, sidecar, &reason);
	if (r < 0)
		return refuse(verify, "ImageInvalid",
			      reason ?: r == -ENOENT ? "it has no sidecar" : strerror(-r));
	if (sidecar->state != SIDECAR_COMPLETE)
		return refuse(verify, "ImageIncomplete",
			      "an update of it did not end; an incremental backup repairs it");
	/* from the disk, not from memory, if the filesystem can do that */
	posix_fadvise(lock_fd, 0, 0, POSIX_FADV_DONTNEED);
	r = copy_open(verify->image, 0, &fd, &size_bytes);
	if (r < 0)
		return cli_fail_errno(verify->cli, r, "open", verify->image);
	if (size_bytes != sidecar->size_bytes)
		return refuse(verify, "ImageInvalid", "its size is not the one in its sidecar");
	r = sums_read(verify->image, &sums, &reason);
	if (r < 0)
		return refuse(verify, "ImageInvalid", r == -ENOENT ? "it has no checksums" : reason);
	if (strcmp(sums.snapshot, sidecar->snapshot) || sums.size_bytes != size_bytes)
		return refuse(verify, "ImageInvalid", "its checksums are of another backup");
	return compare(verify, &sums, fd);
}

int cmd_verify(struct cli *cli, int argc, char **argv)
{
	_cleanup_json_ struct json_object *object = NULL;
	struct arg_number jobs = { .value = COPY_JOBS };
	struct verify verify = { .cli = cli };
	const struct arg_option options[] = {
		{ "j|jobs", ARG_NUMBER, &jobs },
		{}
	};
	uint64_t start_ns = now_ns();
	struct sidecar sidecar;
	char **args;
	int r;

	r = args_parse(cli, argc, argv, options, 1, 1, &args);
	if (r >= 0)
		r = output_check(cli, columns);
	if (r >= 0)
		r = check_jobs(cli, &jobs, &verify.jobs);
	if (r < 0)
		return r;
	verify.image = args[0];
	r = run(&verify, &sidecar);
	if (r < 0)
		return r;
	object = json_object_new_object();
	member_add_string(object, "image", verify.image);
	member_add_string(object, "device", sidecar.device);
	member_add_number(object, "size", sidecar.size_bytes);
	member_add_string(object, "generation", sidecar.generation);
	member_add_number(object, "since", sidecar.since);
	member_add_number(object, "created_ns", sidecar.created_ns);
	member_add_string(object, "state", sidecar.uncertain ? "uncertain" : "verified");
	member_add_number(object, "duration_ns", now_ns() - start_ns);
	if (cli->json) {
		output_json(object, true);
		return 0;
	}
	return output_object(cli, columns, object);
}
