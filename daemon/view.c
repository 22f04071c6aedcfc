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
#include <string.h>
#include <time.h>

#include <uuid/uuid.h>

#include "device.h"
#include "doubt.h"
#include "generation.h"
#include "methods.h"

enum {
	SECT_SHIFT = 9,
	FORGIVE_NS = 1000000000,	/* longer than a write may be on its way, but not counted */
};

static int64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void watch(const struct view *view, uint32_t disk_key);

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
	v.boot_offset_ns = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_BOOTTIME);
	tracker_links(tracker, &v.links);
	for (size_t i = 0; i < v.disks.nr; i++)
		if (!tracker_is_attaching(tracker, v.disks.items[i]))
			watch(&v, v.disks.items[i]);
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

bool view_has_gate(const struct view *view, uint32_t disk_key)
{
	return kctl_find_origin(view->origins, view->nr_origins, disk_key) != NULL;
}

/*
 * The kernel counts skipped runs per program, not per disk.  The gate's count
 * clears a disk: if no write passed between two looks at it, and the program
 * counted the same in between, then none of this disk's writes was skipped.
 */
static bool is_count_equal(const struct view *view, uint32_t disk_key,
			   const struct bpfsnap_device *tracked)
{
	_cleanup_(freep) struct bpfsnap_origin_info *before = NULL, *after = NULL;
	const struct bpfsnap_origin_info *a, *b;
	struct bpfsnap_stripe sum;
	size_t nr_before, nr_after;

	if (kctl_origins(&before, &nr_before) < 0)
		return false;
	tracker_totals(view->tracker, disk_key, &sum);
	if (kctl_origins(&after, &nr_after) < 0)
		return false;
	a = kctl_find_origin(before, nr_before, disk_key);
	b = kctl_find_origin(after, nr_after, disk_key);
	return a && b && a->gate_bios == b->gate_bios &&
	       a->gate_bios == sum.gate_bios + tracked->gap_bios &&
	       a->gate_sect == sum.gate_sect + tracked->gap_sect;
}

/* As the kernel counts: whoever waits for a request waits for one that is counted. */
static bool is_idle(uint32_t disk_key, const struct reach *reach)
{
	uint64_t reads, writes;

	return reach->counts_inflight && reach_inflight(disk_key, &reads, &writes) == 0 &&
	       reads == 0 && writes == 0;
}

/* The gate's count says of each run of on_write that was skipped whether it matters. */
static void forgive_gate(const struct view *view, uint32_t disk_key,
			 const struct bpfsnap_device *tracked, struct doubt_misses *misses)
{
	enum { WRITE = BPFSNAP_CHANNEL_WRITE };

	if (misses->before[WRITE] == misses->again[WRITE] ||
	    !is_count_equal(view, disk_key, tracked))
		return;
	misses->before[WRITE] = misses->now[WRITE] = misses->again[WRITE];
	tracker_trust(view->tracker, disk_key, misses->before);
}

/*
 * What was skipped before an earlier look: a write of that time is done, or it would be
 * counted as in flight by now.
 */
static void forgive(const struct view *view, uint32_t disk_key, const struct doubt_disk *disk,
		    bool idle, const uint64_t now[BPFSNAP_CHANNEL_NR])
{
	struct tracker_look earlier;
	uint32_t epoch;

	if (disk->is_gated && disk->is_settled) {
		/* Nothing but on_write counts, until there is a boundary. */
		tracker_trust(view->tracker, disk_key, now);
	} else if (tracker_earlier(view->tracker, disk_key, &earlier)) {
		if ((uint64_t)clock_ns(CLOCK_MONOTONIC) < earlier.ns + FORGIVE_NS)
			return;
		if (doubt_forgives(disk, idle))
			tracker_trust(view->tracker, disk_key, earlier.misses);
		if (idle && tracker_epoch(view->tracker, &epoch) == 0 && epoch == earlier.epoch)
			tracker_settled(view->tracker, disk_key);
	}
	tracker_note_look(view->tracker, disk_key, now);
}

