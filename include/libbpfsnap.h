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
	BPFSNAP_REASON_TOO_MANY_FILES,	/* this process can't have another file descriptor */
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
/**
 * bpfsnap_generation_renew - begin a new history, and with it a full backup; root only
 * @ret_device: may be NULL
 *
 * What was in doubt is forgotten, and so is all that changed.
 *
 * Errors: DeviceNotFound, NotAttached, TrackerUnavailable, PermissionDenied.
 */
int bpfsnap_generation_renew(struct bpfsnap *bpfsnap, const char *device,
			     struct bpfsnap_device **ret_device, struct bpfsnap_error **ret_error);
/**
 * bpfsnap_device_mark_dirty - let a range count as changed now, in whole blocks; root only
 * @offset_bytes: within the device, which may be a partition
 * @length_bytes: 1 at least, and not beyond the device
 *
 * Errors: DeviceNotFound, NotAttached, TrackerUnavailable, PermissionDenied, SystemFailure;
 * InvalidParameter of "offset" or "length".
 */
int bpfsnap_device_mark_dirty(struct bpfsnap *bpfsnap, const char *device, uint64_t offset_bytes,
			      uint64_t length_bytes, struct bpfsnap_error **ret_error);
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

/** enum bpfsnap_snapshot_flag - more of what CreateSnapshot can be asked for, by its name there */
enum bpfsnap_snapshot_flag {
	BPFSNAP_SNAPSHOT_SET_ASIDE = 1 << 0,
};

/**
 * struct bpfsnap_snapshot_options - see method CreateSnapshot; 0 or NULL: the daemon's choice
 * @lease_s: seconds after which it is destroyed unless bpfsnap_lease_renew() is called; 0: none
 * @key: name of the request, of 1 to 128 bytes: who does not know what became of one asks again
 * @bound: destroy it when the connection of this handle ends: with bpfsnap_disconnect(), the
 *         process, the daemon, or possibly a call on the handle that fails with one of the
 *         reasons Unreachable, BadReply or NoMemory.  A later call connects again, but the
 *         snapshot is gone.  A child of fork() that has not called exec() keeps the connection
 * @confirmed: destroy it if this process is gone before it has received the reply
 * @flags: of enum bpfsnap_snapshot_flag
 * @low_bytes: send the event "low-space" when less is left of the storage; 0: when a tenth is;
 *             UINT64_MAX: never
 * @grow_ms: up to 25000: how long a full storage waits for bpfsnap_storage_extend(), or for its
 *           filesystem to have room, before the images fail
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
	/* Added later.  The widest comes first: else it may be in what was padding. */
	uint64_t lease_s;
	const char *key;
	bool bound;
	bool confirmed;
	/* Later still: wide, for the same reason. */
	uint64_t flags;
	uint64_t low_bytes;
	uint64_t grow_ms;
};

/**
 * struct bpfsnap_snapshot_device - one device of a snapshot; see type SnapshotDevice
 * @image: block device that shows the instant
 * @since: what to pass to bpfsnap_changes_begin() for what changed after this snapshot
 * @error: the errno for which the image failed, for good, as a text; NULL if it is good
 * @is_uncertain: the list of changes up to the instant may lack writes
 * @failure: why it failed, a word of those that type SnapshotDevice lists; NULL if it is good
 * @failed_ns: when, since 1970; 0 if it is good
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
	const char *failure;
	uint64_t failed_ns;
};

/**
 * struct bpfsnap_snapshot - see type Snapshot
 * @key: or NULL
 * @lease_s: seconds; 0 if it has no lease
 * @expires_ns: when the lease ends if nobody renews it, since 1970; 0 if it has none
 * @bound: to a connection, not necessarily of this handle
 * @frozen_ns: how long filesystems were frozen for it
 */
