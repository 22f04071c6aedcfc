/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What do the tracking programs know?  The only owner of BPF objects.
 *
 *   /sys/fs/bpf/bpfsnap/ ── state devices marks marks_proto checkpoints
 *                        └─ link_on_queue [link_on_write link_on_switch]
 *
 * All of it exists from before the first disk is attached until after the last
 * is detached, and never longer: a link keeps the module loaded.  It outlives
 * the daemon; the next one adopts it.
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

/** tracker_new - adopt what is pinned, if anything is. Errors: none but -ENOMEM, see below */
int tracker_new(struct tracker **ret_tracker);
void tracker_free(struct tracker *tracker);
void tracker_freep(struct tracker **tracker);

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
 * tracker_add - make the entries of a disk; marking begins
 * Return: 0, -EEXIST, -E2BIG too many disks, -ENOMEM or another −errno.
 */
int tracker_add(struct tracker *tracker, uint32_t disk_key, uint64_t size_bytes,
		unsigned int block_shift);

/** tracker_remove - forget a disk and its checkpoints. Return: 0 or -ENODEV */
int tracker_remove(struct tracker *tracker, uint32_t disk_key);

/** tracker_epoch - the current epoch. Return: 0 or −errno, -ENODEV if nothing is loaded */
int tracker_epoch(const struct tracker *tracker, uint32_t *ret_epoch);

/** tracker_device - what is known of a disk. Return: 0 or -ENODEV */
int tracker_device(const struct tracker *tracker, uint32_t disk_key,
		   struct bpfsnap_device *ret_device);
int tracker_disks(const struct tracker *tracker, struct keys *ret_keys);

/** struct tracker_links - which programs are attached, and how often the kernel skipped them */
struct tracker_links {
	bool has_write;
	bool has_switch;
	bool has_queue;
	uint64_t write_misses;
	uint64_t queue_misses;
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

/** tracker_map_bytes - memory that the marks of a disk take */
uint64_t tracker_map_bytes(uint64_t nr_blk);

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
int tracker_checkpoint_remove(struct tracker *tracker, uint32_t disk_key, const char *name);
int tracker_checkpoints(const struct tracker *tracker, struct tracker_checkpoint **ret_items,
			size_t *ret_nr);

#endif /* BPFSNAP_TRACKER_H */
