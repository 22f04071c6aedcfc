/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * DOC: the control device of the bpfsnap module, /dev/bpfsnap-control
 *
 * The module keeps two kinds of object:
 *
 *   origin    a whole disk whose write bios pass through a gate of the module.
 *             ATTACH makes one, DETACH ends it.  Partitions are not attached:
 *             a partition is a range of sectors of its disk's origin.
 *   snapshot  one instant of one or more ranges of attached disks.  While it
 *             is held, the first overwrite of each 4 KiB chunk of a range is
 *             preceded by a copy of the old content into the range's storage,
 *             and each range has an image block device that shows the instant
 *             (and takes writes, with BPFSNAP_SNAP_WRITABLE).
 *
 * How SNAP_CREATE finds one instant for all of its ranges:
 *
 *   1. each block device named in @freeze has its filesystem frozen, if one is
 *      mounted from it; the order is the caller's (top of a stack first);
 *   2. the gates of all disks named in @devices close, in that order; new
 *      writes wait in order at the gate, those that carry REQ_NOWAIT get EAGAIN;
 *   3. the writes in flight complete ("drain");
 *   4. per disk the tracepoint bpfsnap_switch tells the tracking programs the
 *      new epoch.  They acknowledge it, and report how many write bios they
 *      have marked; the module knows how many passed its gate;
 *   5. copy-on-write is armed for all ranges, the gates open, the filesystems
 *      thaw.
 *
 * All steps have one deadline, @timeout_ms from the beginning of the first: then
 * filesystems are thawed, gates opened, and the call fails.  Whatever fails, everything
 * done so far is undone before the call returns, and @failed_step with @failed_index
 * say where it ended.  Only the epoch may have moved: blocks are then marked later than
 * need be, which reports too much, never too little.
 *
 * All calls need CAP_SYS_ADMIN.  Reserved fields and unknown flags must be 0
 * (EINVAL).  Device numbers are passed as major and minor.  Sectors are of
 * 512 bytes, whatever the logical block size of the disk.
 */
#ifndef _UAPI_BPFSNAP_H
#define _UAPI_BPFSNAP_H

#include <linux/types.h>
#include <linux/ioctl.h>

#define BPFSNAP_CONTROL_NAME	"bpfsnap-control"
#define BPFSNAP_IOC_ABI		3

/* Unit of copy-on-write, counted from the start of the snapshot's range. */
#define BPFSNAP_CHUNK_SHIFT	12
#define BPFSNAP_CHUNK_BYTES	(1u << BPFSNAP_CHUNK_SHIFT)

/* Limits on what one call can ask for. */
enum {
	BPFSNAP_MAX_DEVICES	= 64,		/* ranges in one snapshot */
	BPFSNAP_MAX_FREEZE	= 256,		/* filesystems frozen for one */
	BPFSNAP_MAX_TIMEOUT_MS	= 60000,	/* a hold longer than this is an outage */
	BPFSNAP_MAX_GROW_MS	= 25000,	/* writers may have to wait as long */
};

/* Flags of a snapshot. */
enum {
	BPFSNAP_SNAP_WRITABLE	= 1 << 0,	/* images take writes, which end with the snapshot */
	/*
	 * Copy for discards as for writes, from now on, instead of dropping them: for disks
	 * that somebody above relies on to read as zeros afterwards (RAID with parity).
	 */
	BPFSNAP_SNAP_COPY_DISCARDS = 1 << 1,
};

/* Flags of a storage. */
enum {
	/*
	 * Old content goes to the blocks of a regular file, past its filesystem: a file
	 * that was written in full and never again, whose blocks of 4 KiB are not shared.
	 * While the snapshot is held it can't be written to, cut or moved.  On a disk of
	 * the snapshot itself its blocks read as zeros in the image, and are not tracked.
	 */
	BPFSNAP_STORE_PINNED	= 1 << 0,
};

/* Flags of SNAP_DESTROY. */
enum {
	/* Although images are open: these stay until they are closed, and answer with errors. */
	BPFSNAP_DESTROY_FORCE	= 1 << 0,
};

