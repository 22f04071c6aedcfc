/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What stands on a block device, and what does one stand on?
 *
 *   file system ── loop device ── file ── file system ── dm, md ── partition ── disk
 *       top                                                                  bottom
 */
#ifndef BPFSNAP_STACK_H
#define BPFSNAP_STACK_H

#include "device.h"

/**
 * struct chain - a whole disk below something, and the way to it in words
 * @is_journal: only what the filesystem does for itself lands there
 */
struct chain {
	uint32_t disk_key;
	bool is_journal;
	char text[512];
};

struct chains {
	struct chain *items;
	size_t nr;
};

void chains_done(struct chains *chains);

/**
 * stack_above - the devices whose filesystems hold data of some devices
 * @targets: disks and partitions
 * @ret_keys: these and all that stands on them, top of the stack first
 *
 * Return: 0 or -errno.
 */
int stack_above(const uint32_t *targets, size_t nr_targets, struct keys *ret_keys);

/**
 * stack_below - the whole disks that a device stands on, itself first
 *
 * Return: 0 or -errno; -EOPNOTSUPP if that cannot be known.
 */
int stack_below(uint32_t key, struct chains *ret_chains);

/**
 * stack_below_filesystem - the whole disks that a filesystem stands on
 * @keys: the devices of which it is made
 *
 * Return: as stack_below().
 */
int stack_below_filesystem(const struct keys *keys, struct chains *ret_chains);

/**
 * stack_below_path - the whole disks that a file's filesystem stands on
 *
 * A filesystem in memory stands on none.  After these come the disks that only its journal
 * stands on.
 *
 * Errors: StorageUnsuitable.
 */
int stack_below_path(const char *path, struct chains *ret_chains, struct fault *fault);

#endif /* BPFSNAP_STACK_H */
