/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What do the tracking programs know?  The only owner of BPF objects.
 *
 *   /sys/fs/bpf/bpfsnap/ ── state epochs disks devices counters history writers
 *                        │  marks marks_proto checkpoints
 *                        └─ link_on_queue link_on_issue
 *                           with the module: link_on_write link_on_switch
 *                           without: link_on_queue_again link_on_remap
 *                           for boundaries without it, and behind commands that were passed
 *                           through: link_on_done link_on_done_again
 *
 * All of it exists from before the first disk is attached until after the last
 * is detached, and never longer: a link keeps the module loaded.  It outlives
 * the daemon; the next one adopts it.
 *
 * Locks, in order of precedence:
 *
 *   turn         held for as long as something goes on that moves the epoch, begins a history,
 *                or adds or removes a disk; at most one thread's
 *   marks        readers and a writer: looking through marks, and changing what they mean
 *   lock         all that is in struct tracker, and the words of the maps that the daemon
 *                writes; held for moments, never while waiting for a disk
 *
 * All functions want the lock, unless said otherwise.  Those that take a tracker which is not
 * const want the turn too; they may give up the lock while they wait.
 */
#ifndef BPFSNAP_TRACKER_H
#define BPFSNAP_TRACKER_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/types.h>

#include "bpfsnap_track.h"
#include "reasons.h"
#include "sysfs.h"

struct tracker;

/** struct tracker_options - @dir: of the pins; @mark_limit: for tests, 0 for none */
struct tracker_options {
	const char *dir;
	uint32_t mark_limit;
};

/** tracker_new - adopt what is pinned, if anything is. Errors: none but -ENOMEM, see below */
int tracker_new(const struct tracker_options *options, struct tracker **ret_tracker);
void tracker_free(struct tracker *tracker);
void tracker_freep(struct tracker **tracker);

void tracker_take_turn(struct tracker *tracker);
/** tracker_try_turn - Return: whether it was free, and is taken now */
bool tracker_try_turn(struct tracker *tracker);
void tracker_give_turn(struct tracker *tracker);
/** tracker_has_turn - has this thread the turn? */
bool tracker_has_turn(void);
void tracker_lock(struct tracker *tracker);
void tracker_unlock(struct tracker *tracker);

/* Between these two marks keep what they mean.  Context: without the lock. */
void tracker_marks_begin(struct tracker *tracker);
void tracker_marks_end(struct tracker *tracker);

/* Do something that may take its time, without the lock. Evaluates to what it returns. */
#define TRACKER_WAIT(tracker_, call_)				\
	({							\
		tracker_unlock(tracker_);			\
		__auto_type waited_ = (call_);			\
		tracker_lock(tracker_);				\
		waited_;					\
	})

/** tracker_set_attaching - a disk that is tracked, but not attached yet or any more; 0 for none */
void tracker_set_attaching(struct tracker *tracker, uint32_t disk_key);
bool tracker_is_attaching(const struct tracker *tracker, uint32_t disk_key);

/** tracker_check - could what is pinned be adopted? Errors: TrackerUnavailable */
int tracker_check(const struct tracker *tracker, struct fault *fault);

/** tracker_is_loaded - is any disk attached? */
bool tracker_is_loaded(const struct tracker *tracker);

/** tracker_is_gated - were the module's programs loaded too? False if nothing is loaded */
bool tracker_is_gated(const struct tracker *tracker);

/**
 * tracker_load - load, pin and attach the programs, if they are not
 * @with_module: those of the module's tracepoints too
 *
 * Errors: TrackerUnavailable.
 */
int tracker_load(struct tracker *tracker, bool with_module, struct fault *fault);

/** tracker_unload_idle - take everything away if no disk is attached */
void tracker_unload_idle(struct tracker *tracker);

/**
 * struct tracker_disk - what a history is begun with
 * @size_bytes: of the disk
 * @diskseq: of the disk
 * @zone_sect: sectors in a zone, or 0
 * @transport: how passed-through commands are read
 * @cause: why it begins
 */