/* Why a range failed. */
enum bpfsnap_failure {
	BPFSNAP_FAILURE_NONE		= 0,	/* it has not */
	BPFSNAP_FAILURE_STORAGE_FULL	= 1,	/* no room for old content */
	BPFSNAP_FAILURE_STORAGE_WRITE	= 2,	/* old content could not be stored */
	BPFSNAP_FAILURE_STORAGE_READ	= 3,	/* what was stored could not be read */
	BPFSNAP_FAILURE_STORAGE_HANGS	= 4,	/* no write to it ended for 30 s, writers waiting */
	BPFSNAP_FAILURE_NO_MEMORY	= 5,	/* for old content, for 30 s */
	BPFSNAP_FAILURE_DISK_READ	= 6,	/* old content could not be read */
	BPFSNAP_FAILURE_DISK_GONE	= 7,	/* the disk, its medium, or the range's end */
	BPFSNAP_FAILURE_FORCED		= 8,	/* destroyed although its image was open */
};

/* Where a SNAP_CREATE ended that did not succeed. */
enum bpfsnap_step {
	BPFSNAP_STEP_NONE	= 0,	/* arguments, or no memory */
	BPFSNAP_STEP_ORIGIN	= 1,	/* disk not attached, or range beyond its end */
	BPFSNAP_STEP_STORE	= 2,	/* storage file unsuitable */
	BPFSNAP_STEP_IMAGE	= 3,	/* image block device could not be made */
	BPFSNAP_STEP_FREEZE	= 4,	/* filesystem could not be frozen (index into freeze) */
	BPFSNAP_STEP_DRAIN	= 5,	/* writes in flight did not end in time */
	BPFSNAP_STEP_SWITCH	= 6,	/* no tracking program acknowledged the epoch */
};

/**
 * struct bpfsnap_ioc_version - what module is this
 * @abi: out, BPFSNAP_IOC_ABI
 * @reserved: out, 0
 * @features: out, bits of features beyond the ABI number; none yet
 */
struct bpfsnap_ioc_version {
	__u32 abi;
	__u32 reserved;
	__u64 features;
};

/**
 * struct bpfsnap_ioc_attach - put a gate before a disk
 * @major: in, of the whole disk
 * @minor: in, of the whole disk
 * @timeout_ms: in, how long the writes that were in flight before may take to end
 * @flags: in, 0
 *
 * Errors: ENODEV no such disk; EINVAL a partition, or flags; EEXIST attached
 * already; EROFS read-only disk; ENOSPC disk of no size; EOPNOTSUPP zoned, DAX,
 * inline encryption, an integrity profile, logical blocks of over 4 KiB, or a
 * bio-based disk that does not account its writes in flight; ETIMEDOUT writes from before the
 * call did not end in time; EAGAIN the machine is about to hibernate; ENOMEM.
 */
struct bpfsnap_ioc_attach {
	__u32 major;
	__u32 minor;
	__u32 timeout_ms;
	__u32 flags;
};

/**
 * struct bpfsnap_ioc_detach - take the gate away
 * @major: in, of the whole disk
 * @minor: in, of the whole disk
 * @flags: in, 0
 * @reserved: in, 0
 *
 * Errors: ENODEV not attached; EBUSY a snapshot holds a range of it; ETIMEDOUT
 * writes in flight did not end in time, it stays attached.
 */
struct bpfsnap_ioc_detach {
	__u32 major;
	__u32 minor;
	__u32 flags;
	__u32 reserved;
};

