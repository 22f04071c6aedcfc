/* SPDX-License-Identifier: GPL-2.0-only */
/* The difference storage: where old content goes when it has been read. */
#ifndef _BPFSNAP_STORE_H
#define _BPFSNAP_STORE_H

#include <linux/blkdev.h>
#include <linux/errseq.h>
#include <linux/workqueue.h>

struct bpfsnap_origin;
struct bpfsnap_piece;
struct bpfsnap_range;
struct bpfsnap_snap_device;
struct bpfsnap_snapshot;

/**
 * struct bpfsnap_run - where neighbouring slots of a storage without a file are
 * @slot: first slot
 * @nr_slots: how many
 * @sect: first sector on the store's block device
 */
struct bpfsnap_run {
	u64 slot;
	u64 nr_slots;
	sector_t sect;
};

/**
 * struct bpfsnap_store - a place for old content, in order of arrival
 * @snap: its snapshot
 * @file: what the daemon handed in
 * @bdev: written to by bios; NULL: through @file
 * @handle: our exclusive hold of @bdev; NULL with a pinned file
 * @is_aside: the blocks of @file are kept from moving, and written to by bios
 * @pinned: then, the disk of the snapshot on which they are; NULL on any other disk
 * @runs: with @bdev, where the slots are, ascending
 * @nr_runs: how many
 * @end_slots: where the file or device ends, in chunks
 * @grow_ms: how long it may wait for an extension when it is full
 * @low_slots: tell the daemon when fewer are left
 * @nr_slots: limit, in chunks, up to @end_slots
 * @next_slot: the first one free
 * @is_low_told: it has been told
 * @is_full: nothing could be stored, since @full_jiffies
 * @full_jiffies: see @is_full
 * @is_ending: no piece is stored any more
 * @lock: protects @pending, @pending_chunks and the six before
 * @pending: pieces to be stored
 * @pending_chunks: how many chunks they have
 * @wq: runs @work
 * @work: stores
 * @retry: queues @work
 * @bvecs: of one write
 * @bios: its own, since a storage may have to wait for another one's
 * @wb_err: errors of the file's writeback that were known at the beginning
 * @sb_err: and of its filesystem's
 * @looked_jiffies: when the room in a file's filesystem was last looked at
 * @progress_jiffies: when a write last ended
 * @is_busy: a write is under way
 */
struct bpfsnap_store {
	struct bpfsnap_snapshot *snap;
	struct file *file;
	struct block_device *bdev;
	bpfsnap_bdev_t handle;
	bool is_aside;
	struct bpfsnap_origin *pinned;
	struct bpfsnap_run *runs;
	u32 nr_runs;
	u64 end_slots;
	u32 grow_ms;
	u64 low_slots;

	u64 nr_slots;
	u64 next_slot;
	bool is_low_told;
	bool is_full;
	unsigned long full_jiffies;
	bool is_ending;
	spinlock_t lock;
	struct list_head pending;
	u32 pending_chunks;

	struct workqueue_struct *wq;
	struct work_struct work;
	struct delayed_work retry;
	struct bio_vec *bvecs;
	struct bio_set bios;
	errseq_t wb_err;
	errseq_t sb_err;
	unsigned long looked_jiffies;
	unsigned long progress_jiffies;
	bool is_busy;
};

/* store.c: old content from memory into the storage */
/**
 * bpfsnap_store_create() - make a store of what the caller handed in
 * @snap: whose
 * @file: its reference becomes the store's, or is put on error
 * @device: the rest
 *
 * Return: ERR_PTR: -EBADF, -EINVAL, -EBUSY, -ENOSPC, -EOPNOTSUPP, -ETXTBSY, -ENOMEM.
 */
struct bpfsnap_store *bpfsnap_store_create(struct bpfsnap_snapshot *snap, struct file *file,
					   const struct bpfsnap_snap_device *device);

/* No piece is stored any more; waits for the one that is being stored. */
void bpfsnap_store_stop(struct bpfsnap_store *store);
void bpfsnap_store_free(struct bpfsnap_store *store);

/* Queue @piece; its reference becomes the store's. */
void bpfsnap_store_add(struct bpfsnap_store *store, struct bpfsnap_piece *piece);

/* Somebody waits for the memory of what has not been stored yet. */
void bpfsnap_store_hurry(struct bpfsnap_store *store);

/* The block device that it is on, or the number of a filesystem that is on none. */
dev_t bpfsnap_store_dev(const struct bpfsnap_store *store);

/* May more be stored?  Return: 0 or -EINVAL. */
int bpfsnap_store_extend(struct bpfsnap_store *store, u64 limit_bytes);

/* Has the storage file lost what was written to it?  Return: 0 or -errno. */
int bpfsnap_store_error(const struct bpfsnap_store *store);

/* Read or write whole slots.  @bvecs: pages, changed.  Context: may sleep. */
int bpfsnap_store_rw(struct bpfsnap_store *store, bool write, u64 slot, struct bio_vec *bvecs,
		     u32 nr);

/* Is @bio a write of a store whose file is pinned on @origin's disk?  Context: any. */
bool bpfsnap_store_owns(const struct bpfsnap_origin *origin, const struct bio *bio);

/* pin.c: storage in the blocks of a file */

/* Keep @store's file from moving, and find its blocks.  Return: 0 or -errno; then unpin. */
int bpfsnap_pin(struct bpfsnap_store *store);

/* Its disk is none of the snapshot's after all, and its blocks are written to as others are. */
void bpfsnap_pin_disown(struct bpfsnap_store *store);

/*
 * If the file was pinned, it may move again; its blocks on a disk of the snapshot count as
 * written.  Context: bpfsnap_lock, gates open.
 */
void bpfsnap_unpin(struct bpfsnap_store *store);

/* Chunks of @range that are blocks of @store read as zeros.  Return: 0 or -errno. */
int bpfsnap_pin_hide(const struct bpfsnap_store *store, struct bpfsnap_range *range);

#endif /* _BPFSNAP_STORE_H */