struct tracker_disk {
	uint64_t size_bytes;
	uint64_t diskseq;
	uint32_t zone_sect;
	enum bpfsnap_transport transport;
	enum bpfsnap_cause cause;
};

/**
 * tracker_add - make the entries of a disk; marking begins
 * Return: 0, -EEXIST, -E2BIG too many disks, -ENOMEM or another −errno.
 */
int tracker_add(struct tracker *tracker, uint32_t disk_key, const struct tracker_disk *disk,
		unsigned int block_shift);

/** tracker_renew - begin a new history of an attached disk, in a new epoch */
int tracker_renew(struct tracker *tracker, uint32_t disk_key, const struct tracker_disk *disk);

/** tracker_remove - forget a disk and its checkpoints. Return: 0 or -ENODEV */
int tracker_remove(struct tracker *tracker, uint32_t disk_key);

/** tracker_device - what is known of a disk. Return: 0 or -ENODEV */
int tracker_device(const struct tracker *tracker, uint32_t disk_key,
		   struct bpfsnap_device *ret_device);
int tracker_disks(const struct tracker *tracker, struct keys *ret_keys);

/** tracker_totals - the sums of a disk's counters; zeros if there is no such disk */
void tracker_totals(const struct tracker *tracker, uint32_t disk_key,
		    struct bpfsnap_stripe *ret_sum);

/** tracker_history - where they stood when epochs started. Return: 0 or -ENODEV */
int tracker_history(const struct tracker *tracker, uint32_t disk_key,
		    struct bpfsnap_history *ret_history);
int tracker_writers(const struct tracker *tracker, uint32_t disk_key,
		    struct bpfsnap_writers *ret_writers);

/** tracker_doubt - a reason to doubt that the programs can't see */
void tracker_doubt(const struct tracker *tracker, uint32_t disk_key,
		   enum bpfsnap_doubt_reason reason);

/** tracker_doubt_in - the same, of an epoch that has ended */
void tracker_doubt_in(const struct tracker *tracker, uint32_t disk_key,
		      enum bpfsnap_doubt_reason reason, uint32_t epoch);

/** tracker_trust - from here on, misses count anew */
void tracker_trust(const struct tracker *tracker, uint32_t disk_key,
		   const uint64_t misses[BPFSNAP_CHANNEL_NR]);

/**
 * struct tracker_look - how often programs had been skipped at an earlier look at a disk
 * @generation: of the disk then
 * @ns: CLOCK_MONOTONIC; 0 if there was none
 * @epoch: which was the current one
 */
struct tracker_look {
	uint8_t generation[16];
	uint64_t ns;
	uint32_t epoch;
	uint64_t misses[BPFSNAP_CHANNEL_NR];
};

/** tracker_earlier - the look that was noted of a disk. Return: whether there is one, in this history */
bool tracker_earlier(const struct tracker *tracker, uint32_t disk_key,
		     struct tracker_look *ret_look);

/** tracker_note_look - this daemon's look, for later */
void tracker_note_look(struct tracker *tracker, uint32_t disk_key,
		       const uint64_t misses[BPFSNAP_CHANNEL_NR]);

/** tracker_epoch - the current epoch. Return: 0 or −errno, -ENODEV if nothing is loaded */
int tracker_epoch(const struct tracker *tracker, uint32_t *ret_epoch);

/**
 * tracker_next_epoch - make room for another epoch, and tell its number
 *
 * Whoever moves the epoch must have called this before: it renumbers the marks when
 * they are used up.
 *
 * Return: 0, -EOVERFLOW if there are no epochs left, or -errno.
 */
int tracker_next_epoch(struct tracker *tracker, uint32_t *ret_epoch);

/**
 * tracker_advance - end the epoch without the module
 * @is_boundary: someone will ask for what changed since
 *
 * Writes that are in flight are marked in the epoch that ends.  At a boundary, requests
 * are marked again when they are issued and when they complete; bios of disks without
 * requests are not, and must be waited for.
 *
 * Return: 0, -EOVERFLOW or -errno.
 */
