// SPDX-License-Identifier: GPL-2.0-only
/*
 * How are remembered epochs shown, moved on and forgotten?
 *
 * Reading changes moves nothing: a reader whose backup failed asks again for the
 * same.  It commits when its backup is safe.
 */
#include "methods.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include <uuid/uuid.h>

#include "device.h"
#include "extents.h"
#include "generation.h"
#include "view.h"

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/**
 * struct census - how many blocks of a disk have which mark: one look for all checkpoints
 * @disk_key: whose, 0 for none yet
 * @tracked: its entry
 * @counts: by mark
 */
struct census {
	uint32_t disk_key;
	struct bpfsnap_device tracked;
	uint64_t *counts;
};

/* Looks without the lock, but with the marks: so that @census goes on to mean the same. */
static int count_disk(struct tracker *tracker, uint32_t disk_key, struct census *census)
{
	struct tracker_marks marks = { 0 };
	int r;

	if (census->disk_key == disk_key)
		return 0;
	census->disk_key = 0;
	r = tracker_device(tracker, disk_key, &census->tracked);
	if (r >= 0)
		r = tracker_marks(tracker, disk_key, census->tracked.nr_blk, &marks);
	if (r < 0)
		return r;
	tracker_unlock(tracker);
	extents_count(marks.pages, census->tracked.nr_blk, census->tracked.floor, census->counts);
	tracker_lock(tracker);
	tracker_marks_done(&marks);
	census->disk_key = disk_key;
	return 0;
}

static uint64_t changed_bytes(const struct tracker *tracker, const struct census *census,
			      uint32_t since)
{
	uint64_t nr_blk = 0, bytes;

	for (uint32_t m = tracker_since_mark(tracker, since) + 1; m <= BPFSNAP_MARK_MAX; m++)
		nr_blk += census->counts[m];
	bytes = nr_blk << census->tracked.block_shift;
	return bytes < census->tracked.nr_sect << 9 ? bytes : census->tracked.nr_sect << 9;
}

static struct json_object *show(struct tracker *tracker,
				const struct tracker_checkpoint *item, struct census *census)
{
	struct json_object *o = json_object_new_object();
	char device[DEVICE_NAME_MAX], generation[37], name[BPFSNAP_CHECKPOINT_NAME + 1];
	uint64_t now = now_ns(), created = item->value.created_ns;
	bool is_current;

	is_current = count_disk(tracker, item->key.dev, census) == 0 &&
		     memcmp(census->tracked.generation, item->value.generation, 16) == 0;
	uuid_unparse_lower(item->value.generation, generation);
	memcpy(name, item->key.name, BPFSNAP_CHECKPOINT_NAME);
	name[BPFSNAP_CHECKPOINT_NAME] = '\0';
	put_string(o, "name", name);
	put_string(o, "device", device_name(item->key.dev, device, sizeof(device)));
	put_u64(o, "since", item->value.epoch);
	put_u64(o, "created_ns", created);
	put_u64(o, "age_ns", now > created ? now - created : 0);
	put_string(o, "generation", generation);
	/* Of another history: nothing can be asked since then. */
	json_object_object_add(o, "changed_bytes", is_current ?
		json_object_new_int64((int64_t)changed_bytes(tracker, census, item->value.epoch)) :
		NULL);
	return o;
}

/* By disk and age: the same order for every caller, and each disk is counted once. */
static int compare(const void *a, const void *b)
{
	const struct tracker_checkpoint *x = a, *y = b;

	if (x->key.dev != y->key.dev)
		return x->key.dev < y->key.dev ? -1 : 1;
	if (x->value.created_ns != y->value.created_ns)
		return x->value.created_ns < y->value.created_ns ? -1 : 1;
	return strncmp(x->key.name, y->key.name, sizeof(x->key.name));
}

/* @disk_key: only its checkpoints; 0 for all. */
static int list(struct tracker *tracker, uint32_t disk_key, struct json_object **ret_list)
{
	_cleanup_(freep) struct tracker_checkpoint *items = NULL;
	struct census census = { 0 };
	struct json_object *o;
	size_t nr;
	int r;

	r = tracker_checkpoints(tracker, &items, &nr);
	if (r < 0)
		return r;
	census.counts = calloc(BPFSNAP_MARK_MAX + 1, sizeof(*census.counts));
	if (!census.counts)
		return -ENOMEM;
	qsort(items, nr, sizeof(*items), compare);
	o = json_object_new_array();
	for (size_t i = 0; i < nr; i++)
		if (!disk_key || items[i].key.dev == disk_key)
			json_object_array_add(o, show(tracker, &items[i], &census));
	free(census.counts);
	*ret_list = o;
	return 0;
}

