// SPDX-License-Identifier: GPL-2.0-only
/*
 * libcalls DEVICE [STORAGE] - does each call of libbpfsnap get along with the real daemon?
 * With STORAGE also those that take the module.  TAP without a plan.
 */
#include <errno.h>
#include <libbpfsnap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct bpfsnap *b;
static struct bpfsnap_error *e;
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

static void device(const char *name)
{
	struct bpfsnap_description *description;
	struct bpfsnap_checkpoint **checkpoints = NULL;
	struct bpfsnap_boundary **boundaries = NULL;
	struct bpfsnap_changes *changes;
	struct bpfsnap_changes_options options = BPFSNAP_INIT(options);
	struct bpfsnap_extent extent;
	struct bpfsnap_device *one = NULL, **all = NULL;
	int r;

	is_true(bpfsnap_device_describe(b, "/dev/nosuch", 0, &description, &e) == -ENODEV &&
		bpfsnap_error_reason(e) == BPFSNAP_REASON_DEVICE_NOT_FOUND &&
		strcmp(bpfsnap_error_object(e), "/dev/nosuch") == 0, "an error names reason and object");
	is_true(bpfsnap_device_describe(b, name, 4096, &description, &e) == 0 &&
		description->granularity_bytes == 4096 && !description->is_attached, "describe");
	bpfsnap_description_free(description);
	is_true(bpfsnap_device_attach(b, name, 4096, &one, &e) == 0 && one->granularity_bytes == 4096,
		"attach");
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
	bpfsnap_boundary_list_free(boundaries);
	bpfsnap_checkpoint_list_free(checkpoints);
	bpfsnap_device_list_free(all);
	bpfsnap_device_free(one);
}

static void snapshot(const char *name, const char *storage)
{
	struct bpfsnap_snapshot_options options = BPFSNAP_INIT(options);
	struct bpfsnap_snapshot *taken = NULL, *seen = NULL, **all = NULL;

	options.devices = &name;
	options.nr_devices = 1;
	options.storage = storage;
	options.writable = true;
	options.timeout_ms = 20000;
	is_true(bpfsnap_snapshot_create(b, &options, &taken, &e) == 0 && taken->nr_devices == 1 &&
		taken->writable && !taken->devices[0]->is_uncertain && !taken->devices[0]->error,
		"take a snapshot");
	if (!taken)
		return;
	is_true(bpfsnap_snapshot_list(b, &all, &e) == 1, "list snapshots");
	is_true(bpfsnap_snapshot_describe(b, taken->snapshot, &seen, &e) == 0 &&
		strcmp(seen->devices[0]->image, taken->devices[0]->image) == 0, "describe a snapshot");
	is_true(bpfsnap_snapshot_destroy(b, taken->snapshot, &e) == 0, "destroy a snapshot");
	is_true(bpfsnap_snapshot_destroy(b, taken->snapshot, &e) == -ENOENT &&
		bpfsnap_error_reason(e) == BPFSNAP_REASON_SNAPSHOT_NOT_FOUND, "once");
	bpfsnap_snapshot_list_free(all);
	bpfsnap_snapshot_free(seen);
	bpfsnap_snapshot_free(taken);
}

int main(int argc, char *argv[])
{
	if (argc < 2 || bpfsnap_connect(NULL, &b, &e) < 0)
		return 2;
	device(argv[1]);
	if (argc > 2)
		snapshot(argv[1], argv[2]);
	is_true(bpfsnap_device_detach(b, argv[1], &e) == 0, "detach");
	bpfsnap_disconnect(b);
	return failed;
}
