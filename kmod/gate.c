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
 * takes the waiting bios in order, copies, and passes them with the wrapper in
 * place; the hook sees them again and lets them through, as it does with the
 * remainder of a bio that a driver split: both were counted when they passed.
 *
 * A bio is counted, and announced to the tracking programs, at the moment when it
 * passes, with preemption off; what the programs count must be equal.
 */
#include <linux/mempool.h>
#include <linux/sched.h>
#include "bpfsnap.h"
#include "trace.h"

enum { WRAPS_KEPT = 256 };

struct wrap {
	struct bpfsnap_origin *origin;
	bio_end_io_t *end_io;
	void *private;
};

static struct kmem_cache *wrap_cache;
static mempool_t *wrap_pool;

static void gate_endio(struct bio *bio)
{
	struct wrap *wrap = bio->bi_private;
	struct bpfsnap_origin *origin = wrap->origin;

	bio->bi_end_io = wrap->end_io;
	bio->bi_private = wrap->private;
	mempool_free(wrap, wrap_pool);
	/*
	 * bio_endio() has told the queue's rq_qos that this bio is done; it must
	 * not do so again.  Calling end_io directly would be shorter and wrong:
	 * a chained bio must be ended by bio_endio().
	 */
	bio_clear_flag(bio, BIO_QOS_THROTTLED);
	bio_clear_flag(bio, BIO_QOS_MERGED);
	bio_endio(bio);
	percpu_ref_put(&origin->inflight);
}

static bool is_wrapped(const struct bpfsnap_origin *origin, const struct bio *bio)
{
	return bio->bi_end_io == gate_endio &&
	       ((const struct wrap *)bio->bi_private)->origin == origin;
}

/* The bio passes: the caller holds a reference on origin->inflight and has preemption off. */
static void pass(struct bpfsnap_origin *origin, struct bio *bio, struct wrap *wrap)
{
	wrap->origin = origin;
	wrap->end_io = bio->bi_end_io;
	wrap->private = bio->bi_private;
	bio->bi_end_io = gate_endio;
	bio->bi_private = wrap;

	/* A stacked driver that sends the same bio on would hide it from block_bio_queue. */
	bio_clear_flag(bio, BIO_TRACE_COMPLETION);

	this_cpu_inc(origin->passed->bios);
	this_cpu_add(origin->passed->sect, bio_sectors(bio));
	trace_bpfsnap_write(origin->dev, bio->bi_iter.bi_sector, bio_sectors(bio),
			    (__force u32)bio_op(bio));
}

static void divert(struct bpfsnap_origin *origin, struct bio *bio, bool closed)
{
	unsigned long flags;

	atomic64_inc(&origin->diverted);
	bio_clear_polled(bio);
	spin_lock_irqsave(&origin->lock, flags);
	if (closed && (bio->bi_opf & REQ_NOWAIT)) {
		bio_list_add(&origin->refused, bio);
	} else {
		/* A copy does not make the submitter wait. */
		bio->bi_opf &= ~REQ_NOWAIT;
		bio_list_add(&origin->waiting, bio);
	}
	spin_unlock_irqrestore(&origin->lock, flags);
	queue_work(origin->wq, &origin->work);
}

bool bpfsnap_gate_enter(struct bpfsnap_origin *origin, struct bio *bio)
{
	struct wrap *wrap;

	if (is_wrapped(origin, bio))
		return true;
	if (!percpu_ref_tryget_live(&origin->inflight)) {
		divert(origin, bio, true);
		return false;
	}
	if (bpfsnap_cow_needed(origin, bio))
		goto later;
	wrap = kmem_cache_alloc(wrap_cache, GFP_NOWAIT | __GFP_NOWARN);
	if (!wrap)
		goto later;
	pass(origin, bio, wrap);
	return true;

later:
	divert(origin, bio, false);
	percpu_ref_put(&origin->inflight);
	return false;
}

static struct bio *take_first(struct bpfsnap_origin *origin, struct bio_list *list)
{
	struct bio *bio;

	spin_lock_irq(&origin->lock);
	bio = bio_list_pop(list);
	spin_unlock_irq(&origin->lock);
	return bio;
}

