// SPDX-License-Identifier: GPL-2.0-only
/*
 * DOC: image block devices
 *
 * A read whose chunks are all still on the origin is sent there; when it comes
 * back, the chunks are looked at again.  If none was copied meanwhile, no
 * overwrite had been issued before the read ended (a chunk's bit is set first),
 * and what was read is old.  Else, and for all other reads, the worker assembles
 * the answer run by run: copied chunks from memory or storage, others from the
 * origin with the same check.
 *
 * An image that takes writes keeps them in the storage: a chunk is copied first, as if
 * the origin were written to, and then changed where it is stored.
 *
 * A range that failed answers everything with its error, at once.  That, too, is set before
 * the overwrite is issued that nothing was kept for.
 *
 * The images have a major number of their own and names unlike those of disks, so
 * that no tool takes them for the origin with the same UUID.
 */
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/idr.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include "bpfsnap.h"
#include "trace.h"

enum {
	IMAGE_MINORS	= 256,
	/* Read from the storage at once. */
	BOUNCE_CHUNKS	= 32,
	/* No errno: whatever a driver answers, it isn't this. */
	RACED		= 1,
};

static int image_major;
static DEFINE_IDA(image_minors);
static struct bio_set image_bios;
static struct workqueue_struct *image_wq;
/* An image is closed, or has no bio on its way. */
static DECLARE_WAIT_QUEUE_HEAD(image_idle);

static void chunks_of(const struct bio *bio, u64 *ret_first, u64 *ret_last)
{
	*ret_first = bio->bi_iter.bi_sector / BPFSNAP_CHUNK_SECT;
	*ret_last = (bio_end_sector(bio) - 1) / BPFSNAP_CHUNK_SECT;
}

/* May what was just read from the origin for first..last be taken for old content? */
static bool still_old(struct bpfsnap_range *range, u64 first, u64 last)
{
	/* The read before the looks; pairs with smp_mb() in bpfsnap_chunkmap_set(). */
	smp_rmb();
	/* At once: it may be there again when somebody looks next. */
	if (!bpfsnap_range_has_disk(range))
		bpfsnap_range_fail(range, -ENODEV, BPFSNAP_FAILURE_DISK_GONE,
				   range->start_sect + first * BPFSNAP_CHUNK_SECT);
	return !READ_ONCE(range->error) && !bpfsnap_chunkmap_any(&range->copied, first, last);
}

static void read_slowly(struct bpfsnap_range *range, struct bio *bio)
{
	unsigned long flags;

	spin_lock_irqsave(&range->image_lock, flags);
	bio_list_add(&range->slow, bio);
	/* Once somebody else may have taken the bio and ended it, the range may be gone. */
	queue_work(image_wq, &range->slow_work);
	spin_unlock_irqrestore(&range->image_lock, flags);
}

/* Counted out first: when it has ended, its opener may close, and the range be freed. */
static void bio_done(struct bpfsnap_range *range, struct bio *bio)
{
	/* A full barrier; pairs with the one of who waits. */
	if (atomic_dec_and_test(&range->bios) && waitqueue_active(&image_idle))
		wake_up_all(&image_idle);
	bio_endio(bio);
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
	if (still_old(range, first, last) && !status)
		bio_done(range, bio);
	else
		read_slowly(range, bio);
}

static void end_bio(struct bpfsnap_range *range, struct bio *bio, int error)
{
	/* Without one, there may be one of a bio that was chained to it. */
	if (error) {
		bio->bi_status = errno_to_blk_status(error);
		trace_bpfsnap_image_error(MKDEV(range->info.major, range->info.minor),
					  range->info.image_minor, bio->bi_iter.bi_sector, error);
	}
	bio_done(range, bio);
}

