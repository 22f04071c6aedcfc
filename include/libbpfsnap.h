/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How does a backup program use bpfsnap?  libbpfsnap(3) tells the story.
 *
 * Every call returns 0 or more if it worked, else a negative errno; then *@ret_error, if
 * @ret_error is not NULL, says what went wrong with which object, and is to be given to
 * bpfsnap_error_free().  Results are made by the library, and given back by the *_free()
 * of their kind, which takes NULL, too.  Strings in them end with them.
 *
 * A handle may be used by several threads: their calls wait for each other.  Results,
 * iterators and errors belong to one thread at a time.  Nothing here catches signals,
 * starts threads or survives a fork() in the child.
 *
 * Structures that the library makes grow at their end in later releases, so don't copy them
 * or put them into arrays.  Those that callers make begin with their size; use
 * BPFSNAP_INIT.
 */
#ifndef LIBBPFSNAP_H
#define LIBBPFSNAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LIBBPFSNAP_VERSION_MAJOR 0
#define LIBBPFSNAP_VERSION_MINOR 1

/* For options: struct bpfsnap_snapshot_options options = BPFSNAP_INIT(options); */
#define BPFSNAP_INIT(options)	{ .size = sizeof(options) }

/** struct bpfsnap - a connection to bpfsnapd; made anew by itself when that was restarted */
struct bpfsnap;

/* -- Errors ----------------------------------------------------------------------- */

/** enum bpfsnap_reason - the errors of the interface, and those of the library */
enum bpfsnap_reason {
	BPFSNAP_REASON_NONE = 0,
	BPFSNAP_REASON_DEVICE_NOT_FOUND,
	BPFSNAP_REASON_DEVICE_UNSUPPORTED,
	BPFSNAP_REASON_DEVICE_BUSY,
	BPFSNAP_REASON_DEVICE_CHANGED,
	BPFSNAP_REASON_ALREADY_ATTACHED,
	BPFSNAP_REASON_NOT_ATTACHED,
	BPFSNAP_REASON_DRAIN_TIMEOUT,
	BPFSNAP_REASON_FREEZE_FAILED,
	BPFSNAP_REASON_HOOK_FAILED,
	BPFSNAP_REASON_SNAPSHOT_NOT_FOUND,
	BPFSNAP_REASON_SNAPSHOT_BUSY,
	BPFSNAP_REASON_STORAGE_UNSUITABLE,
	BPFSNAP_REASON_GENERATION_CHANGED,
	BPFSNAP_REASON_EPOCH_OUT_OF_RANGE,
	BPFSNAP_REASON_EPOCHS_EXHAUSTED,
	BPFSNAP_REASON_CHECKPOINT_NOT_FOUND,
	BPFSNAP_REASON_CHECKPOINT_EXISTS,
	BPFSNAP_REASON_TOO_MANY_CHECKPOINTS,
	BPFSNAP_REASON_TRACKER_UNAVAILABLE,
	BPFSNAP_REASON_MODULE_UNAVAILABLE,
	BPFSNAP_REASON_SYSTEM_FAILURE,
	BPFSNAP_REASON_KEY_REUSED,
	BPFSNAP_REASON_HANDLE_UNSUITABLE,
	BPFSNAP_REASON_INVALID_PARAMETER = 100,
	BPFSNAP_REASON_PERMISSION_DENIED,
	BPFSNAP_REASON_UNREACHABLE,	/* no daemon, or it went away: the call may have had an effect */
	BPFSNAP_REASON_BAD_REPLY,
	BPFSNAP_REASON_NO_MEMORY,
	BPFSNAP_REASON_OTHER,		/* one that a later daemon has: see bpfsnap_error_name() */
};

struct bpfsnap_error;

enum bpfsnap_reason bpfsnap_error_reason(const struct bpfsnap_error *error);
/** bpfsnap_error_name - "NotAttached", "Unreachable" …; never NULL */
const char *bpfsnap_error_name(const struct bpfsnap_error *error);
/** bpfsnap_error_object - the device, snapshot, path, parameter … in question; "" if there is none */
const char *bpfsnap_error_object(const struct bpfsnap_error *error);
/** bpfsnap_error_message - a sentence for people; never NULL */
const char *bpfsnap_error_message(const struct bpfsnap_error *error);
void bpfsnap_error_free(struct bpfsnap_error *error);

/* -- Connection ------------------------------------------------------------------- */

/**
 * bpfsnap_connect - reach the daemon
 * @socket_path: of its socket; NULL for $BPFSNAP_SOCKET or the usual one
 */
int bpfsnap_connect(const char *socket_path, struct bpfsnap **ret_bpfsnap,
		    struct bpfsnap_error **ret_error);
