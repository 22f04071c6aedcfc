/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Gives every supported kernel the names of the newest.  Included before
 * anything else; the only place with a version difference in it.
 */
#ifndef _BPFSNAP_COMPAT_H
#define _BPFSNAP_COMPAT_H

#include <linux/blkdev.h>
#include <linux/blk-mq.h>
#include <linux/ftrace.h>

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

#ifndef HAVE_BDEV_FREEZE
#define bdev_freeze	freeze_bdev
#define bdev_thaw	thaw_bdev
#endif

/*
 * Does this answer of bdev_freeze() mean that somebody else has frozen the filesystem
 * already?  Where freezing nests it succeeds then, and EBUSY is a refusal: since 7.3 a
 * device that is leaving its filesystem (btrfs) can't be frozen.
 */
#ifdef HAVE_FREEZE_NESTS
static inline bool bpfsnap_is_frozen(int error)
{
	return false;
}
#else
static inline bool bpfsnap_is_frozen(int error)
{
	return error == -EBUSY;
}
#endif

/* An open block device: a file since 6.9, the device itself before. */
#ifdef HAVE_BDEV_FILE
typedef struct file *bpfsnap_bdev_t;

static inline bpfsnap_bdev_t bpfsnap_bdev_open(dev_t dev)
{
	return bdev_file_open_by_dev(dev, BLK_OPEN_READ, NULL, NULL);
}

static inline void bpfsnap_bdev_close(bpfsnap_bdev_t handle)
{
	bdev_fput(handle);
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

static inline void bpfsnap_bdev_close(bpfsnap_bdev_t handle)
{
	blkdev_put(handle, FMODE_READ);
}

static inline struct block_device *bpfsnap_bdev(bpfsnap_bdev_t handle)
{
	return handle;
}
#endif

/* A bio-based disk with the given logical block size, or an ERR_PTR. */
#ifdef HAVE_ALLOC_DISK_LIMITS
static inline struct gendisk *bpfsnap_alloc_disk(unsigned int lbs_bytes)
{
	struct queue_limits lim = {
		.logical_block_size = lbs_bytes,
		.physical_block_size = PAGE_SIZE,
	};

	return blk_alloc_disk(&lim, NUMA_NO_NODE);
}
#else
static inline struct gendisk *bpfsnap_alloc_disk(unsigned int lbs_bytes)
{
	struct gendisk *disk = blk_alloc_disk(NUMA_NO_NODE);

	if (!disk)
		return ERR_PTR(-ENOMEM);
	blk_queue_logical_block_size(disk->queue, lbs_bytes);
	blk_queue_physical_block_size(disk->queue, PAGE_SIZE);
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

/*
 * Does this disk account its writes in flight although its queue's iostats are off?
 * dm did until 6.11, when BLK_FEAT_IO_STAT came (cdb2497918cc2).
 */
#ifdef BLK_FEAT_IO_STAT
#define BPFSNAP_ACCOUNTS_ALWAYS	"ram", "zram", "bcache"
#else
#define BPFSNAP_ACCOUNTS_ALWAYS	"ram", "zram", "bcache", "dm-"
#endif

#ifndef HAVE_DFL_WQ
#define system_dfl_wq	system_unbound_wq
#endif

#ifndef HAVE_FREEZE_NOMEMSAVE
#define blk_mq_unfreeze_queue_nomemrestore	blk_mq_unfreeze_queue
#endif

#endif /* _BPFSNAP_COMPAT_H */