/**
 * struct bpfsnap_snap_device - one range of a snapshot
 * @major: in, of the whole disk
 * @minor: in, of the whole disk
 * @start_sect: in, first sector of the range on the disk
 * @nr_sect: in, length of the range; the size of its image
 * @limit_bytes: in, most old content that the storage takes, 0 for as much as there is room
 * @low_bytes: in, send BPFSNAP_EVENT_LOW_SPACE when less is left of it, or of the room in
 *             the filesystem of a file, 0 for never
 * @store_fd: in, storage, open for reading and writing: an empty regular file (O_DIRECT
 *            if its filesystem can), on no disk of the snapshot; or a block device that
 *            nobody uses, which is overwritten; or a file as BPFSNAP_STORE_PINNED says.
 *            Ranges that name the same file share it; limits are those of the first
 * @store_flags: in, BPFSNAP_STORE_*
 * @grow_ms: in, up to BPFSNAP_MAX_GROW_MS; how long a full storage waits to be extended,
 *           or for its filesystem to have room, before it fails its ranges
 * @reserved: in, 0
 * @image_major: out, of the image block device
 * @image_minor: out, of the image block device
 * @gate_bios: out, write bios that had passed the disk's gate since it was attached
 * @gate_sect: out, their sectors
 * @track_bios: out, write bios that the tracking program had counted by then
 * @track_sect: out, their sectors; tracking missed nothing if both pairs are equal
 */
struct bpfsnap_snap_device {
	__u32 major;
	__u32 minor;
	__u64 start_sect;
	__u64 nr_sect;
	__u64 limit_bytes;
	__u64 low_bytes;
	__s32 store_fd;
	__u32 store_flags;
	__u32 grow_ms;
	__u32 reserved;
	__u32 image_major;
	__u32 image_minor;
	__u64 gate_bios;
	__u64 gate_sect;
	__u64 track_bios;
	__u64 track_sect;
};

/**
 * struct bpfsnap_dev - a block device by number
 * @major: of the device, a disk or a partition
 * @minor: of the device
 */
struct bpfsnap_dev {
	__u32 major;
	__u32 minor;
};

/**
 * struct bpfsnap_ioc_snap_create - take one snapshot of all ranges at one instant
 * @id: in, name of the snapshot: 16 bytes, unique, not all zero
 * @devices: in, pointer to @nr_devices of struct bpfsnap_snap_device; ranges of
 *           one disk stand together and do not overlap; top of a stack first.
 *           Out: the out fields of each
 * @freeze: in, pointer to @nr_freeze of struct bpfsnap_dev
 * @nr_devices: in, 1 to BPFSNAP_MAX_DEVICES
 * @nr_freeze: in, 0 to BPFSNAP_MAX_FREEZE
 * @timeout_ms: in, 1 to BPFSNAP_MAX_TIMEOUT_MS; longest freeze and hold of the writes
 * @epoch: in, the epoch that starts with the snapshot
 * @memory_bytes: in, most memory for old content on its way to the storage, 0 for
 *                64 MiB; writers wait at the limit.  At least 1 MiB
 * @flags: in, BPFSNAP_SNAP_*
 * @reserved: in, 0
 * @hold_ns: out, how long writes were held, gates closed to gates open
 * @frozen_ns: out, how long filesystems were frozen, first freeze to thaw; 0 without any
 * @failed_step: out, enum bpfsnap_step
 * @failed_index: out, index into @devices or, for STEP_FREEZE, into @freeze
 *
 * Errors: EEXIST a snapshot has this name; ENODEV not attached, or the disk is gone;
 * ERANGE range beyond the disk; EINVAL ranges overlap, stand apart or
 * are not aligned to logical blocks; ETIMEDOUT freeze or drain; ECANCELED a filesystem was
 * thawed by somebody else; ENOPROTOOPT no acknowledgement from a tracking program; ENOMEM.
 * Of the storage: EBADF not open for both; EINVAL neither regular file nor block
 * device, not empty, O_APPEND, or pinned on a disk of a writable snapshot; EBUSY in use,
 * or pinned on a disk of the snapshot of which there is another one; ETXTBSY a swap file
 * or pinned already; EOPNOTSUPP pinned with holes, unwritten, shared or misaligned blocks,
 * or on a filesystem that can't say where they are; EFBIG pinned in over 65,536 places;
 * EXDEV on a disk of the snapshot, on one whose snapshot stores on such a disk, or on a
 * filesystem to be frozen; EROFS with BPFSNAP_SNAP_WRITABLE, another snapshot's storage is
 * pinned in the range; ENOSPC no room.
 */
