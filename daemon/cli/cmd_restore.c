// SPDX-License-Identifier: GPL-2.0-only
/*
 * How does an image become the content of a device again?
 *
 * Everything that can be refused is, before the first byte is written.  What
 * was written is read back and compared.
 */
#include <blkid/blkid.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "args.h"
#include "backup.h"
#include "copy.h"
#include "output.h"
#include "signals.h"
#include "stream.h"

struct restore {
	struct cli *cli;
	const char *image;
	const char *target;
	bool accept_image;
	bool force;
	bool overwrite;
	unsigned int jobs;
	char snapshot[SIDECAR_ID_BYTES];
	uint64_t size_bytes;
	uint64_t written_bytes;
	bool checked;
	bool read_back;
	struct progress progress;
};

static const struct column columns[] = {
	{ "image",	"image",	COLUMN_TEXT, false },
	{ "device",	"device",	COLUMN_TEXT, false },
	{ "size",	"size",		COLUMN_BYTES, false },
	{ "copied",	"copied_bytes",	COLUMN_BYTES, false },
	{ "time",	"duration_ns",	COLUMN_DURATION, false },
	{ "checked",	"checked_text",	COLUMN_TEXT, false },
	{ "read back",	"read_back_text", COLUMN_TEXT, false },
	{}
};

static int show_progress(void *data, uint64_t done_bytes)
{
	struct restore *restore = data;

	progress_show(&restore->progress, done_bytes);
	return signals_caught() ? -EINTR : 0;
}

static int refuse(struct restore *restore, const char *name, const char *path, const char *reason)
{
	struct json_object *members = json_object_new_object();

	member_add_string(members, "path", path);
	return cli_fail(restore->cli, name, members, "%s: %s", path, reason);
}

static struct json_object *target_member(const struct restore *restore)
{
	struct json_object *members = json_object_new_object();

	member_add_string(members, "path", restore->target);
	return members;
}

static void free_probe(blkid_probe *probe)
{
	if (*probe)
		blkid_free_probe(*probe);
}

static int fail_copy(struct restore *restore, int r, const char *doing)
{
	progress_end(&restore->progress);
	if (r != -EINTR)
		return cli_fail_errno(restore->cli, r, doing, restore->target);
	cli_warn("%s is half written", restore->target);
	return cli_fail(restore->cli, "Interrupted", NULL, "interrupted by signal %d (%s)",
			signals_caught(), strsignal(signals_caught()));
}

/* A defect of the image: refused, or told and accepted. */
static int mind(struct restore *restore, const char *name, const char *defect)
{
	if (!restore->accept_image)
		return refuse(restore, name, restore->image, defect);
	cli_warn("%s: going on although %s", restore->image, defect);
	return 0;
}

/* Whether the file is what the sidecar speaks of.  Copies are, and are no news. */
static int check_untouched(struct restore *restore, const struct sidecar *sidecar, int image_fd)
{
	enum sidecar_match match;
	int r;

	r = sidecar_compare(sidecar, image_fd, &match);
	if (r < 0)
		return cli_fail_errno(restore->cli, r, "stat", restore->image);
	if (match == SIDECAR_WRITTEN)
		return mind(restore, "ImageInvalid", "others have written to it since its backup");
	if (match == SIDECAR_FOREIGN)
		cli_warn("%s is a copy of another time than the backup; whether it was changed "
			 "is not known", restore->image);
	return 0;
}

static int check_image(struct restore *restore, int image_fd)
{
	struct sidecar sidecar;
	const char *reason;
	int r;

	r = sidecar_read(restore->image, &sidecar, &reason);
	if (r < 0)
		return mind(restore, "ImageInvalid",
			    reason ?: r == -ENOENT ? "it has no sidecar" : strerror(-r));
	r = 0;
	if (sidecar.size_bytes != restore->size_bytes)
		r = mind(restore, "ImageInvalid", "its size is not the one in its sidecar");
	if (r == 0 && sidecar.state != SIDECAR_COMPLETE)
		r = mind(restore, "ImageIncomplete",
			 "an update of it did not end; an incremental backup repairs it");
	else if (r == 0)
		r = check_untouched(restore, &sidecar, image_fd);
	strcpy(restore->snapshot, sidecar.snapshot);
	if (r == 0 && sidecar.uncertain)
		cli_warn("%s was made from change lists that may have lacked writes",
			 restore->image);
	return r;
}

