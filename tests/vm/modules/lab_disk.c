// SPDX-License-Identifier: GPL-2.0-only
/*
 * A disk in memory that is written to from hard interrupts as well, as no driver
 * should do, to make the kernel skip runs of tracking programs: it does so when one is
 * interrupted by another of itself.  And an independent witness: it counts the writes
 * that arrive.
 *
 * The disk takes no locks and completes a write before its submission returns, like
 * brd, whence its name (and what tells how it is attached); so a write from an interrupt may meet it in any state.  Only
 * within a task's own submission (current->bio_list) a timer lets its turn go by: the
 * list is not made for interrupts.
 */
#include <linux/blkdev.h>
#include <linux/hrtimer.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/version.h>
#include <linux/vmalloc.h>

enum { BIOS = 32, WRITE_SECT = 8, WRITE_BYTES = WRITE_SECT << SECTOR_SHIFT };

static unsigned int size_mib = 16;
module_param(size_mib, uint, 0444);
static unsigned int from_sect;
module_param(from_sect, uint, 0644);
MODULE_PARM_DESC(from_sect, "interrupts write from here to the end of the disk");

struct irq_write {
	struct bio bio;
	struct bio_vec bvec;
	unsigned long busy;
};

struct irq_writer {
	struct hrtimer timer;
	u64 random;
	struct irq_write writes[BIOS];
	struct page *pages[BIOS];
};

static struct gendisk *disk;
static int major;
static char *content;
static struct irq_writer __percpu *writers;
static unsigned int period_us;

/* What came about, to be read as parameters of these names. */
static atomic64_t writes, submitted, refused, skipped;

static int counter_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%lld\n", (long long)atomic64_read((atomic64_t *)kp->arg));
}

static const struct kernel_param_ops counter_ops = { .get = counter_get };
module_param_cb(writes, &counter_ops, &writes, 0444);
module_param_cb(submitted, &counter_ops, &submitted, 0444);
module_param_cb(refused, &counter_ops, &refused, 0444);
module_param_cb(skipped, &counter_ops, &skipped, 0444);

static void lab_submit_bio(struct bio *bio)
{
	char *at = content + (bio->bi_iter.bi_sector << SECTOR_SHIFT);
	unsigned long start = bio_start_io_acct(bio);
	struct bvec_iter iter;
	struct bio_vec bv;

	if (op_is_write(bio_op(bio)) && bio_sectors(bio))
		atomic64_inc(&writes);
	bio_for_each_segment(bv, bio, iter) {
		void *buf = bvec_kmap_local(&bv);

		if (op_is_write(bio_op(bio)))
			memcpy(at, buf, bv.bv_len);
		else
			memcpy(buf, at, bv.bv_len);
		kunmap_local(buf);
		at += bv.bv_len;
	}
	bio_end_io_acct(bio, start);
	bio_endio(bio);
}

static const struct block_device_operations lab_fops = {
	.owner = THIS_MODULE,
	.submit_bio = lab_submit_bio,
};

static void irq_write_end(struct bio *bio)
{
	struct irq_write *write = container_of(bio, struct irq_write, bio);

	if (bio->bi_status)
		atomic64_inc(&refused);
	bio_uninit(bio);
	smp_store_release(&write->busy, 0);
}

static void irq_write(struct irq_writer *w, unsigned int i)
{
	u64 places = (get_capacity(disk) - from_sect) / WRITE_SECT;
	struct bio *bio = &w->writes[i].bio;
	u64 *page = page_address(w->pages[i]);

	w->random = w->random * 6364136223846793005ULL + 1442695040888963407ULL;
	page[0] = w->random;
	page[64] = w->random;
	bio_init(bio, disk->part0, &w->writes[i].bvec, 1, REQ_OP_WRITE);
	bio->bi_iter.bi_sector = from_sect + (w->random >> 33) % places * WRITE_SECT;
	bio->bi_end_io = irq_write_end;
	__bio_add_page(bio, w->pages[i], WRITE_BYTES, 0);
	atomic64_inc(&submitted);
	submit_bio_noacct(bio);
}

static enum hrtimer_restart on_timer(struct hrtimer *timer)
{
	struct irq_writer *w = container_of(timer, struct irq_writer, timer);
	unsigned int i;

