/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Gives every supported kernel the names of the newest.  Included before
 * anything else; the only place with a version difference in it.
 */
#ifndef _BPFSNAP_COMPAT_H
#define _BPFSNAP_COMPAT_H

#include <linux/blkdev.h>
#include <linux/blk-mq.h>
#include <linux/fs.h>
#include <linux/ftrace.h>
#include <linux/kthread.h>

#ifdef CONFIG_PREEMPT_RT
#error "bpfsnap: the gate takes spinlocks with preemption off, which PREEMPT_RT does not allow"
#endif

/* The disk that a bio-based driver submits to, and its open and release. */
#ifdef HAVE_OPEN_BY_DISK
#define BPFSNAP_DISK_OPEN(name, disk) static int name(struct gendisk *disk, blk_mode_t mode)
#define BPFSNAP_DISK_RELEASE(name, disk) static void name(struct gendisk *disk)
#else
#define BPFSNAP_DISK_OPEN(name, disk)						\
	static int name##_disk(struct gendisk *disk, fmode_t mode);		\
	static int name(struct block_device *bdev, fmode_t mode)		\
	{									\
		return name##_disk(bdev->bd_disk, mode);			\
	}									\
	static int name##_disk(struct gendisk *disk, fmode_t mode)
#define BPFSNAP_DISK_RELEASE(name, disk) static void name(struct gendisk *disk, fmode_t mode)
#endif

#ifndef HAVE_FTRACE_REGS_ARGUMENT
static __always_inline unsigned long
ftrace_regs_get_argument(struct ftrace_regs *fregs, unsigned int n)
{
	/* Only the first is ever asked for. */
	return n ? 0 : fregs->regs.di;
}

static __always_inline void
ftrace_regs_set_instruction_pointer(struct ftrace_regs *fregs, unsigned long ip)
{
	ftrace_instruction_pointer_set(fregs, ip);
}
#endif

/* 6.14: a worker that is created does not run yet */
#ifndef kthread_run_worker
#define kthread_run_worker	kthread_create_worker
#endif

#ifndef HAVE_BDEV_FREEZE
#define bdev_freeze	freeze_bdev
#define bdev_thaw	thaw_bdev
#endif

/*
 * Does this answer of bdev_freeze() mean that somebody else has frozen the filesystem
 * already, all of it?  Where freezing nests it succeeds then, and EBUSY is a refusal:
 * since 7.3 a device that is leaving its filesystem (btrfs) can't be frozen.
 */
#ifdef HAVE_FREEZE_NESTS
static inline bool bpfsnap_is_frozen(const struct block_device *bdev, int error)
{
	return false;
}
#else
static inline bool bpfsnap_is_frozen(const struct block_device *bdev, int error)
{
	const struct super_block *sb;
	bool is_frozen;

	rcu_read_lock();
	sb = READ_ONCE(bdev->bd_super);
	is_frozen = error == -EBUSY && sb && READ_ONCE(sb->s_writers.frozen) == SB_FREEZE_COMPLETE;
	rcu_read_unlock();
	return is_frozen;
}
#endif

/* Is a filesystem mounted from @bdev?  Where that can't be told, the answer is no. */
static inline bool bpfsnap_is_mounted(const struct block_device *bdev)
{
#ifdef HAVE_FREEZE_NESTS
	return READ_ONCE(bdev->bd_holder_ops) == &fs_holder_ops;
#else
	return READ_ONCE(bdev->bd_super);
#endif
}

/* Count a freeze less, which bdev_thaw() does not if it fails. */
static inline void bpfsnap_forget_freeze(struct block_device *bdev)
{
	mutex_lock(&bdev->bd_fsfreeze_mutex);
#ifdef HAVE_FREEZE_NESTS
	atomic_dec_if_positive(&bdev->bd_fsfreeze_count);
#else
	if (bdev->bd_fsfreeze_count && !--bdev->bd_fsfreeze_count)
		bdev->bd_fsfreeze_sb = NULL;
#endif
	mutex_unlock(&bdev->bd_fsfreeze_mutex);
}

/* An open block device: a file since 6.9, the device itself before. */
#ifdef HAVE_BDEV_FILE
typedef struct file *bpfsnap_bdev_t;

static inline bpfsnap_bdev_t bpfsnap_bdev_open(dev_t dev)
{
	return bdev_file_open_by_dev(dev, BLK_OPEN_READ, NULL, NULL);
}

static inline bpfsnap_bdev_t bpfsnap_bdev_open_excl(dev_t dev, void *holder)
{
	return bdev_file_open_by_dev(dev, BLK_OPEN_READ | BLK_OPEN_WRITE, holder, NULL);
}

