// SPDX-License-Identifier: GPL-2.0-only
/*
 * libcalls DEVICE [STORAGE] - does each call of libbpfsnap get along with the real daemon?
 * libcalls -r DEVICE STORAGE - what does a program see of a restart of the daemon?
 * With STORAGE also those that take the module.  TAP without a plan.
 */
#include <errno.h>
#include <fcntl.h>
#include <libbpfsnap.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATIENCE_MS = 60000 };

static struct bpfsnap *b;
static struct bpfsnap_error *e;
static struct bpfsnap_events *events;
static int failed;

static void is_true(int is, const char *name)
{
	printf("%sok - %s\n", is ? "" : "not ", name);
	if (!is && e)
		printf("# %s: %s: %s\n", bpfsnap_error_name(e), bpfsnap_error_object(e),
		       bpfsnap_error_message(e));
	failed |= !is;
	bpfsnap_error_free(e);
	e = NULL;
}

/* Waits until something of this kind happens; what happens before is of no interest. */
static int happens(const char *kind, const char *snapshot)
{
	const struct bpfsnap_event *event;
	int r;

	while ((r = bpfsnap_events_next(events, PATIENCE_MS, &event, &e)) > 0)
		if (event->type == BPFSNAP_EVENT_HAPPENED && strcmp(event->kind, kind) == 0 &&
		    (!snapshot || (event->snapshot && strcmp(event->snapshot, snapshot) == 0)))
			return 1;
	return r;
}

/* Bit 1 of the bitmap, and how many are set. */
static int bitmap(const char *name, const char *checkpoint, int *ret_nr)
{
	struct bpfsnap_changes_options options = BPFSNAP_INIT(options);
	struct bpfsnap_changes_info *info;
	unsigned char bits[65536];
	ssize_t len = 0;
	int fd;

	options.device = name;
	options.checkpoint = checkpoint;
	*ret_nr = 0;
	fd = bpfsnap_changes_open(b, &options, &info, &e);
	if (fd < 0)
		return fd;
	bpfsnap_changes_info_free(info);
	len = read(fd, bits, sizeof(bits));
	for (ssize_t i = 0; i < len; i++)
		*ret_nr += __builtin_popcount(bits[i]);
	close(fd);
	return len > 0 ? bits[0] >> 1 & 1 : -EIO;
}

static void device(const char *name)
{
	struct bpfsnap_description *description;
	struct bpfsnap_checkpoint **checkpoints = NULL;
	struct bpfsnap_boundary **boundaries = NULL;
	struct bpfsnap_changes *changes;
	struct bpfsnap_changes_options options = BPFSNAP_INIT(options);
	struct bpfsnap_extent extent;
	struct bpfsnap_device *one = NULL, **all = NULL;
	int r, nr;

	is_true(bpfsnap_device_describe(b, "/dev/nosuch", 0, &description, &e) == -ENODEV &&
		bpfsnap_error_reason(e) == BPFSNAP_REASON_DEVICE_NOT_FOUND &&
		strcmp(bpfsnap_error_object(e), "/dev/nosuch") == 0, "an error names reason and object");
	is_true(bpfsnap_device_describe(b, name, 4096, &description, &e) == 0 &&
		description->granularity_bytes == 4096 && !description->is_attached, "describe");
	bpfsnap_description_free(description);
	is_true(bpfsnap_device_attach(b, name, 4096, &one, &e) == 0 && one->granularity_bytes == 4096,
		"attach");
	is_true(happens("attached", NULL) == 1, "which an iterator hears of that began before");
	is_true(bpfsnap_device_attach(b, name, 0, NULL, &e) == -EEXIST &&
		bpfsnap_error_reason(e) == BPFSNAP_REASON_ALREADY_ATTACHED, "attach once more");
	is_true(bpfsnap_device_list(b, &all, &e) == 1 && strcmp(all[0]->device, one->device) == 0, "list");
	is_true(bpfsnap_epoch_advance(b, &name, 1, "first", false, 0, &boundaries, &e) == 1, "advance");
	is_true(bpfsnap_checkpoint_commit(b, name, "second", boundaries[0]->since,
					  boundaries[0]->generation, &e) == 0, "commit a checkpoint");
	is_true(bpfsnap_checkpoint_list(b, NULL, &checkpoints, &e) == 2 &&
		checkpoints[0]->changed_bytes == 0, "list checkpoints");
	is_true(bpfsnap_checkpoint_remove(b, name, "second", &e) == 0, "remove a checkpoint");
	options.device = name;
	options.checkpoint = "first";
	options.page_extents = 1;
	options.details = true;
	r = bpfsnap_changes_begin(b, &options, &changes, &e);
	is_true(r == 0 && bpfsnap_changes_next(changes, &extent, &e) == 0 &&
		!bpfsnap_changes_info(changes)->is_uncertain, "no changes since a checkpoint");
	bpfsnap_changes_end(changes);
	options.checkpoint = "second";
	is_true(bpfsnap_changes_begin(b, &options, &changes, &e) == -ENOENT &&
		bpfsnap_error_reason(e) == BPFSNAP_REASON_CHECKPOINT_NOT_FOUND, "a checkpoint that is gone");
	is_true(bitmap(name, "first", &nr) == 0 && nr == 0, "nor in a bitmap");
	is_true(bpfsnap_device_mark_dirty(b, name, 4096 + 512, 512, &e) == 0, "mark a range");
	is_true(bitmap(name, "first", &nr) == 1 && nr == 1, "one bit of a bitmap is set, the right one");
	is_true(bpfsnap_device_mark_dirty(b, name, 0, 0, &e) == -EINVAL &&
		strcmp(bpfsnap_error_object(e), "length") == 0, "an empty range");
	bpfsnap_device_free(one);
	is_true(bpfsnap_generation_renew(b, name, &one, &e) == 0 &&
		strcmp(one->generation, boundaries[0]->generation) != 0, "begin a new history");
	is_true(bitmap(name, "first", &nr) == -ESTALE &&
		bpfsnap_error_reason(e) == BPFSNAP_REASON_GENERATION_CHANGED, "in which the checkpoint is not");
	bpfsnap_boundary_list_free(boundaries);
	bpfsnap_checkpoint_list_free(checkpoints);
	bpfsnap_device_list_free(all);
	bpfsnap_device_free(one);
}