/* The image is read once more than it would have to be, before it is too late. */
static int check_sums(struct restore *restore, int image_fd)
{
	_cleanup_(sums_done) struct sums sums = {};
	struct copy copy = { .jobs = restore->jobs, .progress = show_progress, .data = restore };
	const char *reason;
	uint64_t offset;
	char text[80];
	int r;

	r = sums_read(restore->image, &sums, &reason);
	if (r < 0 || strcmp(sums.snapshot, restore->snapshot) ||
	    sums.size_bytes != restore->size_bytes) {
		cli_warn("%s: whether it is damaged is not known: %s", restore->image,
			 r == -ENOENT ? "it has no checksums" :
			 r < 0 ? reason : "its checksums are of another backup");
		return 0;
	}
	progress_start(&restore->progress, "check", restore->size_bytes);
	r = sums_compare(&sums, &copy, image_fd, &offset);
	progress_end(&restore->progress);
	if (r < 0)
		return fail_copy(restore, r, "check");
	if (r == 0) {
		restore->checked = true;
		return 0;
	}
	snprintf(text, sizeof(text), "it is damaged in the MiB at byte %" PRIu64, offset);
	return mind(restore, "ImageDamaged", text);
}

static int open_image(struct restore *restore, int *ret_fd)
{
	struct cli *cli = restore->cli;
	int r;

	r = backup_lock_image(cli, restore->image, O_RDONLY, false, ret_fd);
	if (r == -ENOENT)
		return cli_fail_errno(cli, r, "open", restore->image);
	if (r < 0)
		return r;
	r = copy_size(*ret_fd, &restore->size_bytes);
	if (r < 0)
		return cli_fail_errno(cli, r, "stat", restore->image);
	return check_image(restore, *ret_fd);
}

/* The whole disk that a path is, or is a partition of; 0 if it is neither. */
static dev_t whole_disk(const char *path)
{
	struct stat st;
	dev_t disk;

	if (stat(path, &st) || !S_ISBLK(st.st_mode))
		return 0;
	return blkid_devno_to_wholedisk(st.st_rdev, NULL, 0, &disk) ? st.st_rdev : disk;
}

static int check_attached(struct restore *restore)
{
	_cleanup_json_ struct json_object *reply = NULL;
	dev_t disk = whole_disk(restore->target);
	struct json_object *devices;
	const char *name;

	/* no daemon: nobody to be surprised */
	if (!disk || cli_try_call(restore->cli, "ListDevices", NULL, &reply) < 0)
		return 0;
	devices = json_object_object_get(reply, "devices");
	if (!json_object_is_type(devices, json_type_array))
		return 0;
	for (size_t i = 0; i < json_object_array_length(devices); i++) {
		if (member_string(json_object_array_get_idx(devices, i), "device", &name) &&
		    whole_disk(name) == disk)
			return refuse(restore, "DeviceBusy", restore->target,
				      "it is attached; detach it, or use --force");
	}
	return 0;
}

static int check_size(struct restore *restore, int fd)
{
	uint64_t size_bytes;
	struct stat st;
	int r;

	r = copy_size(fd, &size_bytes);
	if (r == 0 && fstat(fd, &st))
		r = -errno;
	if (r == -ENOTBLK)
		return refuse(restore, "DeviceUnsupported", restore->target,
			      "it is neither a block device nor a regular file");
	if (r < 0)
		return cli_fail_errno(restore->cli, r, "stat", restore->target);
	if (size_bytes >= restore->size_bytes)
		return 0;
	if (S_ISREG(st.st_mode) && ftruncate(fd, restore->size_bytes) == 0)
		return 0;
	return refuse(restore, "SizeChanged", restore->target, "it is smaller than the image");
}

/* O_EXCL: refuses a device that is mounted, or used by a device above it. */
static int open_target(struct restore *restore, int image_fd, int *ret_fd)
{
	struct stat image, target;
	int flags = O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

	if (stat(restore->target, &target))
		return cli_fail_errno(restore->cli, -errno, "open", restore->target);
	if (image_fd >= 0 && fstat(image_fd, &image) == 0 && image.st_ino == target.st_ino &&
	    image.st_dev == target.st_dev)
		return cli_usage(restore->cli, "the image and the target are the same file");
	if (S_ISBLK(target.st_mode))
		flags |= O_EXCL;
	*ret_fd = open(restore->target, flags);
	if (*ret_fd < 0 && errno == EBUSY)
		return refuse(restore, "DeviceBusy", restore->target, "it is mounted or in use");
	if (*ret_fd < 0)
		return cli_fail_errno(restore->cli, -errno, "open", restore->target);
	return check_size(restore, *ret_fd);
}