	if (!READ_ONCE(period_us))
		return HRTIMER_NORESTART;
	for (i = 0; i < BIOS && cmpxchg_acquire(&w->writes[i].busy, 0, 1); i++)
		;
	if (i == BIOS) {
		atomic64_inc(&skipped);
	} else if (current->bio_list) {
		smp_store_release(&w->writes[i].busy, 0);
		atomic64_inc(&skipped);
	} else {
		irq_write(w, i);
	}
	hrtimer_forward_now(timer, ns_to_ktime(period_us * 1000ULL));
	return HRTIMER_RESTART;
}

static void start_timer(void *unused)
{
	struct irq_writer *w = this_cpu_ptr(writers);

	hrtimer_start(&w->timer, ns_to_ktime(period_us * 1000ULL), HRTIMER_MODE_REL_PINNED_HARD);
}

static void stop_timers(void)
{
	int cpu;

	WRITE_ONCE(period_us, 0);
	for_each_possible_cpu(cpu)
		hrtimer_cancel(&per_cpu_ptr(writers, cpu)->timer);
}

static int period_set(const char *text, const struct kernel_param *kp)
{
	unsigned int us;
	int ret = kstrtouint(text, 0, &us);

	if (ret || !writers)
		return ret ?: -EAGAIN;
	stop_timers();
	if (us && from_sect + WRITE_SECT <= get_capacity(disk)) {
		WRITE_ONCE(period_us, us);
		on_each_cpu(start_timer, NULL, true);
	}
	return 0;
}

static const struct kernel_param_ops period_ops = { .set = period_set, .get = param_get_uint };
module_param_cb(period_us, &period_ops, &period_us, 0644);
MODULE_PARM_DESC(period_us, "each processor writes this often; 0: not at all");

static void setup_timer(struct hrtimer *timer)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)	/* 908a1d775422 */
	hrtimer_setup(timer, on_timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
#else
	hrtimer_init(timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
	timer->function = on_timer;
#endif
}

static void free_all(void)
{
	int cpu, i;

	if (disk)
		put_disk(disk);
	for_each_possible_cpu(cpu)
		for (i = 0; i < BIOS; i++)
			if (per_cpu_ptr(writers, cpu)->pages[i])
				__free_page(per_cpu_ptr(writers, cpu)->pages[i]);
	free_percpu(writers);
	vfree(content);
	if (major > 0)
		unregister_blkdev(major, "ramlab");
}

static int make_writers(void)
{
	int cpu, i;

	for_each_possible_cpu(cpu) {
		struct irq_writer *w = per_cpu_ptr(writers, cpu);

		w->random = cpu + 1;
		setup_timer(&w->timer);
		for (i = 0; i < BIOS; i++) {
			w->pages[i] = alloc_page(GFP_KERNEL | __GFP_ZERO);
			if (!w->pages[i])
				return -ENOMEM;
		}
	}
	return 0;
}

static int __init lab_disk_init(void)
{
	int ret = -ENOMEM;

	writers = alloc_percpu(struct irq_writer);
	if (!writers)
		return ret;
	content = vzalloc((size_t)size_mib << 20);
	if (!content || make_writers())
		goto free;
	ret = major = register_blkdev(0, "ramlab");
	if (ret < 0)
		goto free;
	disk = bpfsnap_alloc_disk(SECTOR_SIZE, false);
	if (IS_ERR(disk)) {
		ret = PTR_ERR(disk);
		disk = NULL;
		goto free;
	}
	disk->major = major;
	disk->minors = 16;
	disk->fops = &lab_fops;
	strscpy(disk->disk_name, "ram100", sizeof(disk->disk_name));
	set_capacity(disk, (sector_t)size_mib << (20 - SECTOR_SHIFT));
	ret = add_disk(disk);
	if (ret)
		goto free;
	return 0;

free:
	free_all();
	return ret;
}

static void __exit lab_disk_exit(void)
{
	stop_timers();
	del_gendisk(disk);
	free_all();
}

module_init(lab_disk_init);
module_exit(lab_disk_exit);

MODULE_DESCRIPTION("bpfsnap laboratory: a disk that interrupts write to");
MODULE_LICENSE("GPL");