static void image_submit_bio(struct bio *bio)
{
	struct bpfsnap_range *range = bio->bi_bdev->bd_disk->private_data;
	struct bio *clone;
	u64 first, last;
	int error;

	if (!bio_sectors(bio)) {
		bio_endio(bio);
		return;
	}
	atomic_inc(&range->bios);
	/* Either it meets the error of a range that is to go, or the range waits for it. */
	smp_mb__after_atomic();
	/* At once: the worker may be waiting for a storage that hangs. */
	error = READ_ONCE(range->error);
	/* That the disk is read-only binds openers; the block layer lets bios through. */
	if (!error && op_is_write(bio_op(bio)) && !range->snap->writable)
		error = -EIO;
	/* A discard is a hint; the storage is given back as a whole. */
	if (error || bio_op(bio) == REQ_OP_DISCARD) {
		end_bio(range, bio, error);
		return;
	}
	chunks_of(bio, &first, &last);
	if (bio_op(bio) != REQ_OP_READ || bpfsnap_chunkmap_any(&range->copied, first, last)) {
		read_slowly(range, bio);
		return;
	}
	clone = origin_read(range, bio);
	clone->bi_private = bio;
	clone->bi_end_io = fast_endio;
	submit_bio_noacct(clone);
}

/* Between a chunk's page and a bio, at the bio's @iter, which moves on. */
static void copy_part(struct page *page, u32 offset, u32 len_bytes, struct bio *bio,
		      struct bvec_iter *iter)
{
	char *base = kmap_local_page(page), *kaddr = base + offset;
	sector_t end_sect = iter->bi_sector + (len_bytes >> SECTOR_SHIFT);

	while (len_bytes) {
		struct bio_vec bv = bio_iter_iovec(bio, *iter);
		u32 here = min(len_bytes, bv.bv_len);

		bv.bv_len = here;
		if (bio_op(bio) == REQ_OP_READ)
			memcpy_to_bvec(&bv, kaddr);
		else
			memcpy_from_bvec(kaddr, &bv);
		bio_advance_iter(bio, iter, here);
		kaddr += here;
		len_bytes -= here;
	}
	/* Where segments end within a sector, it has moved too little. */
	iter->bi_sector = end_sect;
	kunmap_local(base);
}

/* Where in its chunk does the rest of a bio begin, and how much of it is in there? */
static u32 part_of_chunk(const struct bvec_iter *iter, u32 *ret_len_bytes)
{
	u32 offset = (iter->bi_sector % BPFSNAP_CHUNK_SECT) << SECTOR_SHIFT;

	*ret_len_bytes = min_t(u32, BPFSNAP_CHUNK_BYTES - offset, iter->bi_size);
	return offset;
}

/* Answer with the chunks of a piece that begin with @iter. */
static void read_piece(const struct bpfsnap_piece *piece, struct bio *part, struct bvec_iter *iter)
{
	u32 offset, len_bytes;

	while (iter->bi_size) {
		u64 i = iter->bi_sector / BPFSNAP_CHUNK_SECT - piece->chunk;

		if (i >= piece->nr_chunks)
			return;
		offset = part_of_chunk(iter, &len_bytes);
		copy_part(piece->bvecs[i].bv_page, offset, len_bytes, part, iter);
	}
}

static int read_slots(struct bpfsnap_range *range, const struct bpfsnap_extent *place,
		      struct bio *part, struct bvec_iter *iter)
{
	u64 last = (iter->bi_sector + (iter->bi_size >> SECTOR_SHIFT) - 1) / BPFSNAP_CHUNK_SECT;
	u32 nr = min3((u64)place->nr_chunks, last - place->chunk + 1, (u64)BOUNCE_CHUNKS), i;
	u32 offset, len_bytes;
	int ret;

	ret = bpfsnap_store_rw(range->store, false, place->slot, range->bounce, nr);
	for (i = 0; i < nr && !ret; i++) {
		offset = part_of_chunk(iter, &len_bytes);
		copy_part(range->bounce[i].bv_page, offset, len_bytes, part, iter);
	}
	return ret;
}

static void read_zeros(const struct bpfsnap_extent *place, struct bio *part, struct bvec_iter *iter)
{
	u64 end = (place->chunk + place->nr_chunks) * BPFSNAP_CHUNK_SECT;

	while (iter->bi_size && iter->bi_sector < end) {
		u32 offset, len_bytes;

		offset = part_of_chunk(iter, &len_bytes);
		copy_part(ZERO_PAGE(0), offset, len_bytes, part, iter);
	}
}