static void put_first(struct bpfsnap_origin *origin, struct bio *bio)
{
	spin_lock_irq(&origin->lock);
	bio_list_add_head(&origin->waiting, bio);
	spin_unlock_irq(&origin->lock);
}

/* Pass a bio that waited.  Return: false if the gate is closed and the bio has to go on waiting. */
static bool pass_waiting(struct bpfsnap_origin *origin, struct bio *bio)
{
	struct wrap *wrap = mempool_alloc(wrap_pool, GFP_NOIO);

	for (;;) {
		bool needed;

		if (!percpu_ref_tryget_live(&origin->inflight)) {
			mempool_free(wrap, wrap_pool);
			return false;
		}
		preempt_disable();
		needed = bpfsnap_cow_needed(origin, bio);
		if (!needed)
			pass(origin, bio, wrap);
		preempt_enable();
		if (!needed)
			break;
		/* The copy is made without the reference, so that a drain need not wait for it. */
		percpu_ref_put(&origin->inflight);
		if (bio_op(bio) == REQ_OP_DISCARD) {
			/* A hint, and to keep 4 GiB for a hint would be a bad bargain. */
			mempool_free(wrap, wrap_pool);
			bpfsnap_cow_count_dropped(origin, bio);
			bio_endio(bio);
			return true;
		}
		bpfsnap_cow_copy(origin, bio);
	}
	submit_bio_noacct(bio);
	return true;
}

static void gate_work(struct work_struct *work)
{
	struct bpfsnap_origin *origin = container_of(work, struct bpfsnap_origin, work);
	struct bio *bio;

	while ((bio = take_first(origin, &origin->refused)))
		bio_wouldblock_error(bio);
	while ((bio = take_first(origin, &origin->waiting))) {
		if (!pass_waiting(origin, bio)) {
			/* bpfsnap_gate_open() queues this work again. */
			put_first(origin, bio);
			break;
		}
		cond_resched();
	}
}

static void on_drained(struct percpu_ref *ref)
{
	complete_all(&container_of(ref, struct bpfsnap_origin, inflight)->drained);
}

void bpfsnap_gate_close(struct bpfsnap_origin *origin)
{
	lockdep_assert_held(&bpfsnap_lock);
	reinit_completion(&origin->drained);
	percpu_ref_kill(&origin->inflight);
}

int bpfsnap_gate_drain(struct bpfsnap_origin *origin, unsigned long deadline)
{
	long left = deadline - jiffies;

	if (!wait_for_completion_timeout(&origin->drained, left > 0 ? left : 0))
		return -ETIMEDOUT;
	return 0;
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
	bio_list_init(&origin->refused);
	init_completion(&origin->drained);
	INIT_WORK(&origin->work, gate_work);
	INIT_LIST_HEAD(&origin->ranges);

	origin->passed = alloc_percpu(struct bpfsnap_passed);
	if (!origin->passed)
		return ret;
	origin->wq = alloc_ordered_workqueue("bpfsnap/%s", WQ_MEM_RECLAIM | WQ_HIGHPRI,
					     origin->disk->disk_name);
	if (!origin->wq)
		goto free_passed;
	ret = percpu_ref_init(&origin->inflight, on_drained, PERCPU_REF_ALLOW_REINIT, GFP_KERNEL);
	if (ret)
		goto free_wq;
	return 0;

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
	free_percpu(origin->passed);
}

int bpfsnap_gate_init(void)
{
	wrap_cache = kmem_cache_create("bpfsnap_wrap", sizeof(struct wrap), 0, 0, NULL);
	if (!wrap_cache)
		return -ENOMEM;
	wrap_pool = mempool_create_slab_pool(WRAPS_KEPT, wrap_cache);
	if (!wrap_pool) {
		kmem_cache_destroy(wrap_cache);
		return -ENOMEM;
	}
	return 0;
}

void bpfsnap_gate_exit(void)
{
	/* A completion on another CPU may not have returned from gate_endio() yet. */
	synchronize_rcu();
	mempool_destroy(wrap_pool);
	kmem_cache_destroy(wrap_cache);
}
