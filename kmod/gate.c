// SPDX-License-Identifier: GPL-2.0-only
/*
 * DOC: the gate of an origin
 *
 * A write bio that arrives either passes or waits.
 *
 * Passing takes a reference on origin->inflight and wraps the completion of the
 * bio, which drops it.  Closing the gate kills the reference counter: nothing
 * passes any more, and when the counter reaches zero, nothing that passed is in
 * flight.  This holds for request-based and bio-based disks alike.
 *
 * A bio waits if the gate is closed, if it would overwrite a chunk that is not
 * copied yet, or if there is no memory for the wrapper.  The origin's worker
 * takes the waiting bios in order, copies, gives them a wrapper from a pool and
 * submits them again; they may be throttled once more, and then arrive at the gate
 * and pass, or wait once more if the gate has closed meanwhile.
 *
 * What passed is known by its wrapper if it arrives again, as the remainder of a
 * bio that a driver split does: it goes on, whatever the state of the gate.
 *
 * A bio is counted, and announced to the tracking programs, at the moment when it
 * passes, with interrupts off; what the programs count must be equal.
 */
#include <linux/delay.h>
#include <linux/mempool.h>
#include <linux/sched.h>
#include "bpfsnap.h"
#include "trace.h"

enum { WRAPS_KEPT = 64 };

/*
 * @passed: the bio has passed and holds a reference on origin->inflight; else it is
 * on its way back to the gate and counted in origin->returning.
 */
struct wrap {
	struct bpfsnap_origin *origin;
	bio_end_io_t *end_io;
	void *private;
	bool passed;
};

static struct kmem_cache *wrap_cache;

static void gate_endio(struct bio *bio);

static void wrap_bio(struct bpfsnap_origin *origin, struct bio *bio, struct wrap *wrap)
{
	wrap->origin = origin;
	wrap->end_io = bio->bi_end_io;
	wrap->private = bio->bi_private;
	wrap->passed = false;
	bio->bi_end_io = gate_endio;
	bio->bi_private = wrap;
}

static void unwrap_bio(struct bio *bio)
{
	struct wrap *wrap = bio->bi_private;

	bio->bi_end_io = wrap->end_io;
	bio->bi_private = wrap->private;
	mempool_free(wrap, wrap->origin->wraps);
}

static void gate_endio(struct bio *bio)
{
	struct wrap *wrap = bio->bi_private;
	struct bpfsnap_origin *origin = wrap->origin;
	bool passed = wrap->passed;

	unwrap_bio(bio);
	/*
	 * bio_endio() has told the queue's rq_qos that this bio is done; it must
	 * not do so again.  Calling end_io directly would be shorter and wrong:
	 * a chained bio must be ended by bio_endio().
	 */
	bio_clear_flag(bio, BIO_QOS_THROTTLED);
	bio_clear_flag(bio, BIO_QOS_MERGED);
	bio_endio(bio);
	if (passed)
		percpu_ref_put(&origin->inflight);
	else
		/* Ended before it came back: refused on the way, or its cgroup is gone. */
		atomic_dec(&origin->returning);
}

/* Return: the wrapper that this origin gave the bio, or NULL. */
static struct wrap *wrap_of(const struct bpfsnap_origin *origin, const struct bio *bio)
{
	struct wrap *wrap = bio->bi_private;

	return bio->bi_end_io == gate_endio && wrap->origin == origin ? wrap : NULL;
}

/* The bio passes: the caller holds a reference on origin->inflight and has preemption off. */
static void pass(struct bpfsnap_origin *origin, struct bio *bio, struct wrap *wrap)
{
	unsigned long flags;

	wrap->passed = true;

	/* A stacked driver that sends the same bio on would hide it from block_bio_queue. */
	bio_clear_flag(bio, BIO_TRACE_COMPLETION);

	this_cpu_inc(origin->passed->bios);
	this_cpu_add(origin->passed->sect, bio_sectors(bio));
	/* A program that is interrupted by itself is skipped: a write from an interrupt would be. */
	local_irq_save(flags);
	trace_bpfsnap_write(origin->dev, bio->bi_iter.bi_sector, bio_sectors(bio),
			    (__force u32)bio_op(bio));
	local_irq_restore(flags);
}

