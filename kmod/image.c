// SPDX-License-Identifier: GPL-2.0-only
/*
 * DOC: image block devices
 *
 * A read whose chunks are all still on the origin is sent there; when it comes
 * back, the chunks are looked at again.  If none was copied meanwhile, no
 * overwrite had been issued before the read ended (a chunk's bit is set first),
 * and what was read is old.  Else, and for all other reads, the worker assembles
 * the answer run by run: copied chunks from the storage file, others from the
 * origin with the same check.
 *
 * A range that failed answers every read with EIO.  Its error, too, is set before
 * the overwrite is issued that nothing was kept for.
 *
 * The images have a major number of their own and names unlike those of disks, so
 * that no tool takes them for the origin with the same UUID.
 */
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/idr.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include "bpfsnap.h"

enum { IMAGE_MINORS = 256 };

static int image_major;
static DEFINE_IDA(image_minors);
static struct bio_set image_bios;
static struct workqueue_struct *image_wq;

static void chunks_of(const struct bio *bio, u64 *ret_first, u64 *ret_last)
{
	*ret_first = bio->bi_iter.bi_sector / BPFSNAP_CHUNK_SECT;
	*ret_last = (bio_end_sector(bio) - 1) / BPFSNAP_CHUNK_SECT;
}

/* May what was just read from the origin for first..last be taken for old content? */
static bool still_old(const struct bpfsnap_range *range, u64 first, u64 last)
{
	/* The read before the looks; pairs with smp_mb() in bpfsnap_chunkmap_set(). */
	smp_rmb();
	return !READ_ONCE(range->error) && !bpfsnap_chunkmap_any(&range->copied, first, last);
}

static void read_slowly(struct bpfsnap_range *range, struct bio *bio)
{
	unsigned long flags;

	spin_lock_irqsave(&range->image_lock, flags);
	bio_list_add(&range->slow, bio);
	spin_unlock_irqrestore(&range->image_lock, flags);
	queue_work(image_wq, &range->slow_work);
}

static struct bio *origin_read(struct bpfsnap_range *range, struct bio *bio)
{
	struct bio *clone = bio_alloc_clone(range->origin->disk->part0, bio, GFP_NOIO, &image_bios);

	clone->bi_opf = REQ_OP_READ | (bio->bi_opf & REQ_SYNC);
	clone->bi_iter.bi_sector += range->start_sect;
	return clone;
}

static void fast_endio(struct bio *clone)
{
	struct bio *bio = clone->bi_private;
	struct bpfsnap_range *range = bio->bi_bdev->bd_disk->private_data;
	blk_status_t status = clone->bi_status;
	u64 first, last;

	bio_put(clone);
	chunks_of(bio, &first, &last);
	if (!status && still_old(range, first, last))
		bio_endio(bio);
	else
		read_slowly(range, bio);
}

static void image_submit_bio(struct bio *bio)
{
	struct bpfsnap_range *range = bio->bi_bdev->bd_disk->private_data;
	struct bio *clone;
	u64 first, last;

	if (!bio_sectors(bio)) {
		bio_endio(bio);
		return;
	}
	if (bio_op(bio) != REQ_OP_READ || READ_ONCE(range->error)) {
		bio_io_error(bio);
		return;
	}
	chunks_of(bio, &first, &last);
	if (bpfsnap_chunkmap_any(&range->copied, first, last)) {
		read_slowly(range, bio);
		return;
	}
	clone = origin_read(range, bio);
	clone->bi_private = bio;
	clone->bi_end_io = fast_endio;
	submit_bio_noacct(clone);
}

static int read_stored(struct bpfsnap_range *range, struct bio *part)
{
	loff_t pos = (loff_t)part->bi_iter.bi_sector << SECTOR_SHIFT;
	struct bvec_iter iter;
	struct bio_vec bv;

	bio_for_each_segment(bv, part, iter) {
		void *to = bvec_kmap_local(&bv);
		ssize_t got = kernel_read(range->store, to, bv.bv_len, &pos);

		kunmap_local(to);
		flush_dcache_page(bv.bv_page);
		if (got != bv.bv_len)
			return got < 0 ? got : -EIO;
	}
	/* Lost in writeback, it would have read as zeros. */
	return bpfsnap_store_error(range);
}

/* Return: 0, -errno, or -EAGAIN if chunks were copied while the origin was read. */
static int read_origin(struct bpfsnap_range *range, struct bio *part, u64 first, u64 last)
{
	struct bio *clone = origin_read(range, part);
	int ret = submit_bio_wait(clone);

	bio_put(clone);
	if (!ret && !still_old(range, first, last))
		return -EAGAIN;
	return ret;
}

