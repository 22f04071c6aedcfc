// SPDX-License-Identifier: GPL-2.0-only
/*
 * A disk in memory that is written to from interrupts as well, as no driver should do, to
 * make the kernel skip runs of tracking programs: it does so when one is interrupted by
 * another of itself.  Soft interrupts do it too: they interrupt a task, and are interrupted
 * by hard ones, so that two programs on one tracepoint can be skipped for the same write.
 * And an independent witness: it counts the writes that arrive, and remembers where.
 * It erases securely, too, which no other disk here does; and a task that writes can be made
 * to sleep in it, as in a disk that has no more room in its queue.
 *
 * The disk takes no locks and completes a write before its submission returns, like
 * brd, whence its name (and what tells how it is attached); so a write from an interrupt
 * may meet it in any state.  Only within a task's own submission (current->bio_list) a
 * timer lets its turn go by: the list is not made for interrupts.
 */
#include <linux/blkdev.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/hrtimer.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/version.h>
#include <linux/vmalloc.h>

enum { BIOS = 32, WRITE_SECT = 8, WRITE_BYTES = WRITE_SECT << SECTOR_SHIFT };
enum level { HARD, SOFT, LEVELS };

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

static unsigned int stall_ms;
module_param(stall_ms, uint, 0644);
MODULE_PARM_DESC(stall_ms, "a task that writes sleeps so long first");

static struct gendisk *disk;
static int major;
static char *content;
static struct irq_writer __percpu *writers[LEVELS];
/* A byte per WRITE_SECT: was anything of it written? */
static struct debugfs_blob_wrapper touched;
static struct dentry *touched_file;
static unsigned int period_us;
static const enum hrtimer_mode modes[LEVELS] = {
	[HARD] = HRTIMER_MODE_REL_PINNED_HARD, [SOFT] = HRTIMER_MODE_REL_PINNED_SOFT,
};

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

static void note_write(const struct bio *bio)
{
	u64 first = bio->bi_iter.bi_sector / WRITE_SECT;
	u64 last = (bio_end_sector(bio) - 1) / WRITE_SECT;

	atomic64_inc(&writes);
	memset((char *)touched.data + first, 1, last - first + 1);
}

static int forget_set(const char *text, const struct kernel_param *kp)
{
	if (touched.data)
		memset(touched.data, 0, touched.size);
	return 0;
}

static const struct kernel_param_ops forget_ops = { .set = forget_set };
module_param_cb(forget, &forget_ops, NULL, 0200);
MODULE_PARM_DESC(forget, "debugfs/lab_disk_touched begins anew");

static u64 draw(struct irq_writer *w)
{
	w->random = w->random * 6364136223846793005ULL + 1442695040888963407ULL;
	return w->random >> 33;
}

/* This processor is interrupted before the time is over, at a moment that is drawn. */
static void interrupt_within(enum level level, unsigned int us)
{
	struct irq_writer *w;

	preempt_disable();
	w = this_cpu_ptr(writers[level]);
	if (READ_ONCE(period_us))
		hrtimer_start(&w->timer, ns_to_ktime(draw(w) % (us * 1000ULL + 1)), modes[level]);
	preempt_enable();
}

static void lab_submit_bio(struct bio *bio)
{
	char *at = content + (bio->bi_iter.bi_sector << SECTOR_SHIFT);
	unsigned long start = bio_start_io_acct(bio);
	struct bvec_iter iter;
	struct bio_vec bv;

	if (op_is_write(bio_op(bio)) && in_task() && READ_ONCE(stall_ms))
		msleep(READ_ONCE(stall_ms));
	if (op_is_write(bio_op(bio)) && bio_sectors(bio))
		note_write(bio);
	if (bio_op(bio) == REQ_OP_SECURE_ERASE) {
		memset(at, 0, bio->bi_iter.bi_size);
		goto end;
	}
	bio_for_each_segment(bv, bio, iter) {
		void *buf = bvec_kmap_local(&bv);

		if (op_is_write(bio_op(bio)))
			memcpy(at, buf, bv.bv_len);
		else
			memcpy(buf, at, bv.bv_len);
		kunmap_local(buf);
		at += bv.bv_len;
	}
end:
	bio_end_io_acct(bio, start);
	bio_endio(bio);
	/* So that it meets the task somewhere in its next write. */
	if (in_task())
		interrupt_within(SOFT, READ_ONCE(period_us));
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
	sector_t sect;

	sect = from_sect + draw(w) % places * WRITE_SECT;
	page[0] = w->random;
	page[64] = w->random;
	bio_init(bio, disk->part0, &w->writes[i].bvec, 1, REQ_OP_WRITE);
	bio->bi_iter.bi_sector = sect;
	bio->bi_end_io = irq_write_end;
	__bio_add_page(bio, w->pages[i], WRITE_BYTES, 0);
	atomic64_inc(&submitted);
	submit_bio_noacct(bio);
}