int tracker_advance(struct tracker *tracker, bool is_boundary, uint32_t *ret_ended);

/** tracker_settled - nothing is in flight any more that was at the last boundary */
void tracker_settled(const struct tracker *tracker, uint32_t disk_key);

/** tracker_unsettled - something may be in flight of which it is not known who has seen it */
void tracker_unsettled(const struct tracker *tracker, uint32_t disk_key);

/** tracker_barrier - wait until no program runs that began before. Return: 0 or -errno */
int tracker_barrier(struct tracker *tracker);

/**
 * tracker_watch_done - from now on, requests that were in flight at a boundary are
 * marked again when they complete; stays so. Return: 0 or -errno
 */
int tracker_watch_done(struct tracker *tracker);

/**
 * tracker_watch_passed - see commands land that were passed through in an epoch
 * @ended: the epoch, which ends, or has ended already
 *
 * Only where there were any: all else does without programs at completions.  Called before
 * the epoch moves, and after: where the first call was too early, what was issued in between
 * counts as having landed.
 *
 * Return: 0 or -errno
 */
int tracker_watch_passed(struct tracker *tracker, uint32_t ended);

/**
 * tracker_since_mark - what changed later than an epoch has a mark > the one returned
 *
 * True until tracker_marks_end().
 */
uint32_t tracker_since_mark(const struct tracker *tracker, uint32_t since);

/** tracker_epoch_of - the last epoch that a mark may stand for */
uint32_t tracker_epoch_of(const struct tracker *tracker, uint32_t mark);

/**
 * struct tracker_links - which programs are attached, and how often the kernel skipped them
 * @misses: by channel; 0 for those that are not attached
 */
struct tracker_links {
	bool has[BPFSNAP_CHANNEL_NR];
	bool has_switch;
	uint64_t misses[BPFSNAP_CHANNEL_NR];
};

void tracker_links(const struct tracker *tracker, struct tracker_links *ret_links);

/** struct tracker_marks - the marks of a disk, mapped; they outlive its detach */
struct tracker_marks {
	const struct bpfsnap_page *pages;
	size_t len_bytes;
};

int tracker_marks(const struct tracker *tracker, uint32_t disk_key, uint64_t nr_blk,
		  struct tracker_marks *ret_marks);
void tracker_marks_done(struct tracker_marks *marks);

/** tracker_mark_dirty - mark blocks as changed now; safe beside running programs */
int tracker_mark_dirty(struct tracker *tracker, uint32_t disk_key, uint64_t first_blk,
		       uint64_t last_blk);

/** tracker_map_bytes - memory that the marks of a disk take */
uint64_t tracker_map_bytes(uint64_t nr_blk);

/** tracker_base_bytes - memory that tracking takes for all disks together, besides marks */
uint64_t tracker_base_bytes(void);

/* Checkpoints.  -ENOENT no such, -EEXIST there is one already, -E2BIG no room. */
struct tracker_checkpoint {
	struct bpfsnap_checkpoint_key key;
	struct bpfsnap_checkpoint value;
};

bool tracker_checkpoint_name_ok(const char *name);
int tracker_checkpoint_get(const struct tracker *tracker, uint32_t disk_key, const char *name,
			   struct bpfsnap_checkpoint *ret_checkpoint);
int tracker_checkpoint_put(struct tracker *tracker, uint32_t disk_key, const char *name,
			   uint32_t epoch, uint64_t created_ns);
/** tracker_checkpoint_move - make it, or give it another epoch */
int tracker_checkpoint_move(struct tracker *tracker, uint32_t disk_key, const char *name,
			    uint32_t epoch, uint64_t created_ns);
int tracker_checkpoint_remove(struct tracker *tracker, uint32_t disk_key, const char *name);
int tracker_checkpoints(const struct tracker *tracker, struct tracker_checkpoint **ret_items,
			size_t *ret_nr);

#endif /* BPFSNAP_TRACKER_H */