/* What would be lost, of a device that is not the one that the image is of. */
static int check_content(struct restore *restore, int fd)
{
	_cleanup_(free_probe) blkid_probe probe = NULL;
	char what[128] = "something that has a name";
	const char *type = NULL;
	struct stat st;

	if (restore->overwrite || fstat(fd, &st) || !S_ISBLK(st.st_mode))
		return 0;
	probe = blkid_new_probe();
	if (!probe || blkid_probe_set_device(probe, fd, 0, 0))
		return cli_fail_errno(restore->cli, -ENOMEM, "look at", restore->target);
	blkid_probe_enable_superblocks(probe, true);
	blkid_probe_enable_partitions(probe, true);
	if (blkid_do_safeprobe(probe) == 1)	/* nothing was found */
		return 0;
	if (blkid_probe_lookup_value(probe, "TYPE", &type, NULL) == 0)
		snprintf(what, sizeof(what), "%s", type);
	else if (blkid_probe_lookup_value(probe, "PTTYPE", &type, NULL) == 0)
		snprintf(what, sizeof(what), "a partition table (%s)", type);
	return cli_fail(restore->cli, "DeviceBusy", target_member(restore),
			"%s: it holds %s; use --overwrite if that is to be lost", restore->target,
			what);
}

static int write_target(struct restore *restore, int image_fd, int target_fd)
{
	struct copy copy = { .progress = show_progress, .data = restore };
	int r;

	progress_start(&restore->progress, "restore", restore->size_bytes);
	r = copy_expand(&copy, image_fd, target_fd, restore->size_bytes);
	if (r == 0 && fsync(target_fd))
		r = -errno;
	progress_end(&restore->progress);
	restore->written_bytes = copy.written_bytes;
	return r < 0 ? fail_copy(restore, r, "write") : 0;
}

static int read_back(struct restore *restore, int image_fd, int target_fd)
{
	struct copy copy = { .jobs = restore->jobs, .progress = show_progress, .data = restore };
	_cleanup_close_ int again_fd = -1;
	struct json_object *members;
	uint64_t size_bytes, offset;
	int r;

	/* what memory still holds proves nothing about the device */
	posix_fadvise(target_fd, 0, 0, POSIX_FADV_DONTNEED);
	r = copy_open(restore->target, 0, &again_fd, &size_bytes);
	if (r < 0)
		return cli_fail_errno(restore->cli, r, "open", restore->target);
	progress_start(&restore->progress, "read back", restore->size_bytes);
	r = copy_compare(&copy, image_fd, again_fd, restore->size_bytes, &offset);
	progress_end(&restore->progress);
	if (r < 0)
		return fail_copy(restore, r, "read back");
	if (r == 0) {
		restore->read_back = true;
		return 0;
	}
	members = json_object_new_object();
	member_add_string(members, "device", restore->target);
	member_add_number(members, "offset", offset);
	return cli_fail(restore->cli, "VerificationFailed", members,
			"%s differs from the image at byte %" PRIu64, restore->target, offset);
}

/*
 * Is the image a stream?  Standard input is nothing else; of a file its first bytes tell.
 */
static int open_stream(struct restore *restore, struct stream *stream, int *ret_fd)
{
	char start[sizeof(STREAM_MAGIC) - 1];
	int r;

	if (!strcmp(restore->image, "-")) {
		if (isatty(STDIN_FILENO))
			return cli_usage(restore->cli, "a terminal is no backup");
		*ret_fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	} else {
		*ret_fd = open(restore->image, O_RDONLY | O_CLOEXEC | O_NOCTTY);
		if (*ret_fd >= 0 && (pread(*ret_fd, start, sizeof(start), 0) != sizeof(start) ||
				     !stream_is(start)))
			return 0;
	}
	if (*ret_fd < 0)
		return strcmp(restore->image, "-") ? 0 :	/* others find the words for it */
		       cli_fail_errno(restore->cli, -errno, "read", "standard input");
	r = stream_open(stream, *ret_fd);
	if (r == -EBADMSG)
		return refuse(restore, "ImageDamaged", restore->image, stream->fault);
	if (r < 0)
		return cli_fail_errno(restore->cli, r, "read", restore->image);
	restore->size_bytes = stream->head.size_bytes;
	return 1;
}

