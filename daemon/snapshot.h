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

enum {
	SNAPSHOT_DEVICES_MAX	= 64,		/* BPFSNAP_MAX_DEVICES */
	SNAPSHOT_TIMEOUT_MAX_MS	= 60000,	/* BPFSNAP_MAX_TIMEOUT_MS */
	SNAPSHOT_TIMEOUT_MS	= 5000,		/* unless told */
};

/**
 * struct snapshot_request - what a client asks for
 * @paths: of the devices
 * @storage_dir: for difference storage
 * @checkpoint: a name, or NULL
 */
struct snapshot_request {
	const char *paths[SNAPSHOT_DEVICES_MAX];
	size_t nr_paths;
	const char *storage_dir;
	uint32_t timeout_ms;
	const char *checkpoint;
};

/**
 * struct snapshot_plan - what the kernel is told
 * @id: name of the snapshot
 * @ranges: ranges of one disk stand together, disks on top of a stack first
 * @store_fds: one for each range
 * @freeze: devices whose filesystems are frozen, top of a stack first
 * @epoch: the one that starts
 */
struct snapshot_plan {
	uint8_t id[16];
	struct device ranges[SNAPSHOT_DEVICES_MAX];
	int store_fds[SNAPSHOT_DEVICES_MAX];
	size_t nr_ranges;
	struct keys freeze;
	const char *storage_dir;
	uint32_t timeout_ms;
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
	/** check_storage - does a directory stand on none of the disks? */
	int (*check_storage)(void *ctx, const char *dir, const struct snapshot_plan *plan,
			     struct fault *fault);
	/** open_store - Return: an empty file's descriptor or −errno */
	int (*open_store)(void *ctx, const char *dir, struct fault *fault);
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

/** struct snapshot_kernel - the ops of the real system; its ctx is a struct tracker */
extern const struct snapshot_ops snapshot_kernel_ops;

#endif /* BPFSNAP_SNAPSHOT_H */
