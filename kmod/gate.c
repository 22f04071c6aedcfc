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
 * copied yet, or if there is no memory for the wrapper.  In general the origin's worker
 * takes the waiting bios in order, makes each a job, has copied what the job needs
 * (cow.c), and submits the bio again, wrapped; it may be throttled once more, and
 * then arrives at the gate and passes, or waits once more if the gate has closed
 * or another snapshot begun.  The worker never waits for I/O or memory itself: what
 * can't go on is left until something happens.
 *
 * A writer who has nothing else to submit does this for his own bio, as far as it goes
 * without waiting: two changes of context would cost more than the copy does.
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
#include <uapi/linux/sched/types.h>
#include "bpfsnap.h"
#include "trace.h"

enum {
	JOBS_KEPT = 64,
	/* Jobs begun before the worker looks at what has been read. */
	JOBS_AT_ONCE = 64,
	/* So many may lack memory before no further one is begun. */
	STARVED_MAX = 16,
	RETRY_MS = 10,
};

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
	kthread_queue_work(origin->worker, &origin->work);
}

static void retry_soon(struct bpfsnap_origin *origin)
{
	kthread_queue_delayed_work(origin->worker, &origin->retry, msecs_to_jiffies(RETRY_MS));
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
	bool was_job = bpfsnap_job_of(origin, bio);
	unsigned long flags;

	/* The worker may be in need of just this wrapper, for a bio before this one. */
	if (was_job)
		bpfsnap_job_unwrap(bio);
	else
		atomic64_inc(&origin->diverted);
	bio_clear_polled(bio);
	/* The submitter does not wait, only its bio does. */
	bio->bi_opf &= ~REQ_NOWAIT;
	spin_lock_irqsave(&origin->lock, flags);
	bio_list_add(&origin->waiting, bio);
	spin_unlock_irqrestore(&origin->lock, flags);
	/* Not before it is in the list: bpfsnap_gate_settle() looks at both. */
	smp_mb__before_atomic();
	if (was_job)
		atomic_dec(&origin->returning);
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

/*
 * Has he submitted something that is kept back, or said that there will be more?  An empty
 * plug may mean either.  What does not wait for a disk is done with by one at a time; of a
 * disk that takes time many had better read together.
 */
static bool is_one_of_many(const struct bpfsnap_origin *origin, const struct blk_plug *plug)
{
	return plug && (plug->nr_ios > 1 || plug->rq_count || !list_empty(&plug->cb_list) ||
			time_before(jiffies, READ_ONCE(origin->left_jiffies) + HZ));
}

/*
 * May its submitter copy for it?  Not if others wait before it, or he has more to submit:
 * the worker serves many at once.  Nor within a driver, as his bios go on only after it;
 * if he must not wait, or memory depends on him; or if he is one who waits for a cpu or a
 * disk while others don't, as they may wait for the same chunk.
 */
static bool may_copy(const struct bpfsnap_origin *origin, const struct bio *bio)
{
	return in_task() && !is_one_of_many(origin, current->plug) && !current->bio_list &&
	       !(current->flags & (PF_KTHREAD | PF_MEMALLOC)) && !(bio->bi_opf & REQ_NOWAIT) &&
	       task_nice(current) <= 0 && current->policy != SCHED_IDLE &&
	       IOPRIO_PRIO_CLASS(get_current_ioprio()) != IOPRIO_CLASS_IDLE &&
	       bio_op(bio) != REQ_OP_DISCARD && bio_list_empty(&origin->waiting);
}

static void begin_job(struct bpfsnap_origin *origin, struct bpfsnap_job *job, bool is_pooled,
		      struct bio *bio)
{
	*job = (struct bpfsnap_job){
		.origin = origin,
		.bio = bio,
		.is_pooled = is_pooled,
		.sect = bio->bi_iter.bi_sector,
		.end_sect = bio_end_sector(bio),
	};
	INIT_LIST_HEAD(&job->node);
	INIT_LIST_HEAD(&job->pieces);
	bpfsnap_job_wrap(job, bio);
}

/* Make it a job that is its submitter's. */
static bool give_to_submitter(struct bpfsnap_origin *origin, struct bio *bio)
{
	struct bpfsnap_job *job = may_copy(origin, bio) ? bpfsnap_job_new() : NULL;

	if (!job)
		return false;
	begin_job(origin, job, false, bio);
	atomic64_inc(&origin->diverted);
	/* For the job, and for the submitter, who may still be at it when the job is gone. */
	atomic_add(2, &origin->returning);
	return true;
}

enum bpfsnap_verdict bpfsnap_gate_enter(struct bpfsnap_origin *origin, struct bio *bio)
{
	struct bpfsnap_job *job = bpfsnap_job_of(origin, bio);

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
	if (bpfsnap_cow_needed(origin, bio)) {
		if (job || !give_to_submitter(origin, bio))
			goto later;
		percpu_ref_put(&origin->inflight);
		return BPFSNAP_COPY;
	}
	if (job) {
		atomic_dec(&origin->returning);
	} else {
		job = bpfsnap_job_new();
		if (!job)
			goto later;
		/* The device mapper would keep its own in bi_private. */
		if (!queue_is_mq(origin->disk->queue))
			bio_clear_polled(bio);
		job->origin = origin;
		job->is_pooled = false;
		bpfsnap_job_wrap(job, bio);
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
	bool is_pooled;

	/* While the gate is closed they wait; bpfsnap_gate_open() queues the work again. */
	if (bio_list_empty(&origin->waiting) || percpu_ref_is_dying(&origin->inflight))
		return NULL;
	job = bpfsnap_job_new();
	is_pooled = !job;
	if (!job)
		job = mempool_alloc(origin->jobs, GFP_NOWAIT | __GFP_NOWARN);
	if (!job) {
		retry_soon(origin);
		return NULL;
	}
	/* Before it leaves the list: bpfsnap_gate_settle() looks at both. */
	atomic_inc(&origin->returning);
	begin_job(origin, job, is_pooled, take_first(origin));
	return job;
}

static void take_asked(struct bpfsnap_origin *origin, struct list_head *list)
{
	spin_lock_irq(&origin->lock);
	list_splice_tail_init(&origin->asked, list);
	spin_unlock_irq(&origin->lock);
}

/*
 * Back to the gate, with nothing left to wait for but the gate itself.  The worker must
 * not be put to sleep for the bio's cgroup while other bios wait, the journal's among
 * them: like metadata, it goes first and is paid for later.
 */
static void submit_again(struct bio *bio)
{
	bio->bi_opf |= REQ_META;
	submit_bio_noacct(bio);
}

static void run_job(struct bpfsnap_origin *origin, struct bpfsnap_job *job)
{
	struct bio *bio = job->bio;

	if (bio && bio_op(bio) == REQ_OP_DISCARD && !READ_ONCE(origin->copies_discards)) {
		bool needed;

		preempt_disable();
		needed = bpfsnap_cow_needed(origin, bio);
		/* A hint, and to keep 4 GiB for a hint would be a bad bargain. */
		if (needed)
			bpfsnap_cow_count_dropped(origin, job);
		preempt_enable();
		if (needed) {
			bpfsnap_job_unwrap(bio);
			bio_endio(bio);
			atomic_dec(&origin->returning);
		} else {
			submit_again(bio);
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
		submit_again(bio);
	else
		complete(job->done);
}

void bpfsnap_gate_copy_for(struct bio *bio)
{
	struct bpfsnap_job *job = bio->bi_private;
	struct bpfsnap_origin *origin = job->origin;
	enum bpfsnap_cow state = BPFSNAP_COW_BLOCKED;

	bio_clear_polled(bio);
	/* The hook can't tell: it is not to sleep itself. */
	if (!preempt_count() && !irqs_disabled())
		state = bpfsnap_cow_here(origin, job);
	if (state == BPFSNAP_COW_DONE)
		submit_bio_noacct(bio);
	else if (state != BPFSNAP_COW_READING)
		divert(origin, bio);
	/* The origin may go now, and the module, once this task has slept. */
	atomic_dec(&origin->returning);
}

static void work_at_gate(struct bpfsnap_origin *origin)
{
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
		retry_soon(origin);
}

static void gate_work(struct kthread_work *work)
{
	work_at_gate(container_of(work, struct bpfsnap_origin, work));
}

static void gate_retry(struct kthread_work *work)
{
	work_at_gate(container_of(work, struct bpfsnap_origin, retry.work));
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

	INIT_LIST_HEAD(&job.pieces);
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

static bool is_settled(const struct bpfsnap_origin *origin)
{
	bool is_settled = bio_list_empty(&origin->waiting);

	/*
	 * A bio may go from one to the other, and back.  One that does so again between these
	 * looks is missed: bpfsnap_gate_leave() waits for it.
	 */
	smp_rmb();
	is_settled &= !atomic_read(&origin->returning);
	/* Likewise. */
	smp_rmb();
	return is_settled && bio_list_empty(&origin->waiting);
}

int bpfsnap_gate_settle(struct bpfsnap_origin *origin, unsigned long deadline)
{
	while (!is_settled(origin)) {
		if (time_after(jiffies, deadline))
			return -ETIMEDOUT;
		msleep(1);
	}
	return 0;
}

void bpfsnap_gate_leave(struct bpfsnap_origin *origin)
{
	struct bio *bio;

	kthread_flush_worker(origin->worker);
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
	bpfsnap_gate_kick(origin);
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
	/* At once, when what it reads has come, whoever else is busy: a write waits for it. */
	const struct sched_attr first = { .sched_nice = MIN_NICE };
	int ret;

	spin_lock_init(&origin->lock);
	spin_lock_init(&origin->cow_lock);
	origin->left_jiffies = jiffies - HZ;
	bio_list_init(&origin->waiting);
	init_waitqueue_head(&origin->drained);
	INIT_LIST_HEAD(&origin->asked);
	init_llist_head(&origin->read);
	INIT_LIST_HEAD(&origin->starved);
	INIT_LIST_HEAD(&origin->blocked);
	kthread_init_work(&origin->work, gate_work);
	kthread_init_delayed_work(&origin->retry, gate_retry);
	INIT_LIST_HEAD(&origin->ranges);

	origin->passed = alloc_percpu(struct bpfsnap_passed);
	if (!origin->passed)
		return -ENOMEM;
	origin->worker = kthread_run_worker(0, "bpfsnap/%s", origin->disk->disk_name);
	if (IS_ERR(origin->worker)) {
		ret = PTR_ERR(origin->worker);
		goto free_passed;
	}
	ret = sched_setattr_nocheck(origin->worker->task, &first);
	if (ret)
		goto destroy_worker;
	ret = -ENOMEM;
	origin->jobs = mempool_create_slab_pool(JOBS_KEPT, bpfsnap_job_cache);
	if (!origin->jobs)
		goto destroy_worker;
	ret = percpu_ref_init(&origin->inflight, on_drained, PERCPU_REF_ALLOW_REINIT, GFP_KERNEL);
	if (ret)
		goto free_jobs;
	return 0;

free_jobs:
	mempool_destroy(origin->jobs);
destroy_worker:
	kthread_destroy_worker(origin->worker);
free_passed:
	free_percpu(origin->passed);
	return ret;
}

void bpfsnap_gate_destroy(struct bpfsnap_origin *origin)
{
	/* Every completion that touches the origin does so under RCU's eye. */
	synchronize_rcu();
	/* After its last round nothing begins another one, or the timer again. */
	kthread_flush_worker(origin->worker);
	kthread_cancel_delayed_work_sync(&origin->retry);
	kthread_destroy_worker(origin->worker);
	percpu_ref_exit(&origin->inflight);
	mempool_destroy(origin->jobs);
	free_percpu(origin->passed);
}