/* Were runs skipped that may have cost a mark? */
static void watch_misses(const struct view *view, uint32_t disk_key, const struct reach *reach)
{
	struct doubt_disk disk = {
		.is_gated = view_has_gate(view, disk_key),
		.takes_requests = reach->takes_requests,
		.has_resender = reach->has_resender,
		.needs_issue = reach->needs_issue,
	};
	struct doubt_misses misses;
	struct bpfsnap_device tracked;
	struct tracker_links again;
	bool idle;

	if (tracker_device(view->tracker, disk_key, &tracked) < 0)
		return;
	disk.is_settled = tracked.is_settled;
	/* Whatever is done by now was skipped, if it was, before it is counted again. */
	idle = disk.takes_requests && is_idle(disk_key, reach);
	tracker_links(view->tracker, &again);
	memcpy(misses.before, tracked.misses, sizeof(misses.before));
	memcpy(misses.now, view->links.misses, sizeof(misses.now));
	memcpy(misses.again, again.misses, sizeof(misses.again));
	if (memcmp(misses.before, misses.again, sizeof(misses.before)) == 0 &&
	    (disk.is_settled || !disk.takes_requests))
		return;
	if (disk.is_gated)
		forgive_gate(view, disk_key, &tracked, &misses);
	if (!doubt_missed(&misses, &disk)) {
		forgive(view, disk_key, &disk, idle, misses.now);
		return;
	}
	tracker_doubt(view->tracker, disk_key, BPFSNAP_DOUBT_MISSED);
	/* The doubt is of this epoch; what is on its way may have been skipped for already. */
	if (!disk.is_gated)
		tracker_unsettled(view->tracker, disk_key);
	tracker_trust(view->tracker, disk_key, misses.now);
	tracker_note_look(view->tracker, disk_key, misses.now);
}

void view_drained(struct tracker *tracker, uint32_t disk_key, uint32_t ended)
{
	struct doubt_disk disk = { .is_gated = true };
	struct bpfsnap_device tracked;
	struct doubt_misses misses;
	struct tracker_links links;
	struct reach reach;

	if (tracker_device(tracker, disk_key, &tracked) < 0 || tracked.is_settled)
		return;
	reach_look(disk_key, true, &reach);
	disk.takes_requests = reach.takes_requests;
	tracker_links(tracker, &links);
	memcpy(misses.before, tracked.misses, sizeof(misses.before));
	memcpy(misses.now, links.misses, sizeof(misses.now));
	memcpy(misses.again, links.misses, sizeof(misses.again));
	/* Of on_write there is more to tell, at the next look. */
	misses.before[BPFSNAP_CHANNEL_WRITE] = links.misses[BPFSNAP_CHANNEL_WRITE];
	if (doubt_missed(&misses, &disk))
		tracker_doubt_in(tracker, disk_key, BPFSNAP_DOUBT_MISSED, ended);
	tracker_settled(tracker, disk_key);
}

static void watch(const struct view *view, uint32_t disk_key)
{
	struct reach reach;

	reach_look(disk_key, view_has_gate(view, disk_key), &reach);
	generation_check(view->tracker, disk_key, &reach);
	for (int i = 0; i < BPFSNAP_DOUBT_NR; i++)
		if (reach.doubts & 1u << i)
			tracker_doubt(view->tracker, disk_key, (enum bpfsnap_doubt_reason)i);
	watch_misses(view, disk_key, &reach);
}

bool view_doubt_since(const struct view *view, uint32_t disk_key,
		      const struct bpfsnap_device *tracked, int64_t since, char *ret_reason,
		      size_t room)
{
	struct doubt_facts facts = {
		.device = tracked,
		.since = since,
		.boot_offset_ns = view->boot_offset_ns,
		.has_switch = view->links.has_switch,
		.is_gated = view_has_gate(view, disk_key),
	};
	struct reach reach;

	if (!tracked) {
		snprintf(ret_reason, room,
			 "The module has its gate before the device, but nothing tracks it: detach and attach it again.");
		return true;
	}
	reach_look(disk_key, facts.is_gated, &reach);
	facts.reach = reach.text;
	memcpy(facts.has, view->links.has, sizeof(facts.has));
	return doubt_text(&facts, ret_reason, room);
}

