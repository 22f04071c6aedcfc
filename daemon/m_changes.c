// SPDX-License-Identifier: GPL-2.0-only
/*
 * What changed on a device since an epoch?
 *
 * The marks are read first and the state after them: a doubt that arose while we
 * read is then part of the answer.
 */
#include "methods.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include <uuid/uuid.h>

#include "device.h"
#include "extents.h"
#include "generation.h"
#include "view.h"

enum {
	EXTENTS_MAX = 65536,	/* in one reply, about 3 MB */
};

/**
 * struct changes - a question about changes, and how far it is answered
 * @cursor_bytes: within the device
 * @tracked: the disk's entry when the question was asked
 */
struct changes {
	struct tracker *tracker;
	struct device device;
	struct bpfsnap_device tracked;
	struct tracker_marks marks;
	struct extents_query query;
	uint64_t cursor_bytes;
	size_t max;
	uint32_t since;
	char generation[37];
};

/**
 * struct finding - one piece of the answer
 * @epochs: of each extent, if details are asked for: marks keep their meaning only while we look
 * @now: the disk's entry after the look
 */
struct finding {
	struct extent *extents;
	uint32_t *epochs;
	size_t nr;
	struct bpfsnap_device now;
	struct view view;
};

static void finding_done(struct finding *f)
{
	free(f->extents);
	free(f->epochs);
	view_done(&f->view);
}

static void changes_free(void *state)
{
	struct changes *c = state;

	if (!c)
		return;
	tracker_marks_done(&c->marks);
	free(c);
}

static void changes_freep(struct changes **c)
{
	changes_free(*c);
}

static struct json_object *show_extents(const struct changes *c, const struct finding *f)
{
	struct json_object *list = json_object_new_array_ext((int)f->nr + 1);

	for (size_t i = 0; i < f->nr; i++) {
		struct json_object *o = json_object_new_object();

		put_u64(o, "offset", f->extents[i].offset_bytes);
		put_u64(o, "length", f->extents[i].len_bytes);
		/* Beyond the map nothing is known but that it must be taken for changed. */
		if (c->query.is_detailed && f->extents[i].mark != EXTENT_BEYOND) {
			put_u64(o, "epoch", f->epochs[i]);
			json_object_object_add(o, "discarded", json_object_new_boolean(
				(f->extents[i].mark & BPFSNAP_MARK_DISCARDED) != 0));
		}
		json_object_array_add(list, o);
	}
	return list;
}

static int fault_history(struct fault *fault, const struct changes *c,
			 const struct bpfsnap_device *now, const char *expected)
{
	char current[37], why[256];

	uuid_unparse_lower(now->generation, current);
	generation_why(now, why, sizeof(why));
	return fault_generation(fault, c->device.name, expected, current, why);
}

/* The history that the question was about must still be the disk's. */
static int check_generation(const struct changes *c, const struct bpfsnap_device *now,
			    struct fault *fault)
{
	if (memcmp(now->generation, c->tracked.generation, sizeof(now->generation)) == 0)
		return 0;
	return fault_history(fault, c, now, c->generation);
}

static int get_tracked(const struct tracker *tracker, const struct device *d,
		       struct bpfsnap_device *ret_tracked, struct fault *fault)
{
	if (tracker_device(tracker, d->disk_key, ret_tracked) < 0)
		return fault_device(fault, REASON_NOT_ATTACHED, d->name, "%s is not attached.",
				    d->disk_name);
	return 0;
}

/* Extents are of the range that the device had when it was asked about. */
static int check_range(const struct changes *c, struct fault *fault)
{
	struct device now;

	if (device_get(c->device.key, &now) == 0 && now.disk_key == c->device.disk_key &&
	    now.start_sect == c->device.start_sect && now.nr_sect == c->device.nr_sect)
		return 0;
	return fault_device(fault, REASON_DEVICE_CHANGED, c->device.name,
			    "%s was moved, resized or removed while its changes were listed.",
			    c->device.name);
}

