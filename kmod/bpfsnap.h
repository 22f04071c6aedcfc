/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DOC: the objects of the module and who may touch them
 *
 * Locks, in order of precedence; none is held across a call into a driver or
 * a filesystem, except the first, which no I/O path takes:
 *
 *   bpfsnap_lock            mutex: the lists of origins and snapshots, everything
 *                           that an ioctl changes
 *   bpfsnap_list_lock       mutex, held for moments: who is in these lists, for those who
 *                           only look, and must not wait for a disk
 *   origin->cow_lock        spinlock: what is to be copied, for whom
 *   origin->lock            irq-safe spinlock: what waits at a gate
 *   range->image_lock       irq-safe spinlock: openers of an image, its slow bios
 *   store->lock             spinlock: pieces on their way to a storage
 *   range->index.lock       spinlock: where old content is kept
 *   snap->used_lock         spinlock: pages to be used again
 *   event_lock              irq-safe spinlock: events for the daemon
 *
 * The hook finds origins in a hash with preemption off, and so does whoever walks
 * origin->ranges, which is an RCU read side.  Reads of old content are waited for
 * before a range is freed.
 */
#ifndef _BPFSNAP_H
#define _BPFSNAP_H

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/completion.h>
#include <linux/errseq.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/mempool.h>
#include <linux/mutex.h>
#include <linux/percpu-refcount.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <uapi/bpfsnap.h>
#include "chunkmap.h"
#include "index.h"
#include "store.h"

#undef pr_fmt
#define pr_fmt(fmt) "bpfsnap: " fmt

/* Copies are handled page by page. */
static_assert(PAGE_SIZE == BPFSNAP_CHUNK_BYTES);

#define BPFSNAP_CHUNK_SECT	(BPFSNAP_CHUNK_BYTES >> SECTOR_SHIFT)

enum {
	/* Most chunks that one read of old content covers, and one write of them. */
	BPFSNAP_PIECE_CHUNKS	= 256,
	/* Pieces of one chunk for when no memory is to be had: a reserve per range. */
	BPFSNAP_RESERVE_PIECES	= 16,
	/* Memory for old content on its way to the storage, unless the caller says. */
	BPFSNAP_MEMORY_DEFAULT_BYTES = 64 << 20,
	/* A storage that makes no progress for so long has failed. */
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
 * @users: ranges that are not freed yet; raised under bpfsnap_lock
 * @attaching: writes from before the gate may still be on their way
 * @copies_discards: discards are copied for instead of dropped
 * @reap: frees it when nothing of it is in flight any more
 * @inflight: one reference per write that passed; dead while the gate is closed
 * @drained: woken when @inflight reaches zero
 * @passed: per CPU, written with preemption off
 * @jobs: reserve of struct bpfsnap_job; one for each disk, since the bios of a
 *        stacked disk keep theirs until those of the disks below have theirs
 * @returning: jobs that have a bio which has not passed yet, and submitters who copy
 * @lock: protects @waiting, @asked
 * @waiting: writes diverted at the gate, to be copied for or held, in order
 * @asked: jobs of images that ask for a copy
 * @diverted: writes that ever waited
 * @cow_lock: protects what is said to be under it, of jobs, pieces and ranges, too
 * @left_jiffies: when a submitter last left to the worker what he had begun to read
 * @is_blocked: somebody waits for another job's piece, or has done so; under cow_lock
 * @read: pieces whose old content has been read
 * @is_working: @work or @retry is running, and will look at @read once more
 * @starved: jobs that wait for memory; the worker's
 * @nr_starved: how many
 * @blocked: jobs that wait for another job's piece; the worker's
 * @worker: a thread of its own, which needs no memory to begin: writeback may depend on it
 * @work: deals with all of these
 * @retry: likewise, when nothing else might begin @work
 * @ranges: armed struct bpfsnap_range; RCU, see above; changed under bpfsnap_lock
 */
struct bpfsnap_origin {
	struct hlist_node hash;
	struct list_head list;
	struct gendisk *disk;
	dev_t dev;
	bpfsnap_bdev_t bdev;
	atomic_t users;
	bool attaching;
	bool copies_discards;
	struct work_struct reap;