struct bpfsnap_ioc_snap_create {
	__u8 id[16];
	__u64 devices;
	__u64 freeze;
	__u32 nr_devices;
	__u32 nr_freeze;
	__u32 timeout_ms;
	__u32 epoch;
	__u64 memory_bytes;
	__u32 flags;
	__u32 reserved;
	__u64 hold_ns;
	__u64 frozen_ns;
	__u32 failed_step;
	__u32 failed_index;
};

/**
 * struct bpfsnap_ioc_snap_extend - let a storage take more
 * @id: in, of the snapshot
 * @index: in, a range that it belongs to
 * @reserved: in, 0
 * @limit_bytes: in, new limit
 *
 * Errors: ENOENT no such snapshot or range; EINVAL less than before, or more than the
 * block device or pinned file has.
 */
struct bpfsnap_ioc_snap_extend {
	__u8 id[16];
	__u32 index;
	__u32 reserved;
	__u64 limit_bytes;
};

/**
 * struct bpfsnap_ioc_snap_destroy - end a snapshot and its images
 * @id: in, of the snapshot
 * @flags: in, BPFSNAP_DESTROY_*
 * @reserved: in, 0
 *
 * Errors: ENOENT no such snapshot; EBUSY an image is open.  If a storage hangs, the call
 * returns, and what belongs to the snapshot is freed when it no longer does.
 */
struct bpfsnap_ioc_snap_destroy {
	__u8 id[16];
	__u32 flags;
	__u32 reserved;
};

/**
 * struct bpfsnap_snap_info - one range of a held snapshot
 * @id: of its snapshot
 * @major: of the whole disk
 * @minor: of the whole disk
 * @start_sect: first sector of the range on the disk
 * @nr_sect: length of the range
 * @created_ns: wall clock time of the instant, ns since 1970
 * @hold_ns: how long writes were held for it
 * @frozen_ns: how long filesystems were frozen for it
 * @epoch: the epoch that started with the snapshot
 * @error: 0, or the errno for which this image failed, for good
 * @image_major: of the image block device
 * @image_minor: of the image block device
 * @flags: BPFSNAP_SNAP_*
 * @reason: with @error, enum bpfsnap_failure
 * @failed_sect: with @error, sector of the disk that was about to be overwritten or read
 * @failed_ns: with @error, when, ns since 1970
 * @copied_bytes: old content kept so far
 * @memory_bytes: of the whole snapshot, old content that is not stored yet
 * @index_bytes: memory of the index that finds what is stored
 * @store_major: of the block device that the range's storage, or the filesystem of its file,
 *               is on; 0 if there is none
 * @store_minor: likewise, or with a major of 0 the filesystem's own number
 * @store_used_bytes: of the range's storage, which others may share
 * @store_limit_bytes: likewise
 * @dropped_discards: discards of the range that were completed without being executed
 * @gate_bios: as in struct bpfsnap_snap_device, at the instant
 * @gate_sect: likewise
 * @track_bios: likewise
 * @track_sect: likewise
 */
struct bpfsnap_snap_info {
	__u8 id[16];
	__u32 major;
	__u32 minor;
	__u64 start_sect;
	__u64 nr_sect;
	__u64 created_ns;
	__u64 hold_ns;
	__u64 frozen_ns;
	__u32 epoch;
	__u32 error;
	__u32 image_major;
	__u32 image_minor;
	__u32 flags;
	__u32 reason;
	__u64 failed_sect;
	__u64 failed_ns;
	__u64 copied_bytes;
	__u64 memory_bytes;
	__u64 index_bytes;
	__u32 store_major;
	__u32 store_minor;
	__u64 store_used_bytes;
	__u64 store_limit_bytes;
	__u64 dropped_discards;
	__u64 gate_bios;
	__u64 gate_sect;
	__u64 track_bios;
	__u64 track_sect;
};