/* Without the tracker's lock, but with the marks. */
static void find(struct changes *c, struct finding *f)
{
	f->nr = extents_find(&c->query, &c->cursor_bytes, f->extents, c->max);
	for (size_t i = 0; i < f->nr && c->query.is_detailed; i++)
		f->epochs[i] = tracker_epoch_of(c->tracker, f->extents[i].mark);
}

static int find_with_marks(struct changes *c, struct finding *f, struct fault *fault)
{
	struct bpfsnap_device now;
	int r;

	tracker_unlock(c->tracker);
	tracker_marks_begin(c->tracker);
	tracker_lock(c->tracker);
	/* Between two pieces marks may have been renumbered, or all blocks have changed. */
	r = get_tracked(c->tracker, &c->device, &now, fault);
	if (r >= 0)
		r = check_generation(c, &now, fault);
	if (r >= 0) {
		c->query.since_mark = tracker_since_mark(c->tracker, c->since);
		c->query.floor = now.floor;
		tracker_unlock(c->tracker);
		find(c, f);
		tracker_lock(c->tracker);
	}
	tracker_marks_end(c->tracker);
	return r;
}

/* The next piece, and what is to be thought of it. */
static int look(struct changes *c, struct finding *f, struct fault *fault)
{
	int r;

	f->extents = calloc(c->max, sizeof(*f->extents));
	f->epochs = c->query.is_detailed ? calloc(c->max, sizeof(*f->epochs)) : NULL;
	if (!f->extents || (c->query.is_detailed && !f->epochs))
		return -ENOMEM;
	r = find_with_marks(c, f, fault);
	if (r >= 0)
		r = view_take(c->tracker, &f->view);
	if (r >= 0)
		r = get_tracked(c->tracker, &c->device, &f->now, fault);
	if (r >= 0)
		r = check_generation(c, &f->now, fault);
	if (r >= 0)
		r = check_range(c, fault);
	return r;
}

static void put_answer(struct json_object *o, const struct changes *c, const struct finding *f)
{
	char reason[VIEW_REASON_MAX];
	bool is_doubtful;

	is_doubtful = view_doubt_since(&f->view, c->device.disk_key, &f->now, c->since, reason,
				       sizeof(reason));
	put_string(o, "device", c->device.name);
	put_u64(o, "disk_offset", c->query.start_bytes);
	put_u64(o, "size", c->query.len_bytes);
	put_u64(o, "granularity", 1ull << f->now.block_shift);
	put_string(o, "generation", c->generation);
	put_u64(o, "since", c->since);
	put_u64(o, "epoch", f->view.epoch);
	view_put_state(o, "ok", is_doubtful ? reason : NULL);
}

static int changes_next(void *state, struct json_object **ret_reply, bool *ret_continues,
			struct fault *fault)
{
	_cleanup_(finding_done) struct finding f = { 0 };
	struct changes *c = state;
	struct json_object *o;
	int r;

	r = look(c, &f, fault);
	if (r < 0)
		return r;
	*ret_continues = c->cursor_bytes < c->query.len_bytes;
	o = json_object_new_object();
	put_answer(o, c, &f);
	json_object_object_add(o, "extents", show_extents(c, &f));
	json_object_object_add(o, "next", *ret_continues ?
			       json_object_new_int64((int64_t)c->cursor_bytes) : NULL);
	*ret_reply = o;
	return 0;
}

/* A checkpoint of another history has an epoch that means nothing in this one. */
static int take_checkpoint(struct changes *c, const char *name, int64_t *ret_since,
			   struct fault *fault)
{
	struct bpfsnap_checkpoint checkpoint;
	char expected[37];

	if (!tracker_checkpoint_name_ok(name))
		return fault_service(fault, REASON_INVALID_PARAMETER, "checkpoint");
	if (tracker_checkpoint_get(c->tracker, c->device.disk_key, name, &checkpoint) < 0)
		return fault_checkpoint(fault, REASON_CHECKPOINT_NOT_FOUND, c->device.disk_name,
					name, "%s has no checkpoint %s.", c->device.disk_name, name);
	if (memcmp(checkpoint.generation, c->tracked.generation, sizeof(checkpoint.generation))) {
		uuid_unparse_lower(checkpoint.generation, expected);
		return fault_history(fault, c, &c->tracked, expected);
	}
	*ret_since = checkpoint.epoch;
	return 0;
}