	struct percpu_ref inflight;
	wait_queue_head_t drained;
	struct bpfsnap_passed __percpu *passed;
	mempool_t *jobs;
	atomic_t returning;

	spinlock_t lock;
	struct bio_list waiting;
	struct list_head asked;
	atomic64_t diverted;

	unsigned long left_jiffies;
	spinlock_t cow_lock;
	bool is_blocked;

	struct llist_head read;
	bool is_working;
	struct list_head starved;
	unsigned int nr_starved;
	struct list_head blocked;
	struct kthread_worker *worker;
	struct kthread_work work;
	struct kthread_delayed_work retry;

	struct list_head ranges;
};

/**
 * struct bpfsnap_job - a write that waits for copies, or one that has passed
 * @origin: whose gate
 * @bio: the write; NULL if an image asks
 * @end_io: completion of @bio before it became ours
 * @private: likewise
 * @passed: @bio has passed and holds a reference on origin->inflight
 * @is_pooled: it is one of origin->jobs
 * @node: in a list of the worker, or in origin->asked
 * @pieces: that are being read for it; under cow_lock
 * @range: if an image asks, its range
 * @sect: first sector on the disk
 * @end_sect: first sector after it
 * @done: if an image asks, where it waits
 */
struct bpfsnap_job {
	struct bpfsnap_origin *origin;
	struct bio *bio;
	bio_end_io_t *end_io;
	void *private;
	bool passed;
	bool is_pooled;

	struct list_head node;
	struct list_head pieces;
	struct bpfsnap_range *range;
	sector_t sect;
	sector_t end_sect;
	struct completion *done;
};

/* How a piece is read. */
enum bpfsnap_piece_state {
	BPFSNAP_PIECE_LEFT,	/* the worker is told when it has been read */
	BPFSNAP_PIECE_AWAITED,	/* who reads it looks, and leaves it if it has not been read */
	BPFSNAP_PIECE_READ,	/* it has been */
};

/**
 * struct bpfsnap_piece - old content of neighbouring chunks, in memory
 * @ref: the way to the storage has one, so does each image read that looks at it
 * @range: whose
 * @state: of its being read; enum bpfsnap_piece_state
 * @job: for which it is read, until it has been read
 * @extent: its entry in the range's index
 * @read: in origin->read, or in range->reserve
 * @node: in job->pieces, then in store->pending
 * @chunk: first chunk
 * @nr_chunks: how many, a page each
 * @nr_pages: how many it has pages for
 * @is_reserve: it is of the range's reserve, and not freed but used again
 * @begun_ns: when the read was issued
 * @bio: the read; its pages are @bvecs'
 */
struct bpfsnap_piece {
	refcount_t ref;
	atomic_t state;
	struct bpfsnap_range *range;
	struct bpfsnap_job *job;
	struct bpfsnap_extent *extent;
	struct llist_node read;
	struct list_head node;
	u64 chunk;
	u32 nr_chunks;
	u32 nr_pages;
	bool is_reserve;
	u64 begun_ns;
	struct bio bio;
	struct bio_vec bvecs[];
};

/**
 * struct bpfsnap_range - one range of a snapshot and its image
 * @node: in origin->ranges
 * @snap: its snapshot
 * @origin: the disk that it is a range of
 * @start_sect: first sector on the disk
 * @nr_sect: length
 * @diskseq: of the disk at the instant; another medium has another
 * @error: 0 or the -errno for which it failed; set once by bpfsnap_range_fail()
 * @reason: why, enum bpfsnap_failure
 * @failed_sect: at which sector of the disk
 * @failed_ns: when
 * @copied: chunks whose old content is safe in memory or storage
 * @started: chunks whose old content is being read, or copied; under cow_lock
 * @index: where the old content of the chunks in @copied is
 * @store: where it goes
 * @reading: pieces being read; changed under cow_lock
 * @idle: woken when @reading becomes 0
 * @reserve: pieces for when there is no memory, that are not in use; taken under cow_lock
 * @is_starved: a job could not go on for lack of memory; under cow_lock
 * @starved_jiffies: since when, or since something was read, or the storage made progress
 * @copied_chunks: how many were copied
 * @dropped_discards: discards completed without being executed
 * @image: the image block device
 * @image_lock: protects @openers, @is_ending, @slow
 * @bios: of the image, on their way
 * @openers: open handles of the image
 * @is_ending: the image can't be opened any more
 * @slow: bios of the image that need the worker
 * @slow_work: deals with @slow
 * @bounce: pages through which it reads the storage
 * @info: what SNAP_LIST tells of it that does not change
 */
struct bpfsnap_range {
	struct list_head node;
	struct bpfsnap_snapshot *snap;
	struct bpfsnap_origin *origin;
	sector_t start_sect;
	sector_t nr_sect;
	u64 diskseq;
	int error;
	u32 reason;
	u64 failed_sect;
	u64 failed_ns;