int method_list_checkpoints(struct call *call, struct fault *fault)
{
	const char *path = arg_string(call, "device");
	struct json_object *checkpoints;
	struct device d = { 0 };
	int r;

	r = tracker_check(call->daemon->tracker, fault);
	if (r >= 0 && path)
		r = device_resolve(path, &d, fault);
	if (r < 0)
		return r;
	tracker_unlock(call->daemon->tracker);
	tracker_marks_begin(call->daemon->tracker);
	tracker_lock(call->daemon->tracker);
	r = list(call->daemon->tracker, d.disk_key, &checkpoints);
	tracker_marks_end(call->daemon->tracker);
	if (r < 0)
		return r;
	call->reply = json_object_new_object();
	json_object_object_add(call->reply, "checkpoints", checkpoints);
	return 0;
}

int method_remove_checkpoint(struct call *call, struct fault *fault)
{
	const char *name = arg_string(call, "name");
	struct device d;
	int r;

	if (!tracker_checkpoint_name_ok(name))
		return fault_service(fault, REASON_INVALID_PARAMETER, "name");
	r = tracker_check(call->daemon->tracker, fault);
	if (r < 0)
		return r;
	r = device_resolve(arg_string(call, "device"), &d, fault);
	if (r < 0)
		return r;
	r = tracker_checkpoint_remove(call->daemon->tracker, d.disk_key, name);
	if (r == -ENOENT)
		return fault_checkpoint(fault, REASON_CHECKPOINT_NOT_FOUND, d.disk_name, name,
					"%s has no checkpoint %s.", d.disk_name, name);
	return r;
}

/* The epoch must be one of this history that has ended, or the reader has read another. */
static int check_commit(const struct call *call, const struct device *d, int64_t since,
			struct fault *fault)
{
	const char *expected = arg_string(call, "generation");
	struct bpfsnap_device tracked;
	char current[37], why[256];
	uint32_t epoch;
	uuid_t id;

	if (tracker_device(call->daemon->tracker, d->disk_key, &tracked) < 0 ||
	    tracker_epoch(call->daemon->tracker, &epoch) < 0)
		return fault_device(fault, REASON_NOT_ATTACHED, d->name, "%s is not attached.",
				    d->disk_name);
	if (uuid_parse(expected, id) < 0)
		return fault_service(fault, REASON_INVALID_PARAMETER, "generation");
	generation_why(&tracked, why, sizeof(why));
	if (uuid_compare(id, tracked.generation) != 0) {
		uuid_unparse_lower(tracked.generation, current);
		return fault_generation(fault, d->name, expected, current, why);
	}
	if (!generation_knows(&tracked, since, epoch))
		return fault_epoch(fault, d->name, since, tracked.first_epoch, epoch, why);
	return 0;
}

int method_commit_checkpoint(struct call *call, struct fault *fault)
{
	_cleanup_(view_done) struct view view = { 0 };
	struct tracker *tracker = call->daemon->tracker;
	const char *name = arg_string(call, "name");
	int64_t since;
	struct device d;
	int r;

	if (!tracker_checkpoint_name_ok(name))
		return fault_service(fault, REASON_INVALID_PARAMETER, "name");
	r = tracker_check(tracker, fault);
	if (r >= 0)
		r = device_resolve(arg_string(call, "device"), &d, fault);
	if (r >= 0)
		r = arg_int(call, "since", 0, INT64_MAX, 0, &since, fault);
	if (r >= 0)
		r = view_take(tracker, &view);
	if (r >= 0)
		r = check_commit(call, &d, since, fault);
	if (r < 0)
		return r;
	r = tracker_checkpoint_move(tracker, d.disk_key, name, (uint32_t)since, now_ns());
	if (r == -E2BIG)
		return fault_plain(fault, REASON_TOO_MANY_CHECKPOINTS,
				   "There is room for %d checkpoints, and all of it is taken.",
				   BPFSNAP_CHECKPOINTS);
	if (r < 0)
		return fault_system(fault, "checkpoint", r, "Checkpoint %s of %s: %s.", name,
				    d.disk_name, strerror(-r));
	call->reply = json_object_new_object();
	return 0;
}