static void write_one(struct irq_writer *w)
{
	unsigned int i;

	for (i = 0; i < BIOS && cmpxchg_acquire(&w->writes[i].busy, 0, 1); i++)
		;
	if (i < BIOS && !current->bio_list) {
		irq_write(w, i);
		return;
	}
	if (i < BIOS)
		smp_store_release(&w->writes[i].busy, 0);
	atomic64_inc(&skipped);
}

static enum hrtimer_restart on_hard_timer(struct hrtimer *timer)
{
	struct irq_writer *w = container_of(timer, struct irq_writer, timer);

	write_one(w);
	write_one(w);
	return HRTIMER_NORESTART;
}

/* It is interrupted in turn, in the middle of each write. */
static enum hrtimer_restart on_soft_timer(struct hrtimer *timer)
{
	struct irq_writer *w = container_of(timer, struct irq_writer, timer);
	unsigned int i;

	for (i = 0; i < 2; i++) {
		interrupt_within(HARD, READ_ONCE(period_us) / 4);
		write_one(w);
	}
	/* Should no task write meanwhile. */
	interrupt_within(SOFT, READ_ONCE(period_us) * 32);
	return HRTIMER_NORESTART;
}

static void start_timers(void *unused)
{
	interrupt_within(SOFT, period_us);
}

static void stop_timers(void)
{
	int cpu, level;

	WRITE_ONCE(period_us, 0);
	synchronize_rcu();	/* who starts a timer has preemption off */
	for_each_possible_cpu(cpu)
		for (level = 0; level < LEVELS; level++)
			hrtimer_cancel(&per_cpu_ptr(writers[level], cpu)->timer);
}

static int period_set(const char *text, const struct kernel_param *kp)
{
	unsigned int us;
	int ret = kstrtouint(text, 0, &us);

	if (ret || !disk)
		return ret ?: -EAGAIN;
	stop_timers();
	if (us && from_sect + WRITE_SECT <= get_capacity(disk)) {
		WRITE_ONCE(period_us, us);
		on_each_cpu(start_timers, NULL, true);
	}
	return 0;
}

static const struct kernel_param_ops period_ops = { .set = period_set, .get = param_get_uint };
module_param_cb(period_us, &period_ops, &period_us, 0644);
MODULE_PARM_DESC(period_us, "interrupts write so soon after a task did; 0: not at all");

static void setup_timer(struct hrtimer *timer, enum level level)
{
	enum hrtimer_restart (*function)(struct hrtimer *timer) =
		level == SOFT ? on_soft_timer : on_hard_timer;

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)	/* 908a1d775422 */
	hrtimer_setup(timer, function, CLOCK_MONOTONIC, modes[level]);
#else
	hrtimer_init(timer, CLOCK_MONOTONIC, modes[level]);
	timer->function = function;
#endif
}

static int allow_secure_erase(struct request_queue *q)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0)	/* d690cb8ae14b */
	struct queue_limits lim = queue_limits_start_update(q);

	lim.max_secure_erase_sectors = UINT_MAX >> SECTOR_SHIFT;
	return queue_limits_commit_update(q, &lim);
#else
	blk_queue_max_secure_erase_sectors(q, UINT_MAX >> SECTOR_SHIFT);
	return 0;
#endif
}

static void free_writers(struct irq_writer __percpu *all)
{
	int cpu, i;

	if (!all)
		return;
	for_each_possible_cpu(cpu)
		for (i = 0; i < BIOS; i++)
			if (per_cpu_ptr(all, cpu)->pages[i])
				__free_page(per_cpu_ptr(all, cpu)->pages[i]);
	free_percpu(all);
}

static void free_all(void)
{
	debugfs_remove(touched_file);
	if (disk)
		put_disk(disk);
	free_writers(writers[HARD]);
	free_writers(writers[SOFT]);
	vfree(content);
	vfree(touched.data);
	if (major > 0)
		unregister_blkdev(major, "ramlab");
}

static int make_writers(enum level level)
{
	int cpu, i;

	writers[level] = alloc_percpu(struct irq_writer);
	if (!writers[level])
		return -ENOMEM;
	for_each_possible_cpu(cpu) {
		struct irq_writer *w = per_cpu_ptr(writers[level], cpu);

		w->random = cpu * LEVELS + level + 1;
		setup_timer(&w->timer, level);
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

	content = vzalloc((size_t)size_mib << 20);
	touched.size = ((size_t)size_mib << 20) / WRITE_BYTES;
	touched.data = vzalloc(touched.size);
	if (!content || !touched.data || make_writers(HARD) || make_writers(SOFT))
		goto free;
	ret = major = register_blkdev(0, "ramlab");
	if (ret < 0)
		goto free;
	disk = bpfsnap_alloc_disk(SECTOR_SIZE, SECTOR_SIZE - 1, false);
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
	ret = allow_secure_erase(disk->queue) ?: add_disk(disk);
	if (ret)
		goto free;
	touched_file = debugfs_create_blob("lab_disk_touched", 0400, NULL, &touched);
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