void bpfsnap_disconnect(struct bpfsnap *bpfsnap);

/* -- Devices ---------------------------------------------------------------------- */

/**
 * struct bpfsnap_device - an attached disk; see type Device in the interface
 * @is_uncertain: lists of changes may lack writes; @reason says why
 */
struct bpfsnap_device {
	const char *device;
	const char *generation;
	const char *cause;
	const char *reason;
	uint64_t size_bytes;
	uint64_t granularity_bytes;
	uint64_t first_epoch;
	uint64_t epoch;
	uint64_t attached_ns;
	uint64_t write_bios;
	uint64_t write_bytes;
	uint64_t discard_bytes;
	uint64_t changed_bytes;
	uint64_t map_bytes;
	bool is_uncertain;
};

/** struct bpfsnap_description - what attaching would take; see method DescribeDevice */
struct bpfsnap_description {
	const char *device;
	const char *disk;
	const char *reason;
	uint64_t size_bytes;
	uint64_t granularity_bytes;
	uint64_t map_bytes;
	bool is_attached;
	bool is_uncertain;
};

/** bpfsnap_device_attach - @granularity_bytes: 0 for the daemon's choice. @ret_device may be NULL */
int bpfsnap_device_attach(struct bpfsnap *bpfsnap, const char *device, uint64_t granularity_bytes,
			  struct bpfsnap_device **ret_device, struct bpfsnap_error **ret_error);
int bpfsnap_device_detach(struct bpfsnap *bpfsnap, const char *device,
			  struct bpfsnap_error **ret_error);
/** bpfsnap_device_list - @ret_devices: ends with NULL. Return: how many */
int bpfsnap_device_list(struct bpfsnap *bpfsnap, struct bpfsnap_device ***ret_devices,
			struct bpfsnap_error **ret_error);
int bpfsnap_device_describe(struct bpfsnap *bpfsnap, const char *device,
			    uint64_t granularity_bytes,
			    struct bpfsnap_description **ret_description,
			    struct bpfsnap_error **ret_error);
void bpfsnap_device_free(struct bpfsnap_device *device);
void bpfsnap_device_list_free(struct bpfsnap_device **devices);
void bpfsnap_description_free(struct bpfsnap_description *description);

/* -- Snapshots -------------------------------------------------------------------- */

/**
 * struct bpfsnap_snapshot_options - see method CreateSnapshot; 0 or NULL: the daemon's choice
 */
struct bpfsnap_snapshot_options {
	size_t size;
	const char *const *devices;
	size_t nr_devices;
	const char *storage;
	const char *checkpoint;
	uint64_t limit_bytes;
	uint64_t memory_bytes;
	uint32_t timeout_ms;
	bool writable;
};

/**
 * struct bpfsnap_snapshot_device - one device of a snapshot; see type SnapshotDevice
 * @image: block device that shows the instant
 * @since: what to pass to bpfsnap_changes_begin() for what changed after this snapshot
 * @error: why the image failed, for good; NULL if it is good
 * @is_uncertain: the list of changes up to the instant may lack writes
 */
struct bpfsnap_snapshot_device {
	const char *device;
	const char *image;
	const char *generation;
	const char *reason;
	const char *error;
	uint64_t disk_offset_bytes;
	uint64_t size_bytes;
	uint64_t since;
	uint64_t copied_bytes;
	uint64_t stored_bytes;
	uint64_t limit_bytes;
	bool is_uncertain;
};

struct bpfsnap_snapshot {
	const char *snapshot;
	uint64_t created_ns;
	uint64_t hold_ns;
	uint64_t memory_bytes;
	size_t nr_devices;
	struct bpfsnap_snapshot_device **devices;
	bool writable;
};

int bpfsnap_snapshot_create(struct bpfsnap *bpfsnap, const struct bpfsnap_snapshot_options *options,
			    struct bpfsnap_snapshot **ret_snapshot, struct bpfsnap_error **ret_error);
int bpfsnap_snapshot_describe(struct bpfsnap *bpfsnap, const char *snapshot,
			      struct bpfsnap_snapshot **ret_snapshot,
			      struct bpfsnap_error **ret_error);
/** bpfsnap_snapshot_list - @ret_snapshots: ends with NULL. Return: how many */
int bpfsnap_snapshot_list(struct bpfsnap *bpfsnap, struct bpfsnap_snapshot ***ret_snapshots,
			  struct bpfsnap_error **ret_error);
int bpfsnap_snapshot_destroy(struct bpfsnap *bpfsnap, const char *snapshot,
			     struct bpfsnap_error **ret_error);
void bpfsnap_snapshot_free(struct bpfsnap_snapshot *snapshot);
void bpfsnap_snapshot_list_free(struct bpfsnap_snapshot **snapshots);