static int read_copied(struct bpfsnap_range *range, struct bio *part)
{
	struct bvec_iter iter = part->bi_iter;
	struct bpfsnap_extent place;
	int ret = 0;

	while (iter.bi_size && !ret) {
		if (!bpfsnap_index_find(&range->index, iter.bi_sector / BPFSNAP_CHUNK_SECT, &place))
			return -EIO;
		switch (place.place) {
		case BPFSNAP_IN_MEMORY:
			read_piece(place.piece, part, &iter);
			bpfsnap_piece_put(place.piece);
			break;
		case BPFSNAP_IN_STORE:
			ret = read_slots(range, &place, part, &iter);
			break;
		case BPFSNAP_ZERO:
			read_zeros(&place, part, &iter);
			break;
		}
		/* A place of a range that failed means nothing. */
		if (!ret)
			ret = READ_ONCE(range->error);
	}
	return ret;
}

/* Return: 0, -errno, or RACED if chunks were copied while the origin was read. */
static int read_origin(struct bpfsnap_range *range, struct bio *part, u64 first, u64 last)
{
	struct bio *clone = origin_read(range, part);
	int ret = submit_bio_wait(clone);

	bio_put(clone);
	return still_old(range, first, last) ? ret : ret ?: RACED;
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
			ret = read_copied(range, &part);
		else
			ret = read_origin(range, &part, chunk, run_end);
		bio_uninit(&part);
		if (ret == RACED)
			continue;
		if (ret) {
			if (copied)
				bpfsnap_range_fail(range, ret, BPFSNAP_FAILURE_STORAGE_READ,
						   range->start_sect + sect);
			return ret;
		}
		chunk = run_end + 1;
		sect = to;
	}
	return 0;
}

/* The slot of a chunk that is copied, once it is stored. */
static int await_slot(struct bpfsnap_range *range, u64 chunk, u64 *ret_slot)
{
	struct bpfsnap_extent place;

	while (!READ_ONCE(range->error)) {
		if (!bpfsnap_index_find(&range->index, chunk, &place))
			return -EIO;
		switch (place.place) {
		case BPFSNAP_IN_MEMORY:
			bpfsnap_piece_put(place.piece);
			msleep(1);
			continue;
		case BPFSNAP_IN_STORE:
			*ret_slot = place.slot;
			/* A place of a range that failed means nothing. */
			return READ_ONCE(range->error);
		case BPFSNAP_ZERO:
			return -EIO;	/* there is none in an image that takes writes: bpfsnap_pin_hide() */
		}
	}
	return range->error;
}

static int write_chunk(struct bpfsnap_range *range, struct bio *bio, struct bvec_iter *iter)
{
	u64 chunk = iter->bi_sector / BPFSNAP_CHUNK_SECT, slot;
	u32 offset, len_bytes;
	int ret;

	ret = await_slot(range, chunk, &slot);
	if (ret)
		return ret;
	offset = part_of_chunk(iter, &len_bytes);
	if (len_bytes < BPFSNAP_CHUNK_BYTES)
		ret = bpfsnap_store_rw(range->store, false, slot, range->bounce, 1);
	if (ret)
		return ret;
	copy_part(range->bounce[0].bv_page, offset, len_bytes, bio, iter);
	return bpfsnap_store_rw(range->store, true, slot, range->bounce, 1);
}

static int write_image(struct bpfsnap_range *range, struct bio *bio)
{
	sector_t sect = range->start_sect + bio->bi_iter.bi_sector;
	struct bvec_iter iter = bio->bi_iter;
	int ret = 0;

	bpfsnap_gate_copy(range, sect, sect + bio_sectors(bio));
	while (iter.bi_size && !ret)
		ret = write_chunk(range, bio, &iter);
	/* What was lost can't be told from what was kept. */
	if (ret)
		bpfsnap_range_fail(range, ret, BPFSNAP_FAILURE_STORAGE_WRITE, sect);
	return ret;
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
		end_bio(range, bio, bio_op(bio) == REQ_OP_WRITE ? write_image(range, bio) :
								  read_by_runs(range, bio));
		cond_resched();
	}
	memalloc_noio_restore(noio);
}

BPFSNAP_DISK_OPEN(image_open, disk)
{
	struct bpfsnap_range *range = disk->private_data;
	int ret = 0;

	spin_lock_irq(&range->image_lock);
	if (range->is_ending)
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
	/* With the lock: who waits for it frees the range next. */
	wake_up_all(&image_idle);
	spin_unlock_irq(&range->image_lock);
}

