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
 * takes the waiting bios in order, makes each a job, has copied what the job needs
 * (cow.c), and submits the bio again, wrapped; it may be throttled once more, and
 * then arrives at the gate and passes, or waits once more if the gate has closed
 * or another snapshot begun.  The worker never waits for I/O or memory itself: what
 * can't go on is left until something happens.
 *
 * What passed is known by its wrapper if it arrives again, as the remainder of a
 * bio that a driver split does: it goes on, whatever the state of the gate.
 *
 * A bio is counted, and announced to the tracking programs, at the moment when it
 * passes, with preemption off; what the programs count must be equal.
 */
#include <linux/delay.h>
#include <linux/mempool.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include "bpfsnap.h"
#include "trace.h"

enum {
	JOBS_KEPT = 64,
	/* Wrappers that a CPU keeps for the next writes: the slab would clear each. */
	JOBS_STOCK = 16,
	/* Jobs begun before the worker looks at what has been read. */
	JOBS_AT_ONCE = 64,
	/* So many may lack memory before no further one is begun. */
	STARVED_MAX = 16,
	RETRY_MS = 10,
};

static struct kmem_cache *job_cache;

struct job_stock {
	unsigned int nr;
	struct bpfsnap_job *jobs[JOBS_STOCK];
};

static DEFINE_PER_CPU(struct job_stock, job_stocks);

static void gate_endio(struct bio *bio);

static void wrap_bio(struct bpfsnap_job *job, struct bio *bio)
{
	job->end_io = bio->bi_end_io;
	job->private = bio->bi_private;
	bio->bi_end_io = gate_endio;
	bio->bi_private = job;
}

/* The wrapper of a write that passes at once.  Context: preemption off. */
static struct bpfsnap_job *new_job(void)
{
	struct bpfsnap_job *job = NULL;
	struct job_stock *stock;
	unsigned long flags;

	local_irq_save(flags);
	stock = this_cpu_ptr(&job_stocks);
	if (stock->nr)
		job = stock->jobs[--stock->nr];
	local_irq_restore(flags);
	return job ?: kmem_cache_alloc(job_cache, GFP_NOWAIT | __GFP_NOWARN);
}

static void free_job(struct bpfsnap_job *job)
{
	struct job_stock *stock;
	unsigned long flags;

	/* What was taken from a reserve goes back to it. */
	if (job->is_pooled) {
		mempool_free(job, job->origin->jobs);
		return;
	}
	local_irq_save(flags);
	stock = this_cpu_ptr(&job_stocks);
	if (stock->nr < JOBS_STOCK) {
		stock->jobs[stock->nr++] = job;
		job = NULL;
	}
	local_irq_restore(flags);
	if (job)
		kmem_cache_free(job_cache, job);
}

static void unwrap_bio(struct bio *bio)
{
	struct bpfsnap_job *job = bio->bi_private;

	bio->bi_end_io = job->end_io;
	bio->bi_private = job->private;
	free_job(job);
}