/* -- Epochs, for snapshots that others take ------------------------------------------ */

/** struct bpfsnap_boundary - the end of an epoch on one device; see method AdvanceEpoch */
struct bpfsnap_boundary {
	const char *device;
	const char *generation;
	const char *reason;
	uint64_t since;
	bool is_uncertain;
};

/**
 * bpfsnap_epoch_advance - end the epoch, before the other snapshot is taken
 * @checkpoint: to be made, or NULL
 * @freeze: freeze the filesystems meanwhile
 * @timeout_ms: 0 for the daemon's choice
 * @ret_boundaries: one for each device, and NULL
 *
 * Return: how many.
 */
int bpfsnap_epoch_advance(struct bpfsnap *bpfsnap, const char *const *devices, size_t nr_devices,
			  const char *checkpoint, bool freeze, uint32_t timeout_ms,
			  struct bpfsnap_boundary ***ret_boundaries,
			  struct bpfsnap_error **ret_error);
void bpfsnap_boundary_list_free(struct bpfsnap_boundary **boundaries);

/* -- Changes ---------------------------------------------------------------------- */

/**
 * struct bpfsnap_changes_options - what to ask; see method ListChanges
 * @since: an epoch, if @checkpoint is NULL
 * @generation: if not NULL, must be the device's
 * @page_extents: most extents that are asked for at once; 0 for the daemon's choice
 * @details: tell when each extent changed last, and what was discarded
 */
struct bpfsnap_changes_options {
	size_t size;
	const char *device;
	const char *checkpoint;
	const char *generation;
	uint64_t since;
	uint64_t start_bytes;
	uint32_t page_extents;
	bool details;
};

/**
 * struct bpfsnap_changes_info - what the list is about
 * @is_uncertain: it may lack writes; @reason says why.  Final only after the last extent
 */
struct bpfsnap_changes_info {
	const char *device;
	const char *generation;
	const char *reason;
	uint64_t disk_offset_bytes;
	uint64_t size_bytes;
	uint64_t granularity_bytes;
	uint64_t since;
	uint64_t epoch;
	bool is_uncertain;
};

/** struct bpfsnap_extent - changed bytes; @epoch and @is_discarded with details only */
struct bpfsnap_extent {
	uint64_t offset_bytes;
	uint64_t length_bytes;
	uint64_t epoch;
	bool is_discarded;
};

/** struct bpfsnap_changes - an iterator over changed bytes, in ascending order */
struct bpfsnap_changes;

/**
 * bpfsnap_changes_begin - ask what changed
 *
 * The handle must stay until bpfsnap_changes_end(); other calls on it are possible meanwhile.
 */
int bpfsnap_changes_begin(struct bpfsnap *bpfsnap, const struct bpfsnap_changes_options *options,
			  struct bpfsnap_changes **ret_changes, struct bpfsnap_error **ret_error);
const struct bpfsnap_changes_info *bpfsnap_changes_info(const struct bpfsnap_changes *changes);
/**
 * bpfsnap_changes_next - the next extent
 *
 * Return: 1 with @extent, 0 at the end; a negative errno means that what was told so far is
 * not the whole list.
 */
int bpfsnap_changes_next(struct bpfsnap_changes *changes, struct bpfsnap_extent *extent,
			 struct bpfsnap_error **ret_error);
void bpfsnap_changes_end(struct bpfsnap_changes *changes);

/* -- Checkpoints ------------------------------------------------------------------ */

/** struct bpfsnap_checkpoint - @changed_bytes: UINT64_MAX if its generation has ended */
struct bpfsnap_checkpoint {
	const char *name;
	const char *device;
	const char *generation;
	uint64_t since;
	uint64_t created_ns;
	uint64_t age_ns;
	uint64_t changed_bytes;
};

/** bpfsnap_checkpoint_list - of one device, or of all if it is NULL. Return: how many */
int bpfsnap_checkpoint_list(struct bpfsnap *bpfsnap, const char *device,
			    struct bpfsnap_checkpoint ***ret_checkpoints,
			    struct bpfsnap_error **ret_error);
int bpfsnap_checkpoint_commit(struct bpfsnap *bpfsnap, const char *device, const char *name,
			      uint64_t since, const char *generation,
			      struct bpfsnap_error **ret_error);
int bpfsnap_checkpoint_remove(struct bpfsnap *bpfsnap, const char *device, const char *name,
			      struct bpfsnap_error **ret_error);
void bpfsnap_checkpoint_list_free(struct bpfsnap_checkpoint **checkpoints);

#ifdef __cplusplus
}
#endif

#endif /* LIBBPFSNAP_H */
