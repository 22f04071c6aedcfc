/* SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later */
/*
 * DOC: the pinned maps of change tracking, under /sys/fs/bpf/bpfsnap/
 *
 *   state        ARRAY of one struct bpfsnap_state
 *   epochs       ARRAY of one struct bpfsnap_epochs: what a mark means
 *   disks        ARRAY of one struct bpfsnap_disks: from a disk to its slot
 *   devices      ARRAY, slot -> struct bpfsnap_device
 *   counters     ARRAY, slot -> struct bpfsnap_counters
 *   history      ARRAY, slot -> struct bpfsnap_history: totals at the starts of epochs
 *   writers      ARRAY, slot -> struct bpfsnap_writers: bytes by cgroup
 *   marks        ARRAY_OF_MAPS, slot -> ARRAY of struct bpfsnap_page: a mark per block
 *   checkpoints  HASH, struct bpfsnap_checkpoint_key -> struct bpfsnap_checkpoint
 *   link_*       the attached programs
 *
 * All arrays can be mapped into memory; marks, one array per disk, too.  A disk is
 * named by its whole device, major << 20 | minor.  Block B of a disk covers its
 * bytes [B << block_shift, (B + 1) << block_shift); its mark is page
 * B / BPFSNAP_PAGE_BLOCKS, entry B % BPFSNAP_PAGE_BLOCKS.
 *
 * An epoch is the time between two boundaries (snapshots, mostly).  A snapshot ends
 * epoch N and starts epoch N + 1; what changed since it are the blocks that changed in
 * epochs > N.  Epochs are never used again.  A mark is narrower: it is an index into
 * bpfsnap_epochs, which tells the last epoch that it stands for.  When the indices are
 * used up, neighbours are merged: a merged mark stands for the latest of its epochs,
 * so that a list made from it may be too long, and is never too short.
 *
 * Writers: the programs write marks, counters and doubts; the daemon makes and removes
 * entries, and changes an existing one only where a field says so.
 */
#ifndef _BPFSNAP_TRACK_H
#define _BPFSNAP_TRACK_H

#define BPFSNAP_TRACK_ABI	2
#define BPFSNAP_PIN_DIR		"/sys/fs/bpf/bpfsnap"

enum {
	BPFSNAP_EPOCH_FIRST	= 1,
	BPFSNAP_EPOCH_MAX	= 0x7fffffff,
	BPFSNAP_MARK_FIRST	= 1,
	BPFSNAP_MARK_MAX	= 0x7fff,
	BPFSNAP_MARK_DISCARDED	= 0x8000,	/* last change discarded or zeroed the block */
	BPFSNAP_PAGE_BLOCKS	= 2048,
	BPFSNAP_BLOCK_SHIFT_MIN	= 12,
	BPFSNAP_BLOCK_SHIFT_MAX	= 20,
	BPFSNAP_BLOCK_SHIFT_DEFAULT = 16,
	BPFSNAP_TRACK_DEVICES	= 256,		/* disks tracked at once */
	BPFSNAP_DISK_ROOMS	= 1024,		/* entries of bpfsnap_disks */
	BPFSNAP_DISK_PROBES	= 16,
	BPFSNAP_STRIPES		= 8,		/* of counters, chosen by CPU */
	BPFSNAP_HISTORY_EPOCHS	= 32,
	BPFSNAP_WRITER_ROWS	= 64,
	BPFSNAP_WRITER_PROBES	= 8,
	BPFSNAP_CHECKPOINTS	= 4096,		/* checkpoints of all disks */
	BPFSNAP_CHECKPOINT_NAME	= 56,		/* bytes, with the final NUL */
	BPFSNAP_COMM		= 16,		/* bytes of a command's name */
};

/* A room of bpfsnap_disks whose disk was detached; looked past, may be taken again. */
#define BPFSNAP_DISK_LEFT	0xffffffffu