static void end_bio(struct bio *bio)
{
	struct bpfsnap_job *job = bio->bi_private;
	struct bpfsnap_origin *origin = job->origin;
	bool passed = job->passed;

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

/* Bios that a CPU is about to end, for each kind of context that can interrupt another. */
struct ending {
	bool busy;
	struct bio_list bios;
};

static DEFINE_PER_CPU(struct ending [3], endings);

/*
 * The end of a chained bio may be the end of its parent, and so on through thousands of
 * bios of one large discard.  bio_endio() goes along such a chain without recursion, but
 * it doesn't know ours; so who finds the CPU at it already leaves the bio there.
 */
static void gate_endio(struct bio *bio)
{
	struct ending *ending;

	preempt_disable();
	ending = this_cpu_ptr(&endings[in_hardirq() ? 2 : in_serving_softirq() ? 1 : 0]);
	if (ending->busy) {
		bio_list_add(&ending->bios, bio);
	} else {
		ending->busy = true;
		do {
			end_bio(bio);
		} while ((bio = bio_list_pop(&ending->bios)));
		ending->busy = false;
	}
	preempt_enable();
}

/* Return: the wrapper that this origin gave the bio, or NULL. */
static struct bpfsnap_job *job_of(const struct bpfsnap_origin *origin, const struct bio *bio)
{
	struct bpfsnap_job *job = bio->bi_private;

	return bio->bi_end_io == gate_endio && job->origin == origin ? job : NULL;
}

/* Counted and marked at once: preemption is off, origin->inflight held. */
static void count(struct bpfsnap_origin *origin, sector_t sect, u32 nr_sect, u32 op)
{
	unsigned long flags;

	this_cpu_inc(origin->passed->bios);
	this_cpu_add(origin->passed->sect, nr_sect);
	/* A program that is interrupted by itself is skipped: a write from an interrupt would be. */
	local_irq_save(flags);
	trace_bpfsnap_write(origin->dev, sect, nr_sect, op);
	local_irq_restore(flags);
}

/* The bio passes: the caller holds a reference on origin->inflight and has preemption off. */
static void pass(struct bpfsnap_origin *origin, struct bio *bio, struct bpfsnap_job *job)
{
	job->passed = true;

	/* A stacked driver that sends the same bio on would hide it from block_bio_queue. */
	bio_clear_flag(bio, BIO_TRACE_COMPLETION);

	count(origin, bio->bi_iter.bi_sector, bio_sectors(bio), (__force u32)bio_op(bio));
}

void bpfsnap_gate_kick(struct bpfsnap_origin *origin)
{
	queue_work(origin->wq, &origin->work);
}

void bpfsnap_gate_read(struct bpfsnap_origin *origin, struct llist_node *read)
{
	/* Once the worker has seen it, the origin may go as soon as RCU lets it. */
	rcu_read_lock();
	llist_add(read, &origin->read);
	/* Often the worker reads what completes at once; it looks again by itself. */
	smp_mb();
	if (!READ_ONCE(origin->is_working))
		bpfsnap_gate_kick(origin);
	rcu_read_unlock();
}

static void divert(struct bpfsnap_origin *origin, struct bio *bio)
{
	unsigned long flags;

	/* The worker may be in need of just this wrapper, for a bio before this one. */
	if (job_of(origin, bio)) {
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
	bpfsnap_gate_kick(origin);
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
	struct bpfsnap_job *job = job_of(origin, bio);

	if (job && job->passed)
		return BPFSNAP_PASS;
	/* On its way since before the gate was there; the driver keeps something in it. */
	if (unlikely(READ_ONCE(origin->attaching)) && !job && bpfsnap_is_dm_polled(bio))
		return BPFSNAP_PASS;
	/* Its place belongs to no image and no change list. */
	if (unlikely(bpfsnap_store_owns(origin, bio))) {
		bio_set_flag(bio, BIO_TRACE_COMPLETION);
		return BPFSNAP_PASS;
	}
	if (!percpu_ref_tryget_live(&origin->inflight)) {
		if (wants_eagain(bio))
			return BPFSNAP_REFUSE;
		divert(origin, bio);
		return BPFSNAP_KEEP;
	}
	/* What was armed before the gate opened; pairs with smp_mb() in bpfsnap_gate_open(). */
	smp_rmb();
	if (bpfsnap_cow_needed(origin, bio))
		goto later;
	if (job) {
		atomic_dec(&origin->returning);
	} else {
		job = new_job();
		if (!job)
			goto later;
		/* The device mapper would keep its own in bi_private. */
		if (!queue_is_mq(origin->disk->queue))
			bio_clear_polled(bio);
		job->origin = origin;
		job->is_pooled = false;
		wrap_bio(job, bio);
	}
	pass(origin, bio, job);
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

/* Make the next bio that waits a job.  Return: NULL if there is none, or no memory. */
static struct bpfsnap_job *take_waiting(struct bpfsnap_origin *origin)
{
	struct bpfsnap_job *job;

	/* While the gate is closed they wait; bpfsnap_gate_open() queues the work again. */
	if (bio_list_empty(&origin->waiting) || percpu_ref_is_dying(&origin->inflight))
		return NULL;
	job = mempool_alloc(origin->jobs, GFP_NOWAIT | __GFP_NOWARN);
	if (!job) {
		queue_delayed_work(origin->wq, &origin->retry, msecs_to_jiffies(RETRY_MS));
		return NULL;
	}
	*job = (struct bpfsnap_job){ .origin = origin, .is_pooled = true };
	INIT_LIST_HEAD(&job->node);
	/* Before it leaves the list: bpfsnap_gate_settle() looks at both. */
	atomic_inc(&origin->returning);
	job->bio = take_first(origin);
	job->sect = job->bio->bi_iter.bi_sector;
	job->end_sect = bio_end_sector(job->bio);
	return job;
}

static void take_asked(struct bpfsnap_origin *origin, struct list_head *list)
{
	spin_lock_irq(&origin->lock);
	list_splice_tail_init(&origin->asked, list);
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

/*
 * Back to the gate, with nothing left to wait for but the gate itself.  The worker must
 * not be put to sleep for the bio's cgroup while other bios wait, the journal's among
 * them: like metadata, it goes first and is paid for later.
 */
static void submit_job(struct bpfsnap_job *job, struct bio *bio)
{
	bio->bi_opf |= REQ_META;
	wrap_bio(job, bio);
	submit_bio_noacct(bio);
}

static void run_job(struct bpfsnap_origin *origin, struct bpfsnap_job *job)
{
	struct bio *bio = job->bio;

	if (bio && bio_op(bio) == REQ_OP_DISCARD && !READ_ONCE(origin->copies_discards)) {
		/* A hint, and to keep 4 GiB for a hint would be a bad bargain. */
		if (copy_needed(origin, bio)) {
			bpfsnap_cow_count_dropped(origin, job);
			free_job(job);
			bio_endio(bio);
			atomic_dec(&origin->returning);
		} else {
			submit_job(job, bio);
		}
		return;
	}
	switch (bpfsnap_cow_start(origin, job)) {
	case BPFSNAP_COW_READING:
		return;
	case BPFSNAP_COW_BLOCKED:
		list_add_tail(&job->node, &origin->blocked);
		return;
	case BPFSNAP_COW_STARVED:
		list_add_tail(&job->node, &origin->starved);
		origin->nr_starved++;
		return;
	case BPFSNAP_COW_DONE:
		break;
	}
	if (bio)
		submit_job(job, bio);
	else
		complete(job->done);
}

static void gate_work(struct work_struct *work)
{
	struct bpfsnap_origin *origin = container_of(work, struct bpfsnap_origin, work);
	struct bpfsnap_job *job;
	unsigned int begun;

	do {
		struct blk_plug plug;
		LIST_HEAD(again);

		WRITE_ONCE(origin->is_working, true);
		begun = 0;
		blk_start_plug(&plug);
		bpfsnap_cow_finish(origin, &again);
		list_splice_tail_init(&origin->starved, &again);
		list_splice_tail_init(&origin->blocked, &again);
		origin->nr_starved = 0;
		take_asked(origin, &again);
		while ((job = list_first_entry_or_null(&again, struct bpfsnap_job, node))) {
			list_del_init(&job->node);
			run_job(origin, job);
		}
		/* Those that starve were first: not all others may go before them. */
		while (begun < JOBS_AT_ONCE && origin->nr_starved < STARVED_MAX &&
		       (job = take_waiting(origin))) {
			run_job(origin, job);
			begun++;
		}
		blk_finish_plug(&plug);
		cond_resched();
		/* Pairs with smp_mb() in bpfsnap_gate_read(): what it adds now, it kicks for. */
		smp_store_mb(origin->is_working, false);
	} while (begun == JOBS_AT_ONCE || !llist_empty(&origin->read));
	if (!bpfsnap_cow_refill(origin) ||
	    !list_empty(&origin->starved) || !list_empty(&origin->blocked))
		queue_delayed_work(origin->wq, &origin->retry, msecs_to_jiffies(RETRY_MS));
}

void bpfsnap_gate_report(struct bpfsnap_origin *origin, sector_t sect, sector_t nr_sect)
{
	/* Fits the counts of a tracepoint, and is bounded in time. */
	enum { REPORT_SECT = 1 << 20 };

	while (nr_sect) {
		u32 here = min_t(sector_t, nr_sect, REPORT_SECT);

		while (!percpu_ref_tryget_live(&origin->inflight))
			msleep(1);
		preempt_disable();
		count(origin, sect, here, (__force u32)REQ_OP_WRITE);
		preempt_enable();
		percpu_ref_put(&origin->inflight);
		sect += here;
		nr_sect -= here;
	}
}

static void gate_retry(struct work_struct *work)
{
	bpfsnap_gate_kick(container_of(to_delayed_work(work), struct bpfsnap_origin, retry));
}

void bpfsnap_gate_copy(struct bpfsnap_range *range, sector_t sect, sector_t end_sect)
{
	DECLARE_COMPLETION_ONSTACK(done);
	struct bpfsnap_origin *origin = range->origin;
	struct bpfsnap_job job = {
		.origin = origin,
		.range = range,
		.sect = sect,
		.end_sect = end_sect,
		.done = &done,
	};

	spin_lock_irq(&origin->lock);
	list_add_tail(&job.node, &origin->asked);
	spin_unlock_irq(&origin->lock);
	bpfsnap_gate_kick(origin);
	wait_for_completion(&done);
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
	while (!bio_list_empty(&origin->waiting) || atomic_read(&origin->returning)) {
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
	INIT_LIST_HEAD(&origin->asked);
	init_llist_head(&origin->read);
	INIT_LIST_HEAD(&origin->starved);
	INIT_LIST_HEAD(&origin->blocked);
	INIT_WORK(&origin->work, gate_work);
	INIT_DELAYED_WORK(&origin->retry, gate_retry);
	INIT_LIST_HEAD(&origin->ranges);

	origin->passed = alloc_percpu(struct bpfsnap_passed);
	if (!origin->passed)
		return ret;
	origin->wq = alloc_ordered_workqueue("bpfsnap/%s", WQ_MEM_RECLAIM | WQ_HIGHPRI,
					     origin->disk->disk_name);
	if (!origin->wq)
		goto free_passed;
	origin->jobs = mempool_create_slab_pool(JOBS_KEPT, job_cache);
	if (!origin->jobs)
		goto free_wq;
	ret = percpu_ref_init(&origin->inflight, on_drained, PERCPU_REF_ALLOW_REINIT, GFP_KERNEL);
	if (ret)
		goto free_jobs;
	return 0;

free_jobs:
	mempool_destroy(origin->jobs);
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
	cancel_delayed_work_sync(&origin->retry);
	destroy_workqueue(origin->wq);
	percpu_ref_exit(&origin->inflight);
	mempool_destroy(origin->jobs);
	free_percpu(origin->passed);
}

int bpfsnap_gate_init(void)
{
	job_cache = kmem_cache_create("bpfsnap_job", sizeof(struct bpfsnap_job), 0, 0, NULL);
	return job_cache ? 0 : -ENOMEM;
}

void bpfsnap_gate_exit(void)
{
	int cpu;

	/* A completion on another CPU may not have returned from gate_endio() yet. */
	synchronize_rcu();
	for_each_possible_cpu(cpu) {
		struct job_stock *stock = per_cpu_ptr(&job_stocks, cpu);

		while (stock->nr)
			kmem_cache_free(job_cache, stock->jobs[--stock->nr]);
	}
	kmem_cache_destroy(job_cache);
}