/* An image through a descriptor: as long as it is open, it holds the snapshot. */
static void image(const struct bpfsnap_snapshot *taken, const char *name)
{
	uint64_t size_bytes = 0;
	char byte;
	int fd;

	is_true(bpfsnap_image_open(b, taken->snapshot, "/dev/nosuch", NULL, &e) == -ENODEV,
		"open an image of another device");
	fd = bpfsnap_image_open(b, taken->snapshot, name, &size_bytes, &e);
	is_true(fd >= 0 && size_bytes == taken->devices[0]->size_bytes, "open an image");
	is_true(pread(fd, &byte, 1, (off_t)size_bytes - 1) == 1 && pwrite(fd, &byte, 1, 0) < 0 &&
		fcntl(fd, F_GETFD) == FD_CLOEXEC, "for reading");
	is_true(bpfsnap_snapshot_destroy(b, taken->snapshot, &e) == -EBUSY &&
		bpfsnap_error_reason(e) == BPFSNAP_REASON_SNAPSHOT_BUSY, "which keeps the snapshot");
	close(fd);
}

static void lease(const struct bpfsnap_snapshot *taken)
{
	uint64_t expires_ns = 0;

	is_true(taken->lease_s == 600 && taken->expires_ns > taken->created_ns && !taken->bound,
		"it has a lease");
	is_true(bpfsnap_lease_renew(b, taken->snapshot, 1200, &expires_ns, &e) == 0 &&
		expires_ns > taken->expires_ns + 500000000000, "renew it, with another length");
	is_true(bpfsnap_lease_renew(b, taken->snapshot, 604801, NULL, &e) == -EINVAL &&
		strcmp(bpfsnap_error_object(e), "lease_s") == 0, "a lease that is too long");
	is_true(bpfsnap_lease_renew(b, "nosuch", 0, NULL, &e) == -ENOENT, "a lease that is not there");
}

static void extend(const char *snapshot, const char *name)
{
	struct bpfsnap_snapshot *seen = NULL;

	is_true(bpfsnap_storage_extend(b, snapshot, name, 16 << 20, &e) == 0, "extend the storage");
	is_true(bpfsnap_snapshot_describe(b, snapshot, &seen, &e) == 0 &&
		seen->devices[0]->limit_bytes == 16 << 20, "it takes more");
	is_true(bpfsnap_storage_extend(b, snapshot, NULL, 1, &e) == -EINVAL &&
		strcmp(bpfsnap_error_object(e), "limit") == 0, "a storage that takes next to nothing");
	bpfsnap_snapshot_free(seen);
}

/* A snapshot that ends with the handle through which it was asked for, and with no other. */
static void bound(const struct bpfsnap_snapshot_options *like)
{
	struct bpfsnap_snapshot_options options = *like;
	struct bpfsnap_snapshot *taken = NULL, *again = NULL;
	struct bpfsnap *other = NULL;

	options.key = NULL;
	options.lease_s = 0;
	options.bound = options.confirmed = true;
	is_true(bpfsnap_connect(NULL, &other, &e) == 0 &&
		bpfsnap_snapshot_create(other, &options, &taken, &e) == 0 && taken->bound,
		"bind a snapshot to another handle");
	if (!taken)
		return;
	is_true(bpfsnap_snapshot_describe(b, taken->snapshot, &again, &e) == 0 && again->bound,
		"it is there");
	bpfsnap_disconnect(other);
	is_true(happens("snapshot-destroyed", taken->snapshot) == 1, "it ends with that handle");
	bpfsnap_snapshot_free(again);
	is_true(bpfsnap_snapshot_describe(b, taken->snapshot, &again, &e) == -ENOENT, "it is gone");
	bpfsnap_snapshot_free(taken);
}