bool view_doubt(const struct view *view, uint32_t disk_key, const struct bpfsnap_device *tracked,
		char *ret_reason, size_t room)
{
	return view_doubt_since(view, disk_key, tracked, -1, ret_reason, room);
}

static struct json_object *show_doubts(const struct view *view, const struct bpfsnap_device *d)
{
	struct json_object *list = json_object_new_array();

	for (int i = 0; i < BPFSNAP_DOUBT_NR; i++) {
		const struct bpfsnap_doubt *doubt = &d->doubts[i];
		char text[256], comm[BPFSNAP_COMM + 1];
		struct json_object *o;

		if (!(d->uncertain & 1u << i))
			continue;
		o = json_object_new_object();
		doubt_one(d, (enum bpfsnap_doubt_reason)i, view->boot_offset_ns, text, sizeof(text));
		snprintf(comm, sizeof(comm), "%.*s", BPFSNAP_COMM, doubt->comm);
		put_string(o, "kind", doubt_name((enum bpfsnap_doubt_reason)i));
		put_string(o, "reason", text);
		put_u64(o, "count", doubt->count);
		put_u64(o, "epoch", doubt->epoch);
		put_u64(o, "last_ns", (uint64_t)((int64_t)doubt->boot_ns + view->boot_offset_ns));
		put_string(o, "command", i == BPFSNAP_DOUBT_UNLOCATED && *comm ? comm : NULL);
		if (doubt->opcode & BPFSNAP_OPCODE_KNOWN)
			put_u64(o, "opcode", doubt->opcode & 0xff);
		json_object_array_add(list, o);
	}
	return list;
}

/* Blocks that changed since the current epoch started, or since the history did. */
static uint64_t changed_blk_now(const struct view *view, uint32_t disk_key, uint64_t total)
{
	_cleanup_(freep) struct bpfsnap_history *history = malloc(sizeof(*history));
	const struct bpfsnap_start *start;

	if (!history || tracker_history(view->tracker, disk_key, history) < 0)
		return total;
	start = &history->start[view->epoch % BPFSNAP_HISTORY_EPOCHS];
	return start->epoch == view->epoch && total >= start->changed_blk ?
	       total - start->changed_blk : total;
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
	char reason[VIEW_REASON_MAX], name[DEVICE_NAME_MAX], generation[37] = "", previous[37];
	struct bpfsnap_stripe sum;
	struct device d = { 0 };
	bool is_doubtful;

	(void)device_get(disk_key, &d);
	is_doubtful = view_doubt(view, disk_key, is_tracked ? &tracked : NULL, reason,
				 sizeof(reason));
	if (is_tracked)
		uuid_unparse_lower(tracked.generation, generation);
	uuid_unparse_lower(tracked.previous, previous);
	tracker_totals(view->tracker, disk_key, &sum);
	put_string(o, "device", device_name(disk_key, name, sizeof(name)));
	put_u64(o, "size", d.nr_sect << SECT_SHIFT);
	put_u64(o, "granularity", 1ull << tracked.block_shift);
	put_string(o, "generation", generation);
	put_string(o, "cause", generation_cause(&tracked));
	put_u64(o, "began_ns", tracked.began_ns);
	put_string(o, "previous", uuid_is_null(tracked.previous) ? NULL : previous);
	put_u64(o, "first_epoch", tracked.first_epoch);
	put_u64(o, "epoch", view->epoch);
	put_u64(o, "attached_ns", tracked.attached_ns);
	view_put_state(o, "ok", is_doubtful ? reason : NULL);
	json_object_object_add(o, "doubts", show_doubts(view, &tracked));
	put_u64(o, "write_bios", sum.queue_bios);
	put_u64(o, "write_bytes", sum.queue_sect << SECT_SHIFT);
	put_u64(o, "discard_bytes", sum.discard_sect << SECT_SHIFT);
	put_u64(o, "changed_bytes", changed_blk_now(view, disk_key, sum.changed_blk)
				    << tracked.block_shift);
	put_u64(o, "map_bytes", is_tracked ? tracker_map_bytes(tracked.nr_blk) : 0);
	return o;
}