/* Flags of an attached disk. */
enum {
	/* It is gone; should another one have its number, that has no gate. */
	BPFSNAP_ORIGIN_GONE	= 1 << 0,
};

/**
 * struct bpfsnap_origin_info - one attached disk
 * @major: of the whole disk
 * @minor: of the whole disk
 * @flags: BPFSNAP_ORIGIN_*
 * @reserved: 0
 * @gate_bios: write bios that passed the gate since attach
 * @gate_sect: their sectors
 * @diverted_bios: of these, how many had to wait for a copy or for an open gate
 */
struct bpfsnap_origin_info {
	__u32 major;
	__u32 minor;
	__u32 flags;
	__u32 reserved;
	__u64 gate_bios;
	__u64 gate_sect;
	__u64 diverted_bios;
};

/**
 * struct bpfsnap_ioc_list - what there is
 * @items: in, pointer to an array of struct bpfsnap_snap_info (SNAP_LIST) or
 *         struct bpfsnap_origin_info (ORIGIN_LIST); filled up to @nr_items
 * @nr_items: in, room in @items; out, how many there are, even if more than fit
 * @reserved: in, 0
 */
struct bpfsnap_ioc_list {
	__u64 items;
	__u32 nr_items;
	__u32 reserved;
};

/* Kinds of events. */
enum {
	BPFSNAP_EVENT_FAILED	= 1,	/* an image failed; value: sector of the disk */
	/* A storage fills up; value: bytes left.  With 0 it is full, and waits for @grow_ms. */
	BPFSNAP_EVENT_LOW_SPACE	= 2,
};

/**
 * struct bpfsnap_event - read from the control device, which can be polled
 * @seq: ascending by one; a gap tells how many were lost because nobody read them
 * @time_ns: ns since 1970
 * @kind: BPFSNAP_EVENT_*
 * @error: errno, or 0
 * @id: of the snapshot
 * @major: of the whole disk
 * @minor: of the whole disk
 * @image_major: of the image block device
 * @image_minor: of the image block device
 * @reason: with @error, enum bpfsnap_failure
 * @reserved: 0
 * @value: see the kinds
 */
struct bpfsnap_event {
	__u64 seq;
	__u64 time_ns;
	__u32 kind;
	__u32 error;
	__u8 id[16];
	__u32 major;
	__u32 minor;
	__u32 image_major;
	__u32 image_minor;
	__u32 reason;
	__u32 reserved;
	__u64 value;
};

#define BPFSNAP_IOC_MAGIC	0xb5
#define BPFSNAP_IOC_VERSION	_IOR(BPFSNAP_IOC_MAGIC, 0, struct bpfsnap_ioc_version)
#define BPFSNAP_IOC_ATTACH	_IOW(BPFSNAP_IOC_MAGIC, 1, struct bpfsnap_ioc_attach)
#define BPFSNAP_IOC_DETACH	_IOW(BPFSNAP_IOC_MAGIC, 2, struct bpfsnap_ioc_detach)
#define BPFSNAP_IOC_ORIGIN_LIST	_IOWR(BPFSNAP_IOC_MAGIC, 3, struct bpfsnap_ioc_list)
#define BPFSNAP_IOC_SNAP_CREATE	_IOWR(BPFSNAP_IOC_MAGIC, 4, struct bpfsnap_ioc_snap_create)
#define BPFSNAP_IOC_SNAP_DESTROY _IOW(BPFSNAP_IOC_MAGIC, 5, struct bpfsnap_ioc_snap_destroy)
#define BPFSNAP_IOC_SNAP_EXTEND	_IOW(BPFSNAP_IOC_MAGIC, 7, struct bpfsnap_ioc_snap_extend)
#define BPFSNAP_IOC_SNAP_LIST	_IOWR(BPFSNAP_IOC_MAGIC, 6, struct bpfsnap_ioc_list)

#endif /* _UAPI_BPFSNAP_H */