/* Why a disk's change list may be incomplete: index of bpfsnap_device.doubts. */
enum bpfsnap_doubt_reason {
	BPFSNAP_DOUBT_COUNT,	/* gate and program counted different writes */
	BPFSNAP_DOUBT_RANGE,	/* a write lay beyond the end of the map */
	BPFSNAP_DOUBT_UNLOCATED,/* a command was passed through that tells no place */
	BPFSNAP_DOUBT_MISSED,	/* the kernel skipped runs of the programs */
	BPFSNAP_DOUBT_DAX,	/* memory of the disk can be written without any request */
	BPFSNAP_DOUBT_UNSEEN,	/* a driver above sends requests that this kernel does not show */
	BPFSNAP_DOUBT_SIZE,	/* the disk has another size than its map */
	BPFSNAP_DOUBT_NR,
};

/* The same as bits of bpfsnap_device.uncertain. */
enum bpfsnap_uncertain {
	BPFSNAP_UNCERTAIN_COUNT		= 1 << BPFSNAP_DOUBT_COUNT,
	BPFSNAP_UNCERTAIN_RANGE		= 1 << BPFSNAP_DOUBT_RANGE,
	BPFSNAP_UNCERTAIN_UNLOCATED	= 1 << BPFSNAP_DOUBT_UNLOCATED,
	BPFSNAP_UNCERTAIN_MISSED	= 1 << BPFSNAP_DOUBT_MISSED,
	BPFSNAP_UNCERTAIN_DAX		= 1 << BPFSNAP_DOUBT_DAX,
	BPFSNAP_UNCERTAIN_UNSEEN	= 1 << BPFSNAP_DOUBT_UNSEEN,
	BPFSNAP_UNCERTAIN_SIZE		= 1 << BPFSNAP_DOUBT_SIZE,
};

/* Why a history began: bpfsnap_device.cause. */
enum bpfsnap_cause {
	BPFSNAP_CAUSE_ATTACHED,	/* the disk was attached */
	BPFSNAP_CAUSE_MAP_LOST,	/* the module knew the disk, but its marks were gone */
	BPFSNAP_CAUSE_RESIZED,	/* the disk has got another size */
	BPFSNAP_CAUSE_REPLACED,	/* another medium, or another disk of that number */
	BPFSNAP_CAUSE_ASKED,	/* a client asked for a new history */
};

/* How commands that are passed through to a disk are told apart. */
enum bpfsnap_transport {
	BPFSNAP_TRANSPORT_OTHER,
	BPFSNAP_TRANSPORT_SCSI,
	BPFSNAP_TRANSPORT_NVME,
};

/* Programs that see writes; one that was never skipped has seen them all. */
enum bpfsnap_channel {
	BPFSNAP_CHANNEL_WRITE,	/* on_write: all, with the module */
	BPFSNAP_CHANNEL_QUEUE,	/* on_queue */
	BPFSNAP_CHANNEL_AGAIN,	/* on_queue_again: the same */
	BPFSNAP_CHANNEL_REMAP,	/* on_remap: those that a driver above sends on */
	BPFSNAP_CHANNEL_ISSUE,	/* on_issue: all to disks that take requests */
	BPFSNAP_CHANNEL_DONE,	/* on_done: those in flight at a boundary, once more */
	BPFSNAP_CHANNEL_DONE_AGAIN, /* on_done_again: the same */
	BPFSNAP_CHANNEL_NR,
};

/**
 * struct bpfsnap_state - what holds for all disks
 * @abi: BPFSNAP_TRACK_ABI; stays the first field for ever
 * @epoch: the current epoch, BPFSNAP_EPOCH_FIRST to BPFSNAP_EPOCH_MAX; the first one after
 *         loading is the number of seconds since 2026, so that numbers of earlier loads are too small
 * @mark: what the programs store for it, BPFSNAP_MARK_FIRST to @mark_max
 * @mark_max: where renumbering is due, BPFSNAP_MARK_MAX at most
 * @renumbering: odd while the daemon renumbers marks; a reader who sees it odd, or
 *               changed after reading, starts again
 * @nvme: slots whose disks are NVMe, a hint that there are any
 * @boundary_ns: CLOCK_MONOTONIC; requests that began before it are marked once
 *               more when they complete
 */
