/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DOC: the objects of the module and who may touch them
 *
 * Locks, in order of precedence; none is held across a call into a driver or
 * a filesystem that could wait for a write of an origin, except the first,
 * which no I/O path takes:
 *
 *   bpfsnap_lock            mutex: the lists of origins and snapshots, everything
 *                           that an ioctl changes
 *   origin->lock            irq-safe spinlock: the bios that wait at a gate
 *   range->image_lock       irq-safe spinlock: openers of an image, its slow reads
 *
 * The hook finds origins in a hash and ranges in origin->ranges with preemption
 * off, which is an RCU read side.  The worker of an origin walks origin->ranges
 * and may sleep meanwhile: whoever unlinks a range waits for RCU *and* flushes
 * the worker before freeing it.
 */
#ifndef _BPFSNAP_H
#define _BPFSNAP_H

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/completion.h>
#include <linux/errseq.h>
#include <linux/list.h>
#include <linux/mempool.h>
#include <linux/mutex.h>
#include <linux/percpu-refcount.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <uapi/bpfsnap.h>
#include "chunkmap.h"

#undef pr_fmt
#define pr_fmt(fmt) "bpfsnap: " fmt

#define BPFSNAP_CHUNK_SECT	(BPFSNAP_CHUNK_BYTES >> SECTOR_SHIFT)

enum {
	/* Most that is copied at once: bounds the memory of a range. */
	BPFSNAP_PIECE_BYTES	= 1 << 20,
	BPFSNAP_PIECE_CHUNKS	= BPFSNAP_PIECE_BYTES / BPFSNAP_CHUNK_BYTES,
	BPFSNAP_PIECE_PAGES	= BPFSNAP_PIECE_BYTES / PAGE_SIZE,
	/* A storage that takes longer for one write of the origin has failed. */
	BPFSNAP_STORE_TIMEOUT_MS = 30000,
};

/* What passed a gate, counted where it passes. */
struct bpfsnap_passed {
	u64 bios;
	u64 sect;
};

/**
 * struct bpfsnap_origin - an attached disk and its gate
 * @hash: in the hook's hash of disks; RCU
 * @list: in bpfsnap_origins; bpfsnap_lock
 * @disk: the disk; kept by @bdev
 * @dev: its number
 * @bdev: our open handle
 * @inflight: one reference per write that passed; dead while the gate is closed
 * @drained: woken when @inflight reaches zero
 * @passed: per CPU, written with preemption off
 * @wraps: wrappers for bios that waited; one pool for each disk, since the bios of
 *         a stacked disk keep theirs until those of the disks below have theirs
 * @returning: bios that waited and were submitted again, but have not passed yet
 * @lock: protects @waiting
 * @waiting: writes diverted at the gate, to be copied for or held, in order
 * @diverted: writes that ever waited
 * @wq: ordered, with a rescuer of its own: writeback may depend on it alone
 * @work: deals with @waiting
 * @ranges: armed struct bpfsnap_range; RCU, see above; changed under bpfsnap_lock
 */
struct bpfsnap_origin {
	struct hlist_node hash;
	struct list_head list;
	struct gendisk *disk;
	dev_t dev;
	bpfsnap_bdev_t bdev;

	struct percpu_ref inflight;
	wait_queue_head_t drained;
	struct bpfsnap_passed __percpu *passed;
	mempool_t *wraps;
	atomic_t returning;

	spinlock_t lock;
	struct bio_list waiting;
	atomic64_t diverted;

	struct workqueue_struct *wq;
	struct work_struct work;

	struct list_head ranges;
};