static void divert(struct bpfsnap_origin *origin, struct bio *bio)
{
	unsigned long flags;

	/* The worker may be waiting for just this wrapper, to deal with a bio before this one. */
	if (wrap_of(origin, bio)) {
		unwrap_bio(bio);
		atomic_dec(&origin->returning);
	}
	atomic64_inc(&origin->diverted);
	bio_clear_polled(bio);
	/* The submitter does not wait, only its bio does. */
	bio->bi_opf &= ~REQ_NOWAIT;
	spin_lock_irqsave(&origin->lock, flags);
	bio_list_add(&origin->waiting, bio);
	spin_unlock_irqrestore(&origin->lock, flags);
	queue_work(origin->wq, &origin->work);
}

/*
 * To be told EAGAIN by the submission itself is what the author of a REQ_NOWAIT write
 * is prepared for; told by a worker, later on, io_uring takes it for a failed write.
 * So a bio that some worker submits on behalf of its author rather waits.
 */
static bool wants_eagain(const struct bio *bio)
{
	return bio->bi_opf & REQ_NOWAIT && !(current->flags & PF_KTHREAD);
}

enum bpfsnap_verdict bpfsnap_gate_enter(struct bpfsnap_origin *origin, struct bio *bio)
{
	struct wrap *wrap = wrap_of(origin, bio);

	if (wrap && wrap->passed)
		return BPFSNAP_PASS;
	if (!percpu_ref_tryget_live(&origin->inflight)) {
		if (wants_eagain(bio))
			return BPFSNAP_REFUSE;
		divert(origin, bio);
		return BPFSNAP_KEEP;
	}
	if (bpfsnap_cow_needed(origin, bio))
		goto later;
	if (wrap) {
		atomic_dec(&origin->returning);
	} else {
		wrap = kmem_cache_alloc(wrap_cache, GFP_NOWAIT | __GFP_NOWARN);
		if (!wrap)
			goto later;
		wrap_bio(origin, bio, wrap);
	}
	pass(origin, bio, wrap);
	return BPFSNAP_PASS;

later:
	divert(origin, bio);
	percpu_ref_put(&origin->inflight);
	return BPFSNAP_KEEP;
}

static struct bio *take_first(struct bpfsnap_origin *origin)
{
	struct bio *bio;

	spin_lock_irq(&origin->lock);
	bio = bio_list_pop(&origin->waiting);
	spin_unlock_irq(&origin->lock);
	return bio;
}

static void put_first(struct bpfsnap_origin *origin, struct bio *bio)
{
	spin_lock_irq(&origin->lock);
	bio_list_add_head(&origin->waiting, bio);
	spin_unlock_irq(&origin->lock);
}

static bool copy_needed(struct bpfsnap_origin *origin, const struct bio *bio)
{
	bool needed;

	preempt_disable();
	needed = bpfsnap_cow_needed(origin, bio);
	preempt_enable();
	return needed;
}

/* Send a bio that waited back to the gate, with nothing left to wait for but the gate itself. */
static void submit_again(struct bpfsnap_origin *origin, struct bio *bio)
{
	if (copy_needed(origin, bio)) {
		if (bio_op(bio) == REQ_OP_DISCARD) {
			/* A hint, and to keep 4 GiB for a hint would be a bad bargain. */
			bpfsnap_cow_count_dropped(origin, bio);
			bio_endio(bio);
			return;
		}
		bpfsnap_cow_copy(origin, bio);
	}
	wrap_bio(origin, bio, mempool_alloc(origin->wraps, GFP_NOIO));
	atomic_inc(&origin->returning);
	submit_bio_noacct(bio);
}

static void gate_work(struct work_struct *work)
{
	struct bpfsnap_origin *origin = container_of(work, struct bpfsnap_origin, work);
	struct bio *bio;

	while ((bio = take_first(origin))) {
		if (percpu_ref_is_dying(&origin->inflight)) {
			/* Closed; bpfsnap_gate_open() queues this work again. */
			put_first(origin, bio);
			break;
		}
		submit_again(origin, bio);
		cond_resched();
	}
}

