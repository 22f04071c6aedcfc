/* SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later */
/*
 * DOC: the pinned maps of change tracking, under /sys/fs/bpf/bpfsnap/
 *
 *   state        ARRAY of one struct bpfsnap_state
 *   devices      HASH, whole disk (major << 20 | minor) -> struct bpfsnap_device
 *   marks        HASH_OF_MAPS, whole disk -> ARRAY of struct bpfsnap_page: for each
 *                block of the disk the epoch in which it was last written,
 *                0 if not since the disk was attached
 *   checkpoints  HASH, struct bpfsnap_checkpoint_key -> struct bpfsnap_checkpoint
 *   link_*       the attached programs
 *
 * Block B of a disk covers its bytes [B << block_shift, (B + 1) << block_shift);
 * its mark is page B / BPFSNAP_PAGE_BLOCKS, entry B % BPFSNAP_PAGE_BLOCKS.
 *
 * An epoch is the time between two snapshots.  A snapshot ends epoch N and
 * starts epoch N + 1; what changed since it are the blocks marked > N.  Epochs
 * are 16 bits wide in the marks and never wrap: tracking refuses to go past
 * BPFSNAP_EPOCH_MAX, and a new generation starts.
 *
 * Writers: the programs write marks, counters and the epoch; the daemon makes
 * and removes entries, and never writes to one that exists.
 */
#ifndef _BPFSNAP_TRACK_H
#define _BPFSNAP_TRACK_H

#define BPFSNAP_TRACK_ABI	1
#define BPFSNAP_PIN_DIR		"/sys/fs/bpf/bpfsnap"

enum {
	BPFSNAP_EPOCH_FIRST	= 1,
	BPFSNAP_EPOCH_MAX	= 65535,
	BPFSNAP_PAGE_BLOCKS	= 2048,
	BPFSNAP_BLOCK_SHIFT_MIN	= 12,
	BPFSNAP_BLOCK_SHIFT_MAX	= 20,
	BPFSNAP_BLOCK_SHIFT_DEFAULT = 16,
	BPFSNAP_TRACK_DEVICES	= 256,		/* disks tracked at once */
	BPFSNAP_CHECKPOINTS	= 4096,		/* checkpoints of all disks */
	BPFSNAP_CHECKPOINT_NAME	= 56,		/* bytes, with the final NUL */
};

/* Why a disk's change list may be incomplete; bits of bpfsnap_device.uncertain. */
enum bpfsnap_uncertain {
	BPFSNAP_UNCERTAIN_COUNT	= 1,	/* gate and program counted different writes */
	BPFSNAP_UNCERTAIN_RANGE	= 2,	/* a write lay beyond the end of the map */
	BPFSNAP_UNCERTAIN_UNLOCATED = 4,/* a write carried no place (passthrough) */
};

/**
 * struct bpfsnap_state - what holds for all disks
 * @abi: BPFSNAP_TRACK_ABI
 * @epoch: the current epoch, BPFSNAP_EPOCH_FIRST to BPFSNAP_EPOCH_MAX
 */
struct bpfsnap_state {
	__u32 abi;
	__u32 epoch;
};

/**
 * struct bpfsnap_device - one tracked disk
 * @generation: name of the unbroken history that the marks tell, a random UUID
 * @nr_blk: blocks that the marks have room for
 * @block_shift: log2 of the bytes in a block
 * @first_epoch: the epoch in which tracking began; nothing is known of earlier ones
 * @attached_ns: wall clock time of that, ns since 1970
 * @uncertain: enum bpfsnap_uncertain bits, set by the programs, never cleared
 * @reserved: 0
 * @gate_bios: writes marked through the module's tracepoint
 * @gate_sect: their sectors
 * @queue_bios: writes marked through block_bio_queue
 * @queue_sect: their sectors
 * @discard_sect: of @gate_sect (or of @queue_sect where no module is loaded),
 *                discarded or zeroed rather than written
 */
struct bpfsnap_device {
	__u8 generation[16];
	__u64 nr_blk;
	__u32 block_shift;
	__u32 first_epoch;
	__u64 attached_ns;
	__u32 uncertain;
	__u32 reserved;
	__u64 gate_bios;
	__u64 gate_sect;
	__u64 queue_bios;
	__u64 queue_sect;
	__u64 discard_sect;
};

/**
 * struct bpfsnap_page - the marks of BPFSNAP_PAGE_BLOCKS neighbouring blocks
 * @epoch: per block the epoch of its last change, 0 for none
 */
struct bpfsnap_page {
	__u16 epoch[BPFSNAP_PAGE_BLOCKS];
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
 * @epoch: the epoch that ended; changes since the checkpoint are marked > @epoch
 * @reserved: 0
 * @created_ns: wall clock time, ns since 1970
 */
struct bpfsnap_checkpoint {
	__u32 epoch;
	__u32 reserved;
	__u64 created_ns;
};

#endif /* _BPFSNAP_TRACK_H */
