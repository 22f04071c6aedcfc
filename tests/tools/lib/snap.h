/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How does a test program take snapshots and ask for changes, without a process
 * for each?  Over the daemon's socket.  What cannot go wrong in a right product
 * ends the program with a message.
 */
#ifndef _SNAP_H
#define _SNAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { SNAP_DEVICES_MAX = 16, SNAP_TEXT_MAX = 512 };

/**
 * struct snap_device - one device of a snapshot
 * @rdev: of the origin, a disk or a partition
 * @image: path of the block device that shows the instant
 * @since: the epoch that the snapshot ended
 * @state: "verified" or "uncertain", the latter with its reason
 * @error: empty, or why the image failed
 */
struct snap_device {
	dev_t rdev;
	char image[64];
	uint64_t since;
	char state[SNAP_TEXT_MAX];
	char error[SNAP_TEXT_MAX];
};

struct snap {
	char id[40];
	uint64_t hold_ns;
	size_t nr;
	struct snap_device devices[SNAP_DEVICES_MAX];
};

/**
 * struct snap_changes - what changed on a device
 * @sect: per sector of the device, 1 if it is listed
 */
struct snap_changes {
	uint64_t granularity;
	uint64_t nr_sect;
	uint8_t *sect;
	char state[SNAP_TEXT_MAX];
};

/* printf() to stderr, and exit(1). */
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/**
 * struct snap_request - a snapshot of all @paths at one instant
 * @storage: directory or block device for old content, NULL: the daemon's default
 * @memory_bytes, @limit_bytes: most of it in memory, and in all; 0: the daemon's default
 * @writable: do the images take writes?
 */
struct snap_request {
	const char *const *paths;
	size_t nr;
	const char *storage;
	uint64_t memory_bytes, limit_bytes;
	bool writable;
};

/* Return: is there one?  If not, why, in SNAP_TEXT_MAX bytes of @ret_error. */
bool snap_take(const struct snap_request *request, struct snap *ret_snap, char *ret_error);

/* Asks for the states and errors of the devices once more. */
void snap_refresh(struct snap *snap);

void snap_destroy(const struct snap *snap);

/* The device of the snapshot that @rdev is; there must be one. */
const struct snap_device *snap_device(const struct snap *snap, dev_t rdev);

/* What changed on @path since an epoch; @ret_changes->sect is reused, or NULL at first. */
void snap_changes(const char *path, uint64_t since, struct snap_changes *ret_changes);

/* A device's own state, as ListDevices has it, and the writes that were marked. */
void snap_tracking(const char *path, char *ret_state, uint64_t *ret_write_bios);

dev_t rdev_of(const char *path);

#endif /* _SNAP_H */