static void on_drained(struct percpu_ref *ref)
{
	wake_up_all(&container_of(ref, struct bpfsnap_origin, inflight)->drained);
}

void bpfsnap_gate_close(struct bpfsnap_origin *origin)
{
	lockdep_assert_held(&bpfsnap_lock);
	percpu_ref_kill(&origin->inflight);
}

int bpfsnap_gate_drain(struct bpfsnap_origin *origin, unsigned long deadline)
{
	long left = deadline - jiffies;

	/* Asked of the counter itself: a wake-up may belong to a hold that timed out. */
	if (!wait_event_timeout(origin->drained, percpu_ref_is_zero(&origin->inflight),
				left > 0 ? left : 0))
		return -ETIMEDOUT;
	return 0;
}

int bpfsnap_gate_settle(struct bpfsnap_origin *origin, unsigned long deadline)
{
	flush_work(&origin->work);
	while (atomic_read(&origin->returning)) {
		if (time_after(jiffies, deadline))
			return -ETIMEDOUT;
		msleep(1);
	}
	return 0;
}

void bpfsnap_gate_leave(struct bpfsnap_origin *origin)
{
	struct bio *bio;

	flush_work(&origin->work);
	while ((bio = take_first(origin)))
		submit_bio_noacct(bio);
	/* Those that were on their way have found no gate, and end in their time. */
	while (atomic_read(&origin->returning))
		msleep(1);
}

void bpfsnap_gate_open(struct bpfsnap_origin *origin)
{
	/* What was armed while closed is seen by whoever gets a reference. */
	smp_mb();
	percpu_ref_resurrect(&origin->inflight);
	queue_work(origin->wq, &origin->work);
}

struct bpfsnap_passed bpfsnap_gate_passed(const struct bpfsnap_origin *origin)
{
	struct bpfsnap_passed sum = { 0, 0 };
	int cpu;

	for_each_possible_cpu(cpu) {
		const struct bpfsnap_passed *one = per_cpu_ptr(origin->passed, cpu);

		sum.bios += READ_ONCE(one->bios);
		sum.sect += READ_ONCE(one->sect);
	}
	return sum;
}

int bpfsnap_gate_create(struct bpfsnap_origin *origin)
{
	int ret = -ENOMEM;

	spin_lock_init(&origin->lock);
	bio_list_init(&origin->waiting);
	init_waitqueue_head(&origin->drained);
	INIT_WORK(&origin->work, gate_work);
	INIT_LIST_HEAD(&origin->ranges);

	origin->passed = alloc_percpu(struct bpfsnap_passed);
	if (!origin->passed)
		return ret;
	origin->wq = alloc_ordered_workqueue("bpfsnap/%s", WQ_MEM_RECLAIM | WQ_HIGHPRI,
					     origin->disk->disk_name);
	if (!origin->wq)
		goto free_passed;
	origin->wraps = mempool_create_slab_pool(WRAPS_KEPT, wrap_cache);
	if (!origin->wraps)
		goto free_wq;
	ret = percpu_ref_init(&origin->inflight, on_drained, PERCPU_REF_ALLOW_REINIT, GFP_KERNEL);
	if (ret)
		goto free_wraps;
	return 0;

free_wraps:
	mempool_destroy(origin->wraps);
free_wq:
	destroy_workqueue(origin->wq);
free_passed:
	free_percpu(origin->passed);
	return ret;
}

void bpfsnap_gate_destroy(struct bpfsnap_origin *origin)
{
	/* Every completion that touches the origin does so under RCU's eye. */
	synchronize_rcu();
	destroy_workqueue(origin->wq);
	percpu_ref_exit(&origin->inflight);
	mempool_destroy(origin->wraps);
	free_percpu(origin->passed);
}

int bpfsnap_gate_init(void)
{
	wrap_cache = kmem_cache_create("bpfsnap_wrap", sizeof(struct wrap), 0, 0, NULL);
	return wrap_cache ? 0 : -ENOMEM;
}

void bpfsnap_gate_exit(void)
{
	/* A completion on another CPU may not have returned from gate_endio() yet. */
	synchronize_rcu();
	kmem_cache_destroy(wrap_cache);
}