static void snapshot(const char *name, const char *storage)
{
	struct bpfsnap_snapshot_options options = BPFSNAP_INIT(options);
	struct bpfsnap_snapshot *taken = NULL, *seen = NULL, *again = NULL, **all = NULL;
	char byte;
	int fd;

	options.devices = &name;
	options.nr_devices = 1;
	options.storage = storage;
	options.writable = true;
	options.timeout_ms = 20000;
	options.limit_bytes = 8 << 20;
	options.key = "libcalls";
	options.lease_s = 600;
	options.low_bytes = UINT64_MAX;
	options.grow_ms = 1000;
	is_true(bpfsnap_snapshot_create(b, &options, &taken, &e) == 0 && taken->nr_devices == 1 &&
		taken->writable && !taken->devices[0]->is_uncertain && !taken->devices[0]->error,
		"take a snapshot");
	if (!taken)
		return;
	is_true(bpfsnap_snapshot_list(b, &all, &e) == 1, "list snapshots");
	is_true(bpfsnap_snapshot_describe(b, taken->snapshot, &seen, &e) == 0 &&
		strcmp(seen->devices[0]->image, taken->devices[0]->image) == 0, "describe a snapshot");
	lease(taken);
	is_true(bpfsnap_snapshot_create(b, &options, &again, &e) == 0 &&
		strcmp(again->snapshot, taken->snapshot) == 0 && strcmp(again->key, "libcalls") == 0,
		"ask for it again by its key");
	extend(taken->snapshot, name);
	image(taken, name);
	fd = bpfsnap_image_open(b, taken->snapshot, NULL, NULL, &e);
	is_true(fd >= 0, "open the first image");
	is_true(bpfsnap_snapshot_destroy_forced(b, taken->snapshot, &e) == 0, "destroy a snapshot in use");
	is_true(pread(fd, &byte, 1, 0) < 0, "by force");
	close(fd);
	bpfsnap_snapshot_free(again);
	is_true(bpfsnap_snapshot_destroy(b, taken->snapshot, &e) == -ENOENT &&
		bpfsnap_error_reason(e) == BPFSNAP_REASON_SNAPSHOT_NOT_FOUND, "once");
	bpfsnap_snapshot_list_free(all);
	bpfsnap_snapshot_free(seen);
	bpfsnap_snapshot_free(taken);
	bound(&options);
}

/* The daemon is ended and started by others, once we say so. */
static void restart(const char *name, const char *storage)
{
	struct bpfsnap_snapshot_options options = BPFSNAP_INIT(options);
	struct bpfsnap_snapshot *taken = NULL, *seen;
	const struct bpfsnap_event *event;
	struct pollfd p = { .events = POLLIN };
	int r, nr_errors = 0;

	options.devices = &name;
	options.nr_devices = 1;
	options.storage = storage;
	options.timeout_ms = 20000;
	options.bound = true;
	is_true(bpfsnap_device_attach(b, name, 0, NULL, &e) == 0 &&
		bpfsnap_snapshot_create(b, &options, &taken, &e) == 0, "take a snapshot, bound");
	is_true(happens("snapshot-created", NULL) == 1, "it is told");
	if (failed)
		return;
	is_true(bpfsnap_events_next(events, 0, &event, &e) == 0, "nothing else happens");
	p.fd = bpfsnap_events_fd(events);
	puts("# ready");
	fflush(stdout);
	is_true(poll(&p, 1, PATIENCE_MS) == 1, "poll() tells that the daemon goes away");
	while ((r = bpfsnap_events_next(events, PATIENCE_MS, &event, &e)) < 0 && nr_errors++ < 300) {
		if (bpfsnap_error_reason(e) != BPFSNAP_REASON_UNREACHABLE)
			break;
		bpfsnap_error_free(e);
		e = NULL;
		usleep(200000);
	}
	is_true(nr_errors > 0, "which is an error");
	is_true(r == 1 && event->type == BPFSNAP_EVENT_RESTARTED, "that another one came is told first");
	is_true(happens("snapshot-destroyed", taken->snapshot) == 1, "then that the snapshot has ended");
	is_true(bpfsnap_snapshot_describe(b, taken->snapshot, &seen, &e) == -ENOENT,
		"the handle connects by itself, and finds it gone");
	bpfsnap_snapshot_free(taken);
}

int main(int argc, char *argv[])
{
	if (argc < 2 || bpfsnap_connect(NULL, &b, &e) < 0 ||
	    bpfsnap_events_begin(b, NULL, 0, &events, &e) < 0)
		return 2;
	if (argc == 4 && strcmp(argv[1], "-r") == 0) {
		restart(argv[2], argv[3]);
		bpfsnap_events_end(events);
		bpfsnap_disconnect(b);
		return failed;
	}
	device(argv[1]);
	if (argc > 2)
		snapshot(argv[1], argv[2]);
	is_true(bpfsnap_device_detach(b, argv[1], &e) == 0, "detach");
	bpfsnap_events_end(events);
	bpfsnap_disconnect(b);
	return failed;
}