static int read_by_runs(struct bpfsnap_range *range, struct bio *bio)
{
	u64 chunk, last, run_end;
	sector_t sect = bio->bi_iter.bi_sector, end = bio_end_sector(bio);

	chunks_of(bio, &chunk, &last);
	while (chunk <= last) {
		struct bio part;
		sector_t to;
		bool copied;
		int ret;

		if (READ_ONCE(range->error))
			return range->error;
		run_end = bpfsnap_chunkmap_run(&range->copied, chunk, last, &copied);
		to = min_t(sector_t, (run_end + 1) * BPFSNAP_CHUNK_SECT, end);
		/* On the stack: a second bio of the same set could wait for the first. */
		ret = bio_init_clone(bio->bi_bdev, &part, bio, GFP_NOIO);
		if (ret)
			return ret;
		bio_trim(&part, sect - bio->bi_iter.bi_sector, to - sect);
		if (copied)
			ret = read_stored(range, &part);
		else
			ret = read_origin(range, &part, chunk, run_end);
		bio_uninit(&part);
		if (ret == -EAGAIN)
			continue;
		if (ret) {
			if (copied)
				bpfsnap_range_fail(range, ret, "storage unreadable", sect);
			else if (!disk_live(range->origin->disk))
				bpfsnap_range_fail(range, -ENODEV, "the disk is gone", sect);
			return ret;
		}
		chunk = run_end + 1;
		sect = to;
	}
	return 0;
}

static void slow_work(struct work_struct *work)
{
	struct bpfsnap_range *range = container_of(work, struct bpfsnap_range, slow_work);
	/* Reclaim could wait for a write that waits for the file that we hold. */
	unsigned int noio = memalloc_noio_save();
	struct bio *bio;

	for (;;) {
		spin_lock_irq(&range->image_lock);
		bio = bio_list_pop(&range->slow);
		spin_unlock_irq(&range->image_lock);
		if (!bio)
			break;
		bio->bi_status = errno_to_blk_status(read_by_runs(range, bio));
		bio_endio(bio);
		cond_resched();
	}
	memalloc_noio_restore(noio);
}

BPFSNAP_DISK_OPEN(image_open, disk)
{
	struct bpfsnap_range *range = disk->private_data;
	int ret = 0;

	spin_lock_irq(&range->image_lock);
	if (range->ending)
		ret = -ENXIO;
	else
		range->openers++;
	spin_unlock_irq(&range->image_lock);
	return ret;
}

BPFSNAP_DISK_RELEASE(image_release, disk)
{
	struct bpfsnap_range *range = disk->private_data;

	spin_lock_irq(&range->image_lock);
	range->openers--;
	spin_unlock_irq(&range->image_lock);
}

static const struct block_device_operations image_fops = {
	.owner = THIS_MODULE,
	.submit_bio = image_submit_bio,
	.open = image_open,
	.release = image_release,
};

/* Make the image, but let nobody see it yet. */
int bpfsnap_image_create(struct bpfsnap_range *range)
{
	struct gendisk *disk;
	int minor;

	spin_lock_init(&range->image_lock);
	bio_list_init(&range->slow);
	/* Until all images of the snapshot are there. */
	range->ending = true;
	INIT_WORK(&range->slow_work, slow_work);

	minor = ida_alloc_max(&image_minors, IMAGE_MINORS - 1, GFP_KERNEL);
	if (minor < 0)
		return minor;
	disk = bpfsnap_alloc_disk(bdev_logical_block_size(range->origin->disk->part0));
	if (IS_ERR(disk)) {
		ida_free(&image_minors, minor);
		return PTR_ERR(disk);
	}
	disk->major = image_major;
	disk->first_minor = minor;
	disk->minors = 1;
	disk->flags |= GENHD_FL_NO_PART;
	disk->fops = &image_fops;
	disk->private_data = range;
	snprintf(disk->disk_name, sizeof(disk->disk_name), "bpfsnap%d", minor);
	set_capacity(disk, range->nr_sect);
	set_disk_ro(disk, true);
	range->image = disk;
	return 0;
}

int bpfsnap_image_publish(struct bpfsnap_range *range)
{
	return add_disk(range->image);
}

/* No more openers from now on.  Return: false if there is one. */
bool bpfsnap_image_end(struct bpfsnap_range *range)
{
	bool idle;

	spin_lock_irq(&range->image_lock);
	idle = !range->openers;
	if (idle)
		range->ending = true;
	spin_unlock_irq(&range->image_lock);
	return idle;
}

void bpfsnap_image_unend(struct bpfsnap_range *range)
{
	spin_lock_irq(&range->image_lock);
	range->ending = false;
	spin_unlock_irq(&range->image_lock);
}

void bpfsnap_image_destroy(struct bpfsnap_range *range)
{
	struct gendisk *disk = range->image;
	int minor = disk->first_minor;

	if (disk_live(disk))
		del_gendisk(disk);
	flush_work(&range->slow_work);
	put_disk(disk);
	ida_free(&image_minors, minor);
}

int bpfsnap_image_init(void)
{
	int ret;

	ret = bioset_init(&image_bios, BIO_POOL_SIZE, 0, 0);
	if (ret)
		return ret;
	ret = -ENOMEM;
	image_wq = alloc_workqueue("bpfsnap-image", WQ_UNBOUND, 0);
	if (!image_wq)
		goto exit_bios;
	image_major = register_blkdev(0, "bpfsnap");
	if (image_major < 0) {
		ret = image_major;
		goto destroy_wq;
	}
	return 0;

destroy_wq:
	destroy_workqueue(image_wq);
exit_bios:
	bioset_exit(&image_bios);
	return ret;
}

void bpfsnap_image_exit(void)
{
	unregister_blkdev(image_major, "bpfsnap");
	destroy_workqueue(image_wq);
	bioset_exit(&image_bios);
	ida_destroy(&image_minors);
}