static const struct block_device_operations image_fops = {
	.owner = THIS_MODULE,
	.submit_bio = image_submit_bio,
	.open = image_open,
	.release = image_release,
};

static void free_bounce(struct bpfsnap_range *range)
{
	u32 i;

	for (i = 0; range->bounce && i < BOUNCE_CHUNKS; i++)
		if (range->bounce[i].bv_page)
			__free_page(range->bounce[i].bv_page);
	kfree(range->bounce);
}

static int alloc_bounce(struct bpfsnap_range *range)
{
	u32 i;

	range->bounce = kcalloc(BOUNCE_CHUNKS, sizeof(*range->bounce), GFP_KERNEL);
	for (i = 0; range->bounce && i < BOUNCE_CHUNKS; i++) {
		range->bounce[i].bv_page = alloc_page(GFP_KERNEL);
		if (!range->bounce[i].bv_page)
			break;
	}
	if (i == BOUNCE_CHUNKS)
		return 0;
	free_bounce(range);
	return -ENOMEM;
}

/* Make the image, but let nobody see it yet. */
int bpfsnap_image_create(struct bpfsnap_range *range)
{
	struct block_device *origin;
	struct gendisk *disk;
	int minor;

	spin_lock_init(&range->image_lock);
	bio_list_init(&range->slow);
	/* Until all images of the snapshot are there. */
	range->is_ending = true;
	INIT_WORK(&range->slow_work, slow_work);

	if (alloc_bounce(range))
		return -ENOMEM;
	minor = ida_alloc_max(&image_minors, IMAGE_MINORS - 1, GFP_KERNEL);
	if (minor < 0) {
		free_bounce(range);
		return minor;
	}
	origin = range->origin->disk->part0;
	disk = bpfsnap_alloc_disk(bdev_logical_block_size(origin),
				  max_t(unsigned int, bdev_dma_alignment(origin), SECTOR_SIZE - 1),
				  range->snap->writable);
	if (IS_ERR(disk)) {
		ida_free(&image_minors, minor);
		free_bounce(range);
		return PTR_ERR(disk);
	}
	disk->major = image_major;
	disk->first_minor = minor;
	disk->minors = 1;
	set_bit(GD_SUPPRESS_PART_SCAN, &disk->state);	/* partx -a can still be asked for them */
	disk->fops = &image_fops;
	disk->private_data = range;
	snprintf(disk->disk_name, sizeof(disk->disk_name), "bpfsnap%d", minor);
	set_capacity(disk, range->nr_sect);
	set_disk_ro(disk, !range->snap->writable);
	range->image = disk;
	return 0;
}

int bpfsnap_image_publish(struct bpfsnap_range *range)
{
	return device_add_disk(NULL, range->image, bpfsnap_image_groups);
}

/* No more openers from now on.  Return: false if there is one, and no @force. */
bool bpfsnap_image_end(struct bpfsnap_range *range, bool force)
{
	bool idle;

	spin_lock_irq(&range->image_lock);
	idle = !range->openers || force;
	if (idle)
		range->is_ending = true;
	spin_unlock_irq(&range->image_lock);
	return idle;
}

void bpfsnap_image_unend(struct bpfsnap_range *range)
{
	spin_lock_irq(&range->image_lock);
	range->is_ending = false;
	spin_unlock_irq(&range->image_lock);
}

/* The range has failed: from now on its image needs nothing of it but that error. */
void bpfsnap_image_settle(struct bpfsnap_range *range)
{
	wait_event_idle(image_idle, !atomic_read(&range->bios));
}

/* As long as it takes: a disk that went would read as one that has ended. */
void bpfsnap_image_await_close(struct bpfsnap_range *range)
{
	wait_event_idle(image_idle, !READ_ONCE(range->openers));
	spin_lock_irq(&range->image_lock);
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
	free_bounce(range);
	range->image = NULL;
}

int bpfsnap_image_init(void)
{
	int ret;

	ret = bioset_init(&image_bios, BIO_POOL_SIZE, 0, 0);
	if (ret)
		return ret;
	ret = -ENOMEM;
	image_wq = alloc_workqueue("bpfsnap-image", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
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