/**
 * struct bpfsnap_range - one range of a snapshot, its storage and its image
 * @node: in origin->ranges
 * @origin: the disk that it is a range of
 * @start_sect: first sector on the disk
 * @nr_sect: length
 * @error: 0 or the -errno for which it failed; set once by bpfsnap_range_fail()
 * @copied: chunks whose old content is in @store
 * @copied_chunks: how many
 * @dropped_discards: discards completed without being executed
 * @store: the storage file; chunk N is at byte N * BPFSNAP_CHUNK_BYTES
 * @buffer: BPFSNAP_PIECE_BYTES of old content on its way; used by the origin's
 *          worker, lent to @store_work
 * @bio: the read of old content, made of @bvecs; by the origin's worker
 * @store_wq: runs @store_work, so that the worker can give up on it
 * @store_work: writes @buffer to @store
 * @stored: @store_work is done, with @store_result
 * @store_pos_bytes: where @store_work writes
 * @store_len_bytes: how much
 * @store_result: 0 or -errno
 * @store_wb_err: errors of the file's writeback that were known at the beginning
 * @store_late: the worker gave up on @store_work, which still runs
 * @end_work: frees a range with such a store
 * @image: the image block device
 * @image_lock: protects @openers, @ending, @slow
 * @openers: open handles of the image
 * @ending: the image can't be opened any more
 * @slow: reads of the image that need the worker
 * @slow_work: deals with @slow
 * @info: what SNAP_LIST tells of it that does not change
 */
struct bpfsnap_range {
	struct list_head node;
	struct bpfsnap_origin *origin;
	sector_t start_sect;
	sector_t nr_sect;
	int error;

	struct bpfsnap_chunkmap copied;
	atomic64_t copied_chunks;
	atomic64_t dropped_discards;

	struct file *store;
	void *buffer;
	struct bio bio;
	struct bio_vec *bvecs;
	struct workqueue_struct *store_wq;
	struct work_struct store_work;
	struct completion stored;
	loff_t store_pos_bytes;
	size_t store_len_bytes;
	int store_result;
	errseq_t store_wb_err;
	bool store_late;
	struct work_struct end_work;

	struct gendisk *image;
	spinlock_t image_lock;
	unsigned int openers;
	bool ending;
	struct bio_list slow;
	struct work_struct slow_work;

	struct bpfsnap_snap_info info;
};

extern struct mutex bpfsnap_lock;
extern struct list_head bpfsnap_origins;

/* hook.c: the only file that knows how bios are caught */
int bpfsnap_hook_init(void);
void bpfsnap_hook_exit(void);

/**
 * bpfsnap_hook_add() - let the hook see the writes of @origin's disk
 *
 * Context: process, bpfsnap_lock held.
 */
void bpfsnap_hook_add(struct bpfsnap_origin *origin);

/**
 * bpfsnap_hook_del() - the contrary
 *
 * On return no CPU is in the hook with @origin any more.
 * Context: process, may sleep, bpfsnap_lock held.
 */
void bpfsnap_hook_del(struct bpfsnap_origin *origin);

/* gate.c: what happens to a write bio that was caught */
int bpfsnap_gate_init(void);
void bpfsnap_gate_exit(void);
int bpfsnap_gate_create(struct bpfsnap_origin *origin);
void bpfsnap_gate_destroy(struct bpfsnap_origin *origin);

/* What becomes of a bio that arrives at a gate. */
enum bpfsnap_verdict {
	BPFSNAP_PASS,		/* it goes on now */
	BPFSNAP_KEEP,		/* it is the gate's, and comes back later */
	BPFSNAP_REFUSE,		/* it would have to wait, which it must not: EAGAIN */
};

/**
 * bpfsnap_gate_enter() - a write bio arrived at the gate of @origin
 *
 * Never sleeps, never ends or submits a bio.
 * Context: preemption off; any, up to hard interrupt.
 * Return: what is to become of it.
 */
enum bpfsnap_verdict bpfsnap_gate_enter(struct bpfsnap_origin *origin, struct bio *bio);

/**
 * bpfsnap_gate_close() - hold the writes that arrive from now on
 * @origin: its gate must be open
 *
 * Context: process, bpfsnap_lock held.
 */