/* One of both arguments says since when; an epoch that has not ended has no "since". */
static int take_since(const struct call *call, struct changes *c, struct fault *fault)
{
	const char *name = arg_string(call, "checkpoint");
	uint32_t current;
	char why[256];
	int64_t since;
	int r;

	r = arg_int(call, "since", 0, INT64_MAX - 1, -1, &since, fault);
	if (r < 0)
		return r;
	if ((since >= 0) == (name != NULL))
		return fault_service(fault, REASON_INVALID_PARAMETER, name ? "checkpoint" : "since");
	if (name) {
		r = take_checkpoint(c, name, &since, fault);
		if (r < 0)
			return r;
	}
	r = tracker_epoch(c->tracker, &current);
	if (r < 0)
		return r;
	if (!generation_knows(&c->tracked, since, current)) {
		generation_why(&c->tracked, why, sizeof(why));
		return fault_epoch(fault, c->device.name, since, c->tracked.first_epoch, current, why);
	}
	c->since = (uint32_t)since;
	return 0;
}

static int take_generation(const struct call *call, struct changes *c, struct fault *fault)
{
	const char *expected = arg_string(call, "generation");
	uuid_t id;

	uuid_unparse_lower(c->tracked.generation, c->generation);
	if (!expected)
		return 0;
	if (uuid_parse(expected, id) < 0)
		return fault_service(fault, REASON_INVALID_PARAMETER, "generation");
	if (uuid_compare(id, c->tracked.generation) != 0)
		return fault_history(fault, c, &c->tracked, expected);
	return 0;
}

static int take_window(const struct call *call, struct changes *c, struct fault *fault)
{
	int64_t start, max;
	int r;

	c->query.block_shift = c->tracked.block_shift;
	c->query.nr_blk = c->tracked.nr_blk;
	c->query.is_detailed = arg_bool(call, "details");
	c->query.start_bytes = c->device.start_sect << 9;
	c->query.len_bytes = c->device.nr_sect << 9;
	r = arg_int(call, "start", 0, (int64_t)c->query.len_bytes, 0, &start, fault);
	if (r < 0)
		return r;
	r = arg_int(call, "max", 1, INT64_MAX, EXTENTS_MAX, &max, fault);
	if (r < 0)
		return r;
	c->cursor_bytes = (uint64_t)start;
	c->max = max < EXTENTS_MAX ? (size_t)max : EXTENTS_MAX;
	return 0;
}

static int open_changes(struct call *call, struct changes *c, struct fault *fault)
{
	_cleanup_(view_done) struct view view = { 0 };
	int r;

	c->tracker = call->daemon->tracker;
	r = tracker_check(c->tracker, fault);
	if (r < 0)
		return r;
	r = device_resolve(arg_string(call, "device"), &c->device, fault);
	if (r < 0)
		return r;
	/* Is it still the disk whose history this is? */
	r = view_take(c->tracker, &view);
	if (r >= 0)
		r = get_tracked(c->tracker, &c->device, &c->tracked, fault);
	if (r < 0)
		return r;
	r = take_generation(call, c, fault);
	if (r < 0)
		return r;
	r = take_since(call, c, fault);
	if (r < 0)
		return r;
	r = take_window(call, c, fault);
	if (r < 0)
		return r;
	r = tracker_marks(c->tracker, c->device.disk_key, c->tracked.nr_blk, &c->marks);
	if (r < 0)
		return fault_plain(fault, REASON_TRACKER_UNAVAILABLE,
				   "The marks of %s cannot be read: %s.", c->device.disk_name,
				   strerror(-r));
	c->query.pages = c->marks.pages;
	return 0;
}