struct bpfsnap_state {
	__u32 abi;
	__u32 epoch;
	__u32 mark;
	__u32 mark_max;
	__u32 renumbering;
	__u32 nvme;
	__u64 boundary_ns;
};

/**
 * struct bpfsnap_epochs - what the marks mean
 * @last: of each mark the last epoch that it stands for; ascending up to the current one
 */
struct bpfsnap_epochs {
	__u32 last[BPFSNAP_MARK_MAX + 1];
};

/**
 * struct bpfsnap_disk - one room
 * @dev: the disk, 0 if the room was never taken, or BPFSNAP_DISK_LEFT
 * @slot: its index in the other arrays
 */
struct bpfsnap_disk {
	__u32 dev;
	__u32 slot;
};

/**
 * struct bpfsnap_disks - a disk is in one of the rooms [h, h + BPFSNAP_DISK_PROBES),
 * modulo BPFSNAP_DISK_ROOMS, where h is bpfsnap_disk_hash() of it
 */
struct bpfsnap_disks {
	struct bpfsnap_disk room[BPFSNAP_DISK_ROOMS];
};

static inline __u32 bpfsnap_disk_hash(__u32 dev)
{
	return (dev * 2654435761u) >> 22;
}

/**
 * struct bpfsnap_doubt - the last time that a doubt arose
 * @count: how often it did
 * @boot_ns: CLOCK_BOOTTIME
 * @epoch: in which; a list of changes since an earlier epoch is uncertain
 * @opcode: of the command that was passed through, with BPFSNAP_OPCODE_KNOWN; or 0
 * @comm: name of the process that was running then; empty if a command landed
 */
struct bpfsnap_doubt {
	__u64 count;
	__u64 boot_ns;
	__u32 epoch;
	__u32 opcode;
	char comm[BPFSNAP_COMM];
};

#define BPFSNAP_OPCODE_KNOWN	0x100u

/**
 * struct bpfsnap_device - one tracked disk
 * @dev: the disk; 0 if the slot is free
 * @block_shift: log2 of the bytes in a block
 * @nr_blk: blocks that the marks have room for
 * @nr_sect: sectors that the disk had when its history began
 * @diskseq: of the disk, as in sysfs; another one means another disk or medium
 * @zone_sect: sectors in a zone, 0 if it has no zones
 * @transport: enum bpfsnap_transport
 * @floor: a mark; every block counts as changed then, if not later. 0 for none
 * @first_epoch: the epoch in which the history began; nothing is known of earlier ones
 * @generation: name of the unbroken history that the marks tell, a random UUID
 * @previous: the one before it of this attached disk, or zeros
 * @began_ns: wall clock time at which the history began, ns since 1970
 * @attached_ns: wall clock time at which the disk was attached
 * @cause: enum bpfsnap_cause
 * @uncertain: enum bpfsnap_uncertain bits: which @doubts ever arose in this history
 * @gap_bios: writes that the gate counted and the programs didn't, when it was last
 *            noticed; modulo 2^64
 * @gap_sect: their sectors
 * @misses: by enum bpfsnap_channel, runs that the kernel had skipped when it was last certain
 *          that no write was missed, or said that one may have been; daemon's
 * @is_settled: nothing that was in flight at the last boundary, or when @misses was written,
 *              still is; daemon's
 * @reserved: 0
 * @doubts: by enum bpfsnap_doubt_reason
 */