/* Nobody should find the disk busy after us: but fput() is lazy in a worker. */
static inline void bpfsnap_bdev_close(bpfsnap_bdev_t handle)
{
	if (current->flags & PF_KTHREAD)
		__fput_sync(handle);
	else
		bdev_fput(handle);
}

static inline void bpfsnap_bdev_close_excl(bpfsnap_bdev_t handle)
{
	bpfsnap_bdev_close(handle);
}

static inline struct block_device *bpfsnap_bdev(bpfsnap_bdev_t handle)
{
	return file_bdev(handle);
}
#else
typedef struct block_device *bpfsnap_bdev_t;

static inline bpfsnap_bdev_t bpfsnap_bdev_open(dev_t dev)
{
	return blkdev_get_by_dev(dev, FMODE_READ, NULL);
}

static inline bpfsnap_bdev_t bpfsnap_bdev_open_excl(dev_t dev, void *holder)
{
	return blkdev_get_by_dev(dev, FMODE_READ | FMODE_WRITE | FMODE_EXCL, holder);
}

static inline void bpfsnap_bdev_close(bpfsnap_bdev_t handle)
{
	blkdev_put(handle, FMODE_READ);
}

static inline void bpfsnap_bdev_close_excl(bpfsnap_bdev_t handle)
{
	blkdev_put(handle, FMODE_READ | FMODE_WRITE | FMODE_EXCL);
}

static inline struct block_device *bpfsnap_bdev(bpfsnap_bdev_t handle)
{
	return handle;
}
#endif

/* A bio-based disk with the given logical block size and alignment of memory, or an ERR_PTR. */
#ifdef HAVE_ALLOC_DISK_LIMITS
static inline struct gendisk *bpfsnap_alloc_disk(unsigned int lbs_bytes, unsigned int dma_alignment,
						 bool discards)
{
	struct queue_limits lim = {
		.dma_alignment = dma_alignment,
		.logical_block_size = lbs_bytes,
		.physical_block_size = PAGE_SIZE,
		.max_hw_discard_sectors = discards ? UINT_MAX >> SECTOR_SHIFT : 0,
		.discard_granularity = lbs_bytes,
	};

	return blk_alloc_disk(&lim, NUMA_NO_NODE);
}
#else
static inline struct gendisk *bpfsnap_alloc_disk(unsigned int lbs_bytes, unsigned int dma_alignment,
						 bool discards)
{
	struct gendisk *disk = blk_alloc_disk(NUMA_NO_NODE);

	if (!disk)
		return ERR_PTR(-ENOMEM);
	blk_queue_dma_alignment(disk->queue, dma_alignment);
	blk_queue_logical_block_size(disk->queue, lbs_bytes);
	blk_queue_physical_block_size(disk->queue, PAGE_SIZE);
	disk->queue->limits.discard_granularity = lbs_bytes;
	if (discards)
		blk_queue_max_discard_sectors(disk->queue, UINT_MAX >> SECTOR_SHIFT);
	return disk;
}
#endif

#ifdef CONFIG_BLK_INLINE_ENCRYPTION
static inline bool bpfsnap_inline_crypto(const struct request_queue *q)
{
	return q->crypto_profile;
}
#else
static inline bool bpfsnap_inline_crypto(const struct request_queue *q)
{
	return false;
}
#endif

/* Does the device mapper keep a list in bi_private of this bio?  (REQ_DM_POLL_LIST) */
static inline bool bpfsnap_is_dm_polled(const struct bio *bio)
{
	return (bio->bi_opf & (REQ_POLLED | REQ_DRV)) == (REQ_POLLED | REQ_DRV);
}

/* Before 6.3, pages could be written to some disks (brd, zram, pmem) without any bio. */
static inline bool bpfsnap_writes_without_bio(const struct gendisk *disk)
{
#ifdef HAVE_RW_PAGE
	return disk->fops->rw_page;
#else
	return false;
#endif
}

/*
 * Does this disk account its writes in flight although its queue's iostats are off?
 * dm did until 6.11, when BLK_FEAT_IO_STAT came (cdb2497918cc2).
 */
#ifdef BLK_FEAT_IO_STAT
#define BPFSNAP_ACCOUNTS_ALWAYS	"ram", "zram", "bcache"
#else
#define BPFSNAP_ACCOUNTS_ALWAYS	"ram", "zram", "bcache", "dm-"
#endif

#ifndef HAVE_FREEZE_NOMEMSAVE
#define blk_mq_unfreeze_queue_nomemrestore	blk_mq_unfreeze_queue
#endif

#endif /* _BPFSNAP_COMPAT_H */