int method_list_changes(struct call *call, struct fault *fault)
{
	_cleanup_(changes_freep) struct changes *c = calloc(1, sizeof(*c));
	bool unused;
	int r;

	if (!c)
		return -ENOMEM;
	r = open_changes(call, c, fault);
	if (r < 0)
		return r;
	if (!call->more)
		return changes_next(c, &call->reply, &unused, fault);
	call->stream = (struct stream){ changes_next, changes_free, TAKE_PTR(c), METHOD_SCAN };
	return 0;
}

/* A block of the bitmap counts from the start of the device: a partition's may begin in a block. */
static void set_bits(uint8_t *bits, const struct extent *extents, size_t nr, unsigned int shift)
{
	for (size_t i = 0; i < nr; i++) {
		uint64_t last = (extents[i].offset_bytes + extents[i].len_bytes - 1) >> shift;

		for (uint64_t bit = extents[i].offset_bytes >> shift; bit <= last; bit++)
			bits[bit / 8] |= (uint8_t)(1u << bit % 8);
	}
}

static int fill_bitmap(struct call *call, struct changes *c, int fd, size_t len_bytes,
		       struct fault *fault)
{
	uint8_t *bits = mmap(NULL, len_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	struct json_object *o = NULL;
	int r;

	if (bits == MAP_FAILED)
		return -errno;
	/* The last piece's doubts are those of all. */
	do {
		_cleanup_(finding_done) struct finding f = { 0 };

		r = call_check(call);
		if (r >= 0)
			r = look(c, &f, fault);
		if (r >= 0)
			set_bits(bits, f.extents, f.nr, c->tracked.block_shift);
		if (r >= 0 && c->cursor_bytes >= c->query.len_bytes) {
			o = json_object_new_object();
			put_answer(o, c, &f);
		}
	} while (r >= 0 && !o);
	munmap(bits, len_bytes);
	call->reply = o;
	return r;
}

/* One object, which says what it says for ever: it can be handed on to whoever may not ask. */
int method_open_changes(struct call *call, struct fault *fault)
{
	_cleanup_(changes_freep) struct changes *c = calloc(1, sizeof(*c));
	_cleanup_(closep) int fd = -1;
	size_t len_bytes;
	int r;

	if (!c)
		return -ENOMEM;
	r = open_changes(call, c, fault);
	if (r < 0)
		return r;
	len_bytes = (((c->query.len_bytes - 1) >> c->tracked.block_shift) + 8) / 8;
	fd = memfd_create("bpfsnap-changes", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0 || ftruncate(fd, (off_t)len_bytes) < 0)
		return -errno;
	r = fill_bitmap(call, c, fd, len_bytes, fault);
	if (r < 0)
		return r;
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return -errno;
	return put_handle(call, call->reply, "changes_fd", TAKE_FD(fd));
}

/* Offsets are the device's; of a partition they are within it. */
int method_mark_dirty(struct call *call, struct fault *fault)
{
	struct tracker *tracker = call->daemon->tracker;
	struct bpfsnap_device tracked;
	int64_t offset, length;
	uint64_t first, last;
	struct device d;
	int r;

	r = tracker_check(tracker, fault);
	if (r >= 0)
		r = device_resolve(arg_string(call, "device"), &d, fault);
	if (r >= 0)
		r = get_tracked(tracker, &d, &tracked, fault);
	if (r >= 0)
		r = arg_int(call, "offset", 0, (int64_t)(d.nr_sect << 9) - 1, 0, &offset, fault);
	if (r >= 0)
		r = arg_int(call, "length", 1, (int64_t)(d.nr_sect << 9) - offset, 0, &length, fault);
	if (r < 0)
		return r;
	first = ((d.start_sect << 9) + (uint64_t)offset) >> tracked.block_shift;
	last = ((d.start_sect << 9) + (uint64_t)(offset + length - 1)) >> tracked.block_shift;
	r = tracker_mark_dirty(tracker, d.disk_key, first, last);
	if (r < 0)
		return fault_system(fault, "mark", r, "The marks of %s cannot be written: %s.",
				    d.disk_name, strerror(-r));
	call->reply = json_object_new_object();
	return 0;
}