struct bpfsnap_device {
	__u32 dev;
	__u32 block_shift;
	__u64 nr_blk;
	__u64 nr_sect;
	__u64 diskseq;
	__u32 zone_sect;
	__u32 transport;
	__u32 floor;
	__u32 first_epoch;
	__u8 generation[16];
	__u8 previous[16];
	__u64 began_ns;
	__u64 attached_ns;
	__u32 cause;
	__u32 uncertain;
	__u64 gap_bios;
	__u64 gap_sect;
	__u64 misses[BPFSNAP_CHANNEL_NR];
	__u32 is_settled;
	__u32 reserved;
	struct bpfsnap_doubt doubts[BPFSNAP_DOUBT_NR];
};

/**
 * struct bpfsnap_stripe - counters since the history began, one part of each
 * @gate_bios: writes marked through the module's tracepoint
 * @gate_sect: their sectors
 * @queue_bios: writes marked through block_bio_queue
 * @queue_sect: their sectors
 * @discard_sect: of @queue_sect, discarded or zeroed rather than written
 * @changed_blk: blocks that changed for the first time in an epoch; may be a little
 *               too large, never too small
 * @reserved: 0
 */
struct bpfsnap_stripe {
	__u64 gate_bios;
	__u64 gate_sect;
	__u64 queue_bios;
	__u64 queue_sect;
	__u64 discard_sect;
	__u64 changed_blk;
	__u64 reserved[2];
};

/** struct bpfsnap_counters - the sum over all stripes is what counts */
struct bpfsnap_counters {
	struct bpfsnap_stripe stripe[BPFSNAP_STRIPES];
};

/**
 * struct bpfsnap_start - the totals of a disk when an epoch started
 * @epoch: which; 0 if the entry is not in use
 * @reserved: 0
 * @boot_ns: CLOCK_BOOTTIME
 * @queue_sect, @discard_sect, @changed_blk: as in struct bpfsnap_stripe
 */
struct bpfsnap_start {
	__u32 epoch;
	__u32 reserved;
	__u64 boot_ns;
	__u64 queue_sect;
	__u64 discard_sect;
	__u64 changed_blk;
};

/** struct bpfsnap_history - epoch E at index E % BPFSNAP_HISTORY_EPOCHS */
struct bpfsnap_history {
	struct bpfsnap_start start[BPFSNAP_HISTORY_EPOCHS];
};

/**
 * struct bpfsnap_writer - who writes
 * @cgroup: id, 0 if the row is free
 * @bytes: written, discarded or zeroed
 * @bios: in so many bios
 */
struct bpfsnap_writer {
	__u64 cgroup;
	__u64 bytes;
	__u64 bios;
};

/**
 * struct bpfsnap_writers - of one disk
 * @other: the sum of all for whom there was no row, or whose cgroup is not known
 */
struct bpfsnap_writers {
	struct bpfsnap_writer other;
	struct bpfsnap_writer row[BPFSNAP_WRITER_ROWS];
};

/**
 * struct bpfsnap_page - the marks of BPFSNAP_PAGE_BLOCKS neighbouring blocks
 * @mark: per block, 0 if it has not changed since the history began; else index of
 *        bpfsnap_epochs.last, and BPFSNAP_MARK_DISCARDED
 */
struct bpfsnap_page {
	__u16 mark[BPFSNAP_PAGE_BLOCKS];
};

/**
 * struct bpfsnap_checkpoint_key - a checkpoint's owner and name
 * @dev: the disk
 * @reserved: 0
 * @name: NUL padded
 */
struct bpfsnap_checkpoint_key {
	__u32 dev;
	__u32 reserved;
	char name[BPFSNAP_CHECKPOINT_NAME];
};

/**
 * struct bpfsnap_checkpoint - an epoch that a reader remembers
 * @epoch: the epoch that ended; changes since the checkpoint are those of later ones
 * @reserved: 0
 * @created_ns: wall clock time, ns since 1970
 * @generation: the history that @epoch belongs to
 */
struct bpfsnap_checkpoint {
	__u32 epoch;
	__u32 reserved;
	__u64 created_ns;
	__u8 generation[16];
};

#endif /* _BPFSNAP_TRACK_H */
