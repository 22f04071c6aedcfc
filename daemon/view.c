// SPDX-License-Identifier: GPL-2.0-only
/*
 * How do the kernel's and the programs' views of a disk go together?
 *
 * The daemon remembers nothing: each answer is made from what the module and the
 * maps say now, and where they disagree it says so.
 */
#include "view.h"

#include <errno.h>
#include <stdio.h>

#include <uuid/uuid.h>

#include "device.h"
#include "doubt.h"
#include "methods.h"

enum {
	SECT_SHIFT = 9,
};

int view_take(struct tracker *tracker, struct view *ret_view)
{
	_cleanup_(view_done) struct view v = { .tracker = tracker };
	int r;

	r = kctl_origins(&v.origins, &v.nr_origins);
	if (r < 0 && kctl_exists())
		return r;
	r = tracker_disks(tracker, &v.disks);
	if (r < 0)
		return r;
	for (size_t i = 0; i < v.nr_origins; i++) {
		r = keys_add(&v.disks, key_make(v.origins[i].major, v.origins[i].minor));
		if (r < 0)
			return r;
	}
	tracker_links(tracker, &v.links);
	if (tracker_epoch(tracker, &v.epoch) < 0)
		v.epoch = 0;
	*ret_view = v;
	v = (struct view){ 0 };
	return 0;
}

void view_done(struct view *view)
{
	free(view->origins);
	keys_done(&view->disks);
	*view = (struct view){ 0 };
}

static const struct bpfsnap_origin_info *find_origin(const struct bpfsnap_origin_info *origins,
						      size_t nr, uint32_t disk_key)
{
	for (size_t i = 0; i < nr; i++)
		if (key_make(origins[i].major, origins[i].minor) == disk_key)
			return &origins[i];
	return NULL;
}

bool view_has_gate(const struct view *view, uint32_t disk_key)
{
	return find_origin(view->origins, view->nr_origins, disk_key) != NULL;
}

/*
 * The kernel counts skipped runs per program, not per disk.  The gate's count
 * clears a disk: if no write passed between two looks at it, and the program
 * counted the same in between, then none of this disk's writes was skipped.
 */
static bool is_count_equal(const struct view *view, uint32_t disk_key)
{
	_cleanup_(freep) struct bpfsnap_origin_info *before = NULL, *after = NULL;
	const struct bpfsnap_origin_info *a, *b;
	struct bpfsnap_device tracked;
	size_t nr_before, nr_after;

	if (kctl_origins(&before, &nr_before) < 0 ||
	    tracker_device(view->tracker, disk_key, &tracked) < 0 ||
	    kctl_origins(&after, &nr_after) < 0)
		return false;
	a = find_origin(before, nr_before, disk_key);
	b = find_origin(after, nr_after, disk_key);
	return a && b && a->gate_bios == b->gate_bios && a->gate_bios == tracked.gate_bios &&
	       a->gate_sect == tracked.gate_sect;
}

static uint64_t count_misses(const struct view *view, uint32_t disk_key)
{
	if (!view_has_gate(view, disk_key))
		return view->links.queue_misses;
	if (view->links.write_misses == 0 || is_count_equal(view, disk_key))
		return 0;
	return view->links.write_misses;
}

bool view_doubt(const struct view *view, uint32_t disk_key, const struct bpfsnap_device *tracked,
		char *ret_reason, size_t room)
{
	struct doubt_facts facts = {
		.has_write = view->links.has_write,
		.has_switch = view->links.has_switch,
		.has_queue = view->links.has_queue,
		.is_gated = view_has_gate(view, disk_key),
	};

	if (!tracked) {
		snprintf(ret_reason, room,
			 "The module has its gate before the device, but nothing tracks it: detach and attach it again.");
		return true;
	}
	facts.uncertain = tracked->uncertain;
	facts.misses = count_misses(view, disk_key);
	return doubt_text(&facts, ret_reason, room);
}

void view_put_state(struct json_object *o, const char *good, const char *reason)
{
	put_string(o, "state", reason ? "uncertain" : good);
	put_string(o, "reason", reason);
}

struct json_object *view_device(const struct view *view, uint32_t disk_key)
{
	struct json_object *o = json_object_new_object();
	struct bpfsnap_device tracked = { .block_shift = BPFSNAP_BLOCK_SHIFT_DEFAULT };
	bool is_tracked = tracker_device(view->tracker, disk_key, &tracked) == 0;
	bool is_gated = view_has_gate(view, disk_key);
	char reason[VIEW_REASON_MAX], name[DEVICE_NAME_MAX], generation[37] = "";
	struct device d = { 0 };
	bool is_doubtful;

	(void)device_get(disk_key, &d);
	is_doubtful = view_doubt(view, disk_key, is_tracked ? &tracked : NULL, reason,
				 sizeof(reason));
	if (is_tracked)
		uuid_unparse_lower(tracked.generation, generation);
	put_string(o, "device", device_name(disk_key, name, sizeof(name)));
	put_u64(o, "size", d.nr_sect << SECT_SHIFT);
	put_u64(o, "granularity", 1ull << tracked.block_shift);
	put_string(o, "generation", generation);
	put_u64(o, "first_epoch", tracked.first_epoch);
	put_u64(o, "epoch", view->epoch);
	put_u64(o, "attached_ns", tracked.attached_ns);
	view_put_state(o, "ok", is_doubtful ? reason : NULL);
	put_u64(o, "write_bios", is_gated ? tracked.gate_bios : tracked.queue_bios);
	put_u64(o, "write_bytes", (is_gated ? tracked.gate_sect : tracked.queue_sect) << SECT_SHIFT);
	put_u64(o, "discard_bytes", tracked.discard_sect << SECT_SHIFT);
	put_u64(o, "map_bytes", is_tracked ? tracker_map_bytes(tracked.nr_blk) : 0);
	return o;
}
