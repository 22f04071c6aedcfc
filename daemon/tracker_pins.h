/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is inside a tracker: shared by the files tracker*.c and no others.
 */
#ifndef BPFSNAP_TRACKER_PINS_H
#define BPFSNAP_TRACKER_PINS_H

#include <pthread.h>

#include "tracker.h"

enum tracker_map {
	MAP_STATE,
	MAP_EPOCHS,
	MAP_DISKS,
	MAP_DEVICES,
	MAP_COUNTERS,
	MAP_HISTORY,
	MAP_WRITERS,
	MAP_MARKS,
	MAP_PROTO,
	MAP_CHECKPOINTS,
	MAP_NR,
};

/* Those of the module last: there may be none. */
enum tracker_link {
	LINK_QUEUE,
	LINK_AGAIN,
	LINK_REMAP,
	LINK_ISSUE,
	LINK_DONE,
	LINK_DONE_AGAIN,
	LINK_WRITE,
	LINK_SWITCH,
	LINK_NR,
};

/**
 * struct tracker - handles of what is pinned
 * @dir: where
 * @mark_limit: for tests, fewer marks than there are
 * @maps: all open, or all -1 if nothing is loaded
 * @state, @epochs, @disks: mapped, or NULL
 * @devices, @counters, @history, @writers: mapped, BPFSNAP_TRACK_DEVICES of each
 * @unavailable: why what is pinned could not be adopted; NULL if it could
 * @attaching: disk that is tracked, but not attached yet or any more; 0 for none
 * @looks: by slot, for whom they are worth it
 * @turn, @marks_lock, @lock: see tracker.h
 */
struct tracker {
	pthread_mutex_t turn;
	pthread_rwlock_t marks_lock;
	pthread_mutex_t lock;
	const char *dir;
	uint32_t mark_limit;
	int maps[MAP_NR];
	struct bpfsnap_state *state;
	struct bpfsnap_epochs *epochs;
	struct bpfsnap_disks *disks;
	struct bpfsnap_device *devices;
	struct bpfsnap_counters *counters;
	struct bpfsnap_history *history;
	struct bpfsnap_writers *writers;
	char *unavailable;
	uint32_t attaching;
	struct tracker_look looks[BPFSNAP_TRACK_DEVICES];
};

extern const char *const tracker_map_names[MAP_NR];
extern const char *const tracker_link_names[LINK_NR];

/* Of the programs that are attached when the daemon moves the epoch for the first time. */
#define TRACKER_DONE_PROGRAM		"prog_on_done"
#define TRACKER_DONE_AGAIN_PROGRAM	"prog_on_done_again"

/** tracker_pin_path - below the tracker's directory */
void tracker_pin_path(const struct tracker *tracker, const char *name, char *ret_path,
		      size_t room);

/**
 * tracker_open_maps - open and map what is pinned
 * Return: 0, -ENOENT if it is not whole, -EPROTO if it is of another release, or -errno
 */
int tracker_open_maps(struct tracker *tracker);
void tracker_close_maps(struct tracker *tracker);

/** tracker_remove_pins - links first; their programs have stopped when it returns */
void tracker_remove_pins(struct tracker *tracker);

/** tracker_find - a disk's entry and slot, or NULL */
struct bpfsnap_device *tracker_find(const struct tracker *tracker, uint32_t disk_key,
				    uint32_t *ret_slot);

/** tracker_is_found - do the programs find a disk that has a slot? */
bool tracker_is_found(const struct tracker *tracker, uint32_t disk_key);

/** tracker_open_marks - the map of a slot's marks. Return: a handle or -errno */
int tracker_open_marks(const struct tracker *tracker, uint32_t slot);

/** tracker_note_start - write down where the counters stand at the start of the epoch */
void tracker_note_start(const struct tracker *tracker, uint32_t slot);

void tracker_locks_init(struct tracker *tracker);
void tracker_locks_done(struct tracker *tracker);

/**
 * tracker_marks_change - keep readers away from the marks
 *
 * Context: with the turn and the lock, which is given up for a while.
 */
void tracker_marks_change(struct tracker *tracker);
void tracker_marks_changed(struct tracker *tracker);

/** tracker_recover - after a daemon that died while it renumbered */
void tracker_recover(struct tracker *tracker);

/* The word that programs may write at the same time. */
static inline uint32_t load_u32(const __u32 *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static inline void store_u32(__u32 *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

#endif /* BPFSNAP_TRACKER_PINS_H */