	struct bpfsnap_chunkmap copied;
	struct bpfsnap_chunkmap started;
	struct bpfsnap_index index;
	struct bpfsnap_store *store;
	unsigned int reading;
	wait_queue_head_t idle;
	struct llist_head reserve;
	bool is_starved;
	unsigned long starved_jiffies;
	atomic64_t copied_chunks;
	atomic64_t dropped_discards;

	struct gendisk *image;
	spinlock_t image_lock;
	atomic_t bios;
	unsigned int openers;
	bool is_ending;
	struct bio_list slow;
	struct work_struct slow_work;
	struct bio_vec *bounce;

	struct bpfsnap_snap_info info;
};

/**
 * struct bpfsnap_snapshot - ranges of one instant
 * @list: in the list of snapshots
 * @id: its name
 * @writable: its images take writes
 * @copies_discards: discards are copied for instead of dropped
 * @pages: of old content in memory
 * @max_pages: limit of @pages
 * @used_lock: protects @used, @nr_used
 * @used: pages that were used, and will be again; chained by their private field
 * @nr_used: how many; not counted in @pages, but both together are within the limit
 * @is_ending: it is being freed
 * @is_forced: although images were open
 * @end_work: frees it
 * @nr_stores: how many
 * @nr_ranges: how many
 * @stores: each has ranges of this snapshot only
 * @ranges: those of one disk stand together
 */
struct bpfsnap_snapshot {
	struct list_head list;
	u8 id[16];
	bool writable;
	bool copies_discards;
	atomic_t pages;
	unsigned int max_pages;
	spinlock_t used_lock;
	struct page *used;
	u32 nr_used;
	bool is_ending;
	bool is_forced;
	struct work_struct end_work;
	u32 nr_stores;
	u32 nr_ranges;
	struct bpfsnap_store *stores[BPFSNAP_MAX_DEVICES];
	struct bpfsnap_range *ranges[BPFSNAP_MAX_DEVICES];
};

extern struct mutex bpfsnap_lock;
/* The lists are changed with both locks held, and read with either. */
extern struct mutex bpfsnap_list_lock;
extern struct list_head bpfsnap_origins;
/* Snapshots, also those that are being freed. */
extern struct list_head bpfsnap_snapshots;

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

/* job.c: wrappers of bios */
int bpfsnap_job_init(void);
void bpfsnap_job_exit(void);
extern struct kmem_cache *bpfsnap_job_cache;
/* Not from a reserve.  Context: any.  Return: NULL without memory. */
struct bpfsnap_job *bpfsnap_job_new(void);
/* Also one from a reserve. */
void bpfsnap_job_free(struct bpfsnap_job *job);
/* @bio ends through @job from now on. */
void bpfsnap_job_wrap(struct bpfsnap_job *job, struct bio *bio);
/* @bio ends as it did before, and its job is freed. */
void bpfsnap_job_unwrap(struct bio *bio);
/* Return: the job that this origin gave the bio, or NULL. */
struct bpfsnap_job *bpfsnap_job_of(const struct bpfsnap_origin *origin, const struct bio *bio);

/* gate.c: what happens to a write bio that was caught */
int bpfsnap_gate_create(struct bpfsnap_origin *origin);
void bpfsnap_gate_destroy(struct bpfsnap_origin *origin);

/* What becomes of a bio that arrives at a gate. */
enum bpfsnap_verdict {
	BPFSNAP_PASS,		/* it goes on now */
	BPFSNAP_KEEP,		/* it is the gate's, and comes back later */
	BPFSNAP_COPY,		/* likewise, and bpfsnap_gate_copy_for() is to be called with it */
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

/* Its submitter copies for @bio, without waiting for it.  Context: that of the submission. */
void bpfsnap_gate_copy_for(struct bio *bio);

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

/* A piece has been read; @read is its node.  Context: any. */
void bpfsnap_gate_read(struct bpfsnap_origin *origin, struct llist_node *read);

/**
 * bpfsnap_gate_report() - sectors have changed without a bio that was seen
 *
 * Context: process, may sleep, bpfsnap_lock held and the gate open: nobody else closes it then.
 */
void bpfsnap_gate_report(struct bpfsnap_origin *origin, sector_t sect, sector_t nr_sect);

/* Something has happened that jobs may wait for.  Context: any. */
void bpfsnap_gate_kick(struct bpfsnap_origin *origin);

/**
 * bpfsnap_gate_copy() - have the old content of some sectors copied for an image
 * @range: whose image
 * @sect: first sector on the disk
 * @end_sect: first sector after the last
 *
 * Context: process, may sleep.
 */
void bpfsnap_gate_copy(struct bpfsnap_range *range, sector_t sect, sector_t end_sect);

/* origin.c: which disks are attached */
int bpfsnap_origin_init(void);
void bpfsnap_origin_exit(void);

/* Can it be tracked and copied rightly?  Return: 0 or -errno as uapi/bpfsnap.h has it. */
int bpfsnap_origin_check(struct block_device *bdev);
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
int bpfsnap_snapshot_extend(const struct bpfsnap_ioc_snap_extend *arg);
/* Fill @items, struct bpfsnap_snap_info, as far as there is @room.  Return: how many there are. */
u32 bpfsnap_snapshot_list(void *items, u32 room);
void bpfsnap_snapshot_describe(struct bpfsnap_range *range, struct bpfsnap_snap_info *info);

/* Is this range the first of its disk?  Ranges of one disk stand together. */
bool bpfsnap_first_of_disk(const struct bpfsnap_snapshot *snap, u32 i);

/* plan.c: what a snapshot is made of */

/**
 * bpfsnap_range_make() - add a range to a snapshot that nobody sees yet
 * @snap: the snapshot
 * @arg: what it was asked for with
 * @device: and the range
 * @ret_step: on error, enum bpfsnap_step
 *
 * Context: may sleep, bpfsnap_lock held.
 * Return: 0 or -errno as uapi/bpfsnap.h lists them.
 */
int bpfsnap_range_make(struct bpfsnap_snapshot *snap, const struct bpfsnap_ioc_snap_create *arg,
		       const struct bpfsnap_snap_device *device, u32 *ret_step);

/* Gives back what it has, but for itself. */
void bpfsnap_range_leave(struct bpfsnap_range *range);

/* Is there a disk of which both have ranges? */
bool bpfsnap_share_disk(const struct bpfsnap_snapshot *a, const struct bpfsnap_snapshot *b);

/* Do the ranges and stores of @snap go together, and with those of other snapshots? */
int bpfsnap_ranges_check(const struct bpfsnap_snapshot *snap, u32 *ret_step, u32 *ret_index);

/* freeze.c: filesystems that stand still for the instant */
int bpfsnap_freeze_init(void);
void bpfsnap_freeze_exit(void);
struct bpfsnap_freezer;
struct bpfsnap_freezer *bpfsnap_freezer_new(u32 nr);
void bpfsnap_freezer_free(struct bpfsnap_freezer *freezer);

/**
 * bpfsnap_freeze() - freeze filesystems, with the thaw armed beforehand
 * @freezer: made for at least @nr
 * @snap: none may hold a storage of it
 * @devs: the devices that they are on
 * @nr: how many
 * @deadline: when all are thawed, in jiffies
 * @ret_index: on error, which one
 *
 * Return: 0, -EXDEV, -ETIMEDOUT, or what the filesystem says.
 */
int bpfsnap_freeze(struct bpfsnap_freezer *freezer, const struct bpfsnap_snapshot *snap,
		   const struct bpfsnap_dev *devs, u32 nr, unsigned long deadline,
		   u32 *ret_index);

/**
 * bpfsnap_thaw() - thaw what is frozen
 * @ret_index: which one, with -ECANCELED
 *
 * Return: 0 if all of it was frozen until now; -ETIMEDOUT it was thawed at the deadline,
 * -ECANCELED one of them by somebody else.
 */
int bpfsnap_thaw(struct bpfsnap_freezer *freezer, u32 *ret_index);

/* cow.c: old content into memory */
int bpfsnap_cow_create(struct bpfsnap_range *range);
void bpfsnap_cow_destroy(struct bpfsnap_range *range);

/* Pages that no piece will use again.  Context: no range is left. */
void bpfsnap_cow_free_used(struct bpfsnap_snapshot *snap);

/* Must old content be copied before @bio may go on?  Context: preemption off. */
bool bpfsnap_cow_needed(const struct bpfsnap_origin *origin, const struct bio *bio);

/* What a job may do next. */
enum bpfsnap_cow {
	BPFSNAP_COW_DONE,	/* all that it needs is copied */
	BPFSNAP_COW_READING,	/* its last piece to be read starts it again */
	BPFSNAP_COW_BLOCKED,	/* another job's piece is being read */
	BPFSNAP_COW_STARVED,	/* there is no memory, or too much of it in use */
};

/**
 * bpfsnap_cow_start() - copy what @job needs and is not copied yet
 *
 * Context: process, may sleep as a submission may; nobody else has the job.
 */
enum bpfsnap_cow bpfsnap_cow_start(struct bpfsnap_origin *origin, struct bpfsnap_job *job);

/* Likewise, and account for what is read at once: DONE, and the gate looks.  READING: the worker's. */
enum bpfsnap_cow bpfsnap_cow_here(struct bpfsnap_origin *origin, struct bpfsnap_job *job);

/* Wait until nothing is being read for a range that is in no list any more. */
void bpfsnap_cow_await(struct bpfsnap_range *range);

/**
 * bpfsnap_cow_finish() - account for the pieces that have been read
 * @origin: whose
 * @ready: jobs for which the last piece was read are added here
 *
 * Context: the origin's worker.
 */
void bpfsnap_cow_finish(struct bpfsnap_origin *origin, struct list_head *ready);

/**
 * bpfsnap_cow_refill() - get memory for what the reserves have given away for good
 *
 * Context: the origin's worker.
 * Return: are they full?
 */
bool bpfsnap_cow_refill(struct bpfsnap_origin *origin);

/* Count a discard that is not executed for the sake of the ranges it touches.  Preemption off. */
void bpfsnap_cow_count_dropped(struct bpfsnap_origin *origin, const struct bpfsnap_job *job);

void bpfsnap_piece_put(struct bpfsnap_piece *piece);

/* Is the disk there, with the medium of the instant and its size?  Only then is what it holds old.  Context: any. */
static inline bool bpfsnap_range_has_disk(const struct bpfsnap_range *range)
{
	struct gendisk *disk = range->origin->disk;

	return disk_live(disk) && READ_ONCE(disk->diskseq) == range->diskseq &&
	       get_capacity(disk) >= range->start_sect + range->nr_sect;
}

/* control.c: the control device */
int bpfsnap_control_init(void);
void bpfsnap_control_exit(void);

#include "event.h"
#include "image.h"

#endif /* _BPFSNAP_H */