static int receive_to_device(struct restore *restore, struct receive *receive)
{
	_cleanup_close_ int target_fd = -1;
	int r;

	if (receive->stream->has_base)
		return cli_fail(restore->cli, "DeviceUnsupported", target_member(restore),
				"%s: whether a device shows the epoch that the stream goes on from is "
				"not known; bring an image up to date with it, and restore that",
				restore->target);
	r = restore->force ? 0 : check_attached(restore);
	if (r == 0)
		r = open_target(restore, -1, &target_fd);
	if (r == 0)
		r = check_content(restore, target_fd);
	if (r == 0)
		r = receive_device(receive, target_fd);
	restore->read_back = r == 0;
	return r;
}

static int run_stream(struct restore *restore, struct stream *stream)
{
	struct receive receive = {
		.cli = restore->cli, .stream = stream, .target = restore->target,
		.jobs = restore->jobs,
	};
	struct stat st;
	int r;

	signals_catch();
	if (stream->head.uncertain)
		cli_warn("the stream was made while writes may have been missed: %s",
			 stream->reason ?: "no reason given");
	if (stat(restore->target, &st) == 0 && S_ISBLK(st.st_mode))
		r = receive_to_device(restore, &receive);
	else
		r = receive_image(&receive);
	restore->written_bytes = receive.written_bytes;
	restore->checked = r == 0;
	sums_done(&receive.sums);
	return r;
}

static int run_image(struct restore *restore)
{
	_cleanup_close_ int image_fd = -1, target_fd = -1;
	int r;

	r = open_image(restore, &image_fd);
	if (r == 0 && !restore->force)
		r = check_attached(restore);
	if (r == 0)
		r = open_target(restore, image_fd, &target_fd);
	if (r == 0)
		r = check_content(restore, target_fd);
	if (r < 0)
		return r;
	signals_catch();
	if (*restore->snapshot)
		r = check_sums(restore, image_fd);
	if (r < 0)
		return r;
	r = write_target(restore, image_fd, target_fd);
	return r < 0 ? r : read_back(restore, image_fd, target_fd);
}

static int run(struct restore *restore)
{
	_cleanup_(stream_done) struct stream stream = {};
	_cleanup_close_ int stream_fd = -1;
	int r = open_stream(restore, &stream, &stream_fd);

	if (r == 0)
		return run_image(restore);
	return r < 0 ? r : run_stream(restore, &stream);
}

int cmd_restore(struct cli *cli, int argc, char **argv)
{
	_cleanup_json_ struct json_object *object = NULL;
	struct arg_number jobs = { .value = COPY_JOBS };
	struct restore restore = { .cli = cli };
	const struct arg_option options[] = {
		{ "accept-image", ARG_FLAG, &restore.accept_image },
		{ "force", ARG_FLAG, &restore.force },
		{ "overwrite", ARG_FLAG, &restore.overwrite },
		{ "j|jobs", ARG_NUMBER, &jobs },
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
	r = check_jobs(cli, &jobs, &restore.jobs);
	if (r < 0)
		return r;
	restore.image = args[0];
	restore.target = args[1];
	r = run(&restore);
	if (r < 0)
		return r;
	object = json_object_new_object();
	member_add_string(object, "image", restore.image);
	member_add_string(object, "device", restore.target);
	member_add_number(object, "size", restore.size_bytes);
	member_add_number(object, "copied_bytes", restore.written_bytes);
	member_add_number(object, "duration_ns", now_ns() - start_ns);
	json_object_object_add(object, "checked", json_object_new_boolean(restore.checked));
	json_object_object_add(object, "read_back", json_object_new_boolean(restore.read_back));
	if (cli->json) {
		output_json(object, true);
		return 0;
	}
	member_add_string(object, "checked_text", restore.checked ? "yes" : "no");
	member_add_string(object, "read_back_text", restore.read_back ? "yes" : "no");
	return output_object(cli, columns, object);
}