void bpfsnap_gate_close(struct bpfsnap_origin *origin);

/**
 * bpfsnap_gate_drain() - wait until all writes that passed have completed
 * @origin: its gate must be closed
 * @deadline: in jiffies
 *
 * Return: 0 or -ETIMEDOUT.
 */
int bpfsnap_gate_drain(struct bpfsnap_origin *origin, unsigned long deadline);

/**
 * bpfsnap_gate_settle() - wait until no bio is on its way back to the gate
 * @origin: its gate must be open
 * @deadline: in jiffies
 *
 * Return: 0 or -ETIMEDOUT.
 */
int bpfsnap_gate_settle(struct bpfsnap_origin *origin, unsigned long deadline);

/**
 * bpfsnap_gate_leave() - let go what waits, past the gate
 *
 * The hook must not know the disk any more.
 * Context: process, may sleep.
 */
void bpfsnap_gate_leave(struct bpfsnap_origin *origin);

/* Open a closed gate, drained or not, and let go what waits.  Context: may sleep. */
void bpfsnap_gate_open(struct bpfsnap_origin *origin);

/* What has passed.  Exact only while the gate is closed and drained. */
struct bpfsnap_passed bpfsnap_gate_passed(const struct bpfsnap_origin *origin);

/* origin.c: which disks are attached */
int bpfsnap_origin_attach(const struct bpfsnap_ioc_attach *arg);
int bpfsnap_origin_detach(const struct bpfsnap_ioc_detach *arg);
struct bpfsnap_origin *bpfsnap_origin_find(dev_t dev);

/* snapshot.c: one instant of several ranges */
int bpfsnap_snapshot_create(struct bpfsnap_ioc_snap_create *arg,
			    struct bpfsnap_snap_device *devices,
			    const struct bpfsnap_dev *freeze);
int bpfsnap_snapshot_init(void);
void bpfsnap_snapshot_exit(void);
int bpfsnap_snapshot_destroy(const struct bpfsnap_ioc_snap_destroy *arg);
u32 bpfsnap_snapshot_list(struct bpfsnap_snap_info *items, u32 room);

/* cow.c: old content to the storage file */
int bpfsnap_cow_init(struct bpfsnap_range *range);
void bpfsnap_cow_done(struct bpfsnap_range *range);

/* Must old content be copied before @bio may go on?  Context: preemption off. */
bool bpfsnap_cow_needed(const struct bpfsnap_origin *origin, const struct bio *bio);

/**
 * bpfsnap_cow_copy() - copy all old content that @bio would overwrite
 *
 * When it returns, no range needs a copy for @bio: it is copied, or the range failed.
 * Context: the origin's worker; sleeps.
 */
void bpfsnap_cow_copy(struct bpfsnap_origin *origin, struct bio *bio);

/* Count a discard that is not executed for the sake of the ranges it touches. */
void bpfsnap_cow_count_dropped(struct bpfsnap_origin *origin, const struct bio *bio);

/* Has the storage file lost what was written to it?  Return: 0 or -errno. */
int bpfsnap_store_error(const struct bpfsnap_range *range);

/* The range's image fails for good, with the first reason.  Context: any. */
void bpfsnap_range_fail(struct bpfsnap_range *range, int error, const char *what, u64 sect);

/* image.c: the image block devices */
int bpfsnap_image_init(void);
void bpfsnap_image_exit(void);
int bpfsnap_image_create(struct bpfsnap_range *range);
int bpfsnap_image_publish(struct bpfsnap_range *range);
bool bpfsnap_image_end(struct bpfsnap_range *range);
void bpfsnap_image_unend(struct bpfsnap_range *range);
void bpfsnap_image_destroy(struct bpfsnap_range *range);

/* control.c: the control device */
int bpfsnap_control_init(void);
void bpfsnap_control_exit(void);

#endif /* _BPFSNAP_H */
