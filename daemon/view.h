/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How do the kernel's and the programs' views of a disk go together?
 */
#ifndef BPFSNAP_VIEW_H
#define BPFSNAP_VIEW_H

#include "kctl.h"
#include "tracker.h"

enum {
	VIEW_REASON_MAX = 1280,
};

/**
 * struct view - one look at all disks
 * @origins: of the module; none without one
 * @disks: of the tracker and of the module
 * @boot_offset_ns: wall clock minus CLOCK_BOOTTIME
 */
struct view {
	struct tracker *tracker;
	struct bpfsnap_origin_info *origins;
	size_t nr_origins;
	struct keys disks;
	struct tracker_links links;
	uint32_t epoch;
	int64_t boot_offset_ns;
};

/**
 * view_take - look at all
 *
 * What is found out by it is written down: histories that do not continue begin anew,
 * runs of programs that were skipped become doubts.
 */
int view_take(struct tracker *tracker, struct view *ret_view);
void view_done(struct view *view);

/**
 * view_drained - by a snapshot of ours nothing was in flight to a disk
 * @ended: the epoch that ended then: a doubt about what was in flight at an earlier boundary
 *         is of this one, and not of those that the snapshot began
 */
void view_drained(struct tracker *tracker, uint32_t disk_key, uint32_t ended);

/** view_has_gate - has the module a gate before the disk? */
bool view_has_gate(const struct view *view, uint32_t disk_key);

/**
 * view_doubt_since - why may what is known of a disk be incomplete?
 * @tracked: its entry; NULL if there is none
 * @since: of interest are doubts of later epochs; -1 for all of its history
 */
bool view_doubt_since(const struct view *view, uint32_t disk_key,
		      const struct bpfsnap_device *tracked, int64_t since, char *ret_reason,
		      size_t room);

/** view_doubt - the same for all of its history */
bool view_doubt(const struct view *view, uint32_t disk_key, const struct bpfsnap_device *tracked,
		char *ret_reason, size_t room);

/** view_device - a disk as the interface's type Device */
struct json_object *view_device(const struct view *view, uint32_t disk_key);

/** view_put_state - "state" and "reason" of an answer */
void view_put_state(struct json_object *o, const char *good, const char *reason);

#endif /* BPFSNAP_VIEW_H */
