/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * In which steps is a snapshot taken, and what undoes each of them?
 *
 * Pure: everything that touches the system goes through struct snapshot_ops.
 */
#ifndef BPFSNAP_SNAPSHOT_H
#define BPFSNAP_SNAPSHOT_H

#include "device.h"
#include "reasons.h"
#include "sysfs.h"

struct tracker;

enum {
	SNAPSHOT_DEVICES_MAX	= 64,		/* BPFSNAP_MAX_DEVICES */
	SNAPSHOT_TIMEOUT_MAX_MS	= 60000,	/* BPFSNAP_MAX_TIMEOUT_MS */
	SNAPSHOT_TIMEOUT_MS	= 5000,		/* unless told */
	SNAPSHOT_GROW_MAX_MS	= 25000,	/* BPFSNAP_MAX_GROW_MS */
};

/**
 * struct snapshot_request - what a client asks for
 * @paths: of the devices
 * @storage: for old content: a directory, or a block device
 * @storage_fd: a handle of it that the client gave, or -1; @storage then names the handle
 * @set_aside: write a file there first, and store in its blocks
 * @checkpoint: a name, or NULL
 * @writable: may the images be written to?
 * @limit_bytes: most old content that is kept for each device, 0 for as much as there is room
 * @memory_bytes: most memory that it takes on its way, 0 for the module's default
 * @low_bytes: tell when the storage has less left; 0: never; -1: when a tenth is left
 * @grow_ms: how long a full storage waits to be extended
 */
struct snapshot_request {
	const char *paths[SNAPSHOT_DEVICES_MAX];
	size_t nr_paths;
	const char *storage;
	int storage_fd;
	bool set_aside;
	uint32_t timeout_ms;
	const char *checkpoint;
	bool writable;
	uint64_t limit_bytes;
	uint64_t memory_bytes;
	int64_t low_bytes;
	uint32_t grow_ms;
};

/** enum snapshot_storage - what kind of place old content goes to */
enum snapshot_storage {
	STORAGE_FILES,	/* an unnamed file for each range */
	STORAGE_DEVICE,	/* one block device for all ranges */
	STORAGE_HANDLE,	/* one empty file that the client opened, for all ranges */
	STORAGE_PINNED,	/* the blocks of one file that was set aside, for all ranges */
};

/**
 * struct snapshot_plan - what the kernel is told
 * @id: name of the snapshot
 * @ranges: ranges of one disk stand together, disks on top of a stack first
 * @store_fds: one for each range, or the same for all
 * @storage_kind: what they are
 * @freeze: devices whose filesystems are frozen, top of a stack first
 * @epoch: the one that starts
 */
struct snapshot_plan {
	uint8_t id[16];
	struct device ranges[SNAPSHOT_DEVICES_MAX];
	int store_fds[SNAPSHOT_DEVICES_MAX];
	size_t nr_ranges;
	enum snapshot_storage storage_kind;
	struct keys freeze;
	const struct snapshot_request *request;
	uint32_t epoch;
};

/**
 * struct snapshot_ops - what a snapshot needs of the system
 *
 * All that return int return 0 or −errno with the fault set, unless said otherwise.
 */
struct snapshot_ops {
	/** resolve - the device that a path means; it must be attached, with a gate */
	int (*resolve)(void *ctx, const char *path, struct device *ret_device,
		       struct fault *fault);
	/** is_above - does one disk stand on another? Return: 1, 0 or −errno */
	int (*is_above)(void *ctx, const struct device *upper, const struct device *lower,
			struct fault *fault);
	/** check_storage - can old content go there? Sets @plan->storage_kind */
	int (*check_storage)(void *ctx, struct snapshot_plan *plan, struct fault *fault);
	/** open_store - Return: a descriptor or −errno */
	int (*open_store)(void *ctx, const struct snapshot_plan *plan, struct fault *fault);
	void (*close_store)(void *ctx, int fd);
	/** next_epoch - the epoch to start */
	int (*next_epoch)(void *ctx, uint32_t *ret_epoch, struct fault *fault);
	/** check_checkpoint - could @nr_new be made, of which this is one? */
	int (*check_checkpoint)(void *ctx, const struct device *device, const char *name,
				size_t nr_new, struct fault *fault);
	/** list_freeze - fill @plan->freeze */
	int (*list_freeze)(void *ctx, struct snapshot_plan *plan, struct fault *fault);
	/** create - the instant */
	int (*create)(void *ctx, struct snapshot_plan *plan, struct fault *fault);
	void (*destroy)(void *ctx, const struct snapshot_plan *plan);
	/** put_checkpoint - remember the epoch that ended */
	int (*put_checkpoint)(void *ctx, const struct device *device, const char *name,
			      uint32_t epoch, struct fault *fault);
	void (*remove_checkpoint)(void *ctx, const struct device *device, const char *name);
};

/**
 * snapshot_take - take a snapshot, or leave everything as it was
 * @id: its name to be
 */
int snapshot_take(const struct snapshot_ops *ops, void *ctx, const uint8_t id[16],
		  const struct snapshot_request *request, struct fault *fault);

/** snapshot_die_in_step - for tests: the process kills itself when this step begins; -1: never */
extern int snapshot_die_in_step;

/**
 * struct snapshot_kernel - what the ops of the real system are given
 * @check: is it still wanted? Return: 0 or -ECANCELED
 * @data: for @check
 */
struct snapshot_kernel {
	struct tracker *tracker;
	int (*check)(const struct snapshot_kernel *kernel);
	const void *data;
};

/** snapshot_kernel_ops - of the real system, with the tracker's turn and lock */
extern const struct snapshot_ops snapshot_kernel_ops;

#endif /* BPFSNAP_SNAPSHOT_H */
