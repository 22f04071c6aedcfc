/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How do the kernel's and the programs' views of a disk go together?
 */
#ifndef BPFSNAP_VIEW_H
#define BPFSNAP_VIEW_H

#include "kctl.h"
#include "tracker.h"

enum {
	VIEW_REASON_MAX = 768,
};

/**
 * struct view - one look at all disks
 * @origins: of the module; none without one
 * @disks: of the tracker and of the module
 */
struct view {
	struct tracker *tracker;
	struct bpfsnap_origin_info *origins;
	size_t nr_origins;
	struct keys disks;
	struct tracker_links links;
	uint32_t epoch;
};

int view_take(struct tracker *tracker, struct view *ret_view);
void view_done(struct view *view);

/** view_has_gate - has the module a gate before the disk? */
bool view_has_gate(const struct view *view, uint32_t disk_key);

/**
 * view_doubt - why may what is known of a disk be incomplete?
 * @tracked: its entry; NULL if there is none
 */
bool view_doubt(const struct view *view, uint32_t disk_key, const struct bpfsnap_device *tracked,
		char *ret_reason, size_t room);

/** view_device - a disk as the interface's type Device */
struct json_object *view_device(const struct view *view, uint32_t disk_key);

/** view_put_state - "state" and "reason" of an answer */
void view_put_state(struct json_object *o, const char *good, const char *reason);

#endif /* BPFSNAP_VIEW_H */
