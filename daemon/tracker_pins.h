/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is inside a tracker: shared by the files tracker*.c and no others.
 */
#ifndef BPFSNAP_TRACKER_PINS_H
#define BPFSNAP_TRACKER_PINS_H

#include "tracker.h"

enum tracker_map {
	MAP_STATE,
	MAP_DEVICES,
	MAP_MARKS,
	MAP_PROTO,
	MAP_CHECKPOINTS,
	MAP_NR,
};

enum tracker_link {
	LINK_QUEUE,
	LINK_WRITE,
	LINK_SWITCH,
	LINK_NR,
};

/**
 * struct tracker - handles of what is pinned
 * @maps: all open, or all -1 if nothing is loaded
 * @unavailable: why what is pinned could not be adopted; NULL if it could
 */
struct tracker {
	int maps[MAP_NR];
	char *unavailable;
};

extern const char *const tracker_map_names[MAP_NR];
extern const char *const tracker_link_names[LINK_NR];

/** tracker_pin_path - below BPFSNAP_PIN_DIR */
void tracker_pin_path(const char *name, char *ret_path, size_t room);
void tracker_close_maps(struct tracker *tracker);

/** tracker_remove_pins - links first; their programs have stopped when it returns */
void tracker_remove_pins(void);

#endif /* BPFSNAP_TRACKER_PINS_H */