struct bpfsnap_snapshot {
	const char *snapshot;
	uint64_t created_ns;
	uint64_t hold_ns;
	uint64_t memory_bytes;
	size_t nr_devices;
	struct bpfsnap_snapshot_device **devices;
	bool writable;
	const char *key;
	uint64_t lease_s;
	uint64_t expires_ns;
	bool bound;
	uint64_t frozen_ns;
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
/** bpfsnap_snapshot_destroy_forced - although its images are open: who uses them gets errors; root only */
int bpfsnap_snapshot_destroy_forced(struct bpfsnap *bpfsnap, const char *snapshot,
				    struct bpfsnap_error **ret_error);
/**
 * bpfsnap_lease_renew - go on needing a snapshot; root only
 * @lease_s: seconds from now, up to 604800; 0: as long as before
 * @ret_expires_ns: when it ends then, since 1970; may be NULL
 *
 * The daemon serves it at once, but a call of another thread on the same handle holds it up.
 *
 * Errors: SnapshotNotFound, also if it has no lease; PermissionDenied; InvalidParameter of "lease_s";
 * SystemFailure: it has begun anew, but a daemon that is started after this one does not know.
 */
int bpfsnap_lease_renew(struct bpfsnap *bpfsnap, const char *snapshot, uint64_t lease_s,
			uint64_t *ret_expires_ns, struct bpfsnap_error **ret_error);
/**
 * bpfsnap_storage_extend - let a storage take more; root only
 * @device: of the snapshot; NULL: its first
 * @limit_bytes: 1 MiB at least, and no less than before
 *
 * Errors: SnapshotNotFound, DeviceNotFound, ModuleUnavailable, PermissionDenied, SystemFailure;
 * InvalidParameter of "limit".
 */
int bpfsnap_storage_extend(struct bpfsnap *bpfsnap, const char *snapshot, const char *device,
			   uint64_t limit_bytes, struct bpfsnap_error **ret_error);
/**
 * bpfsnap_image_open - an image as a file descriptor, for reading, close-on-exec; root only
 * @device: of the snapshot; NULL: its first
 * @ret_size_bytes: may be NULL
 *
 * Can be handed to somebody who may read nothing else.  While it is open, the snapshot can't be
 * destroyed.
 *
 * Errors: SnapshotNotFound, DeviceNotFound, ModuleUnavailable, PermissionDenied, SystemFailure,
 * TooManyFiles.
 *
 * Return: the descriptor, for close().
 */
int bpfsnap_image_open(struct bpfsnap *bpfsnap, const char *snapshot, const char *device,
		       uint64_t *ret_size_bytes, struct bpfsnap_error **ret_error);
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
 * @freeze: freeze the filesystems meanwhile, as far as the daemon sees them mounted
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

/**
 * bpfsnap_changes_open - what changed, as one object that can be handed on
 * @options: of the whole device: without @start_bytes, @page_extents and @details
 * @ret_info: final; for bpfsnap_changes_info_free()
 *
 * The sealed file has one bit for each granularity_bytes of the device: bit n % 8 of byte n / 8
 * is set if the n-th of them has changed.
 *
 * Errors: those of bpfsnap_changes_begin(), TooManyFiles.
 *
 * Return: the descriptor, close-on-exec, for close().
 */
int bpfsnap_changes_open(struct bpfsnap *bpfsnap, const struct bpfsnap_changes_options *options,
			 struct bpfsnap_changes_info **ret_info, struct bpfsnap_error **ret_error);
void bpfsnap_changes_info_free(struct bpfsnap_changes_info *info);

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

/* -- Events ----------------------------------------------------------------------- */

enum bpfsnap_event_type {
	BPFSNAP_EVENT_HAPPENED,		/* it is told */
	BPFSNAP_EVENT_MISSED,		/* so many were not kept until we asked */
	BPFSNAP_EVENT_RESTARTED,	/* another daemon, another stream: nobody knows what was missed */
};

/**
 * struct bpfsnap_event - one step of an iterator
 * @stream: and @seq: what to pass to bpfsnap_events_begin() to go on after this step
 * @kind: see type Event; NULL unless it happened, as are @device, @snapshot (and those may be
 *        NULL then, too) and @text
 * @time_ns: since 1970; 0 unless it happened
 * @value: as the kind has it, UINT64_MAX for none; with BPFSNAP_EVENT_MISSED: how many
 */
struct bpfsnap_event {
	enum bpfsnap_event_type type;
	const char *stream;
	const char *kind;
	const char *device;
	const char *snapshot;
	const char *text;
	uint64_t seq;
	uint64_t time_ns;
	uint64_t value;
};

/** struct bpfsnap_events - an iterator over what happens, with a connection of its own */
struct bpfsnap_events;

/**
 * bpfsnap_events_begin - listen
 * @stream: of the last event that is known; NULL: from now on
 * @after: its number; ignored if @stream is NULL
 *
 * It takes of the handle no more than where the daemon is: that may be given back before, and
 * calls on it don't wait for us.
 *
 * Errors: PermissionDenied; InvalidParameter of "after", which has not happened yet; TooManyFiles.
 */
int bpfsnap_events_begin(struct bpfsnap *bpfsnap, const char *stream, uint64_t after,
			 struct bpfsnap_events **ret_events, struct bpfsnap_error **ret_error);
/**
 * bpfsnap_events_next - wait for the next step
 * @timeout_ms: longest time to wait; 0: only look; -1: for ever.  Signals don't end it
 * @ret_event: until the next call with this iterator
 *
 * An error ends the connection, not the iterator: the next call makes another one, and goes on
 * after the last step that was told.  If the daemon was started anew meanwhile, that next step is
 * BPFSNAP_EVENT_RESTARTED, and what its stream has had so far follows.
 *
 * Return: 1 with @ret_event, 0 if nothing happened in time, or a negative errno: -ENOTCONN
 * (Unreachable) when the daemon goes away, and until there is another one, at once each time.
 */
int bpfsnap_events_next(struct bpfsnap_events *events, int timeout_ms,
			const struct bpfsnap_event **ret_event, struct bpfsnap_error **ret_error);
/**
 * bpfsnap_events_fd - for poll(), POLLIN, after bpfsnap_events_next() with timeout 0 returned 0
 *
 * Return: it, which is another one after an error; -ENOTCONN between an error and the call of
 * bpfsnap_events_next() that connects again.
 */
int bpfsnap_events_fd(const struct bpfsnap_events *events);
void bpfsnap_events_end(struct bpfsnap_events *events);

#ifdef __cplusplus
}
#endif

#endif /* LIBBPFSNAP_H */
