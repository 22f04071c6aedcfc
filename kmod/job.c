// SPDX-License-Identifier: GPL-2.0-only
/*
 * DOC: jobs, by which bios that passed a gate are known
 *
 * A job wraps the completion of its bio.  It comes from a CPU's own stock, or from the
 * slab; where neither has one, the origin's worker takes it from the origin's reserve.
 */
#include <linux/mempool.h>
#include <linux/percpu.h>
#include "bpfsnap.h"

/* Wrappers that a CPU keeps for the next writes: the slab would clear each. */
enum { JOBS_STOCK = 16 };

struct kmem_cache *bpfsnap_job_cache;

struct job_stock {
	unsigned int nr;
	struct bpfsnap_job *jobs[JOBS_STOCK];
};

static DEFINE_PER_CPU(struct job_stock, job_stocks);

static void gate_endio(struct bio *bio);

void bpfsnap_job_wrap(struct bpfsnap_job *job, struct bio *bio)
{
	job->end_io = bio->bi_end_io;
	job->private = bio->bi_private;
	bio->bi_end_io = gate_endio;
	bio->bi_private = job;
}

struct bpfsnap_job *bpfsnap_job_new(void)
{
	struct bpfsnap_job *job = NULL;
	struct job_stock *stock;
	unsigned long flags;

	local_irq_save(flags);
	stock = this_cpu_ptr(&job_stocks);
	if (stock->nr)
		job = stock->jobs[--stock->nr];
	local_irq_restore(flags);
	return job ?: kmem_cache_alloc(bpfsnap_job_cache, GFP_NOWAIT | __GFP_NOWARN);
}

void bpfsnap_job_free(struct bpfsnap_job *job)
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
		kmem_cache_free(bpfsnap_job_cache, job);
}

void bpfsnap_job_unwrap(struct bio *bio)
{
	struct bpfsnap_job *job = bio->bi_private;

	bio->bi_end_io = job->end_io;
	bio->bi_private = job->private;
	bpfsnap_job_free(job);
}

static void end_bio(struct bio *bio)
{
	struct bpfsnap_job *job = bio->bi_private;
	struct bpfsnap_origin *origin = job->origin;
	bool passed = job->passed;

	bpfsnap_job_unwrap(bio);
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

struct bpfsnap_job *bpfsnap_job_of(const struct bpfsnap_origin *origin, const struct bio *bio)
{
	struct bpfsnap_job *job = bio->bi_private;

	return bio->bi_end_io == gate_endio && job->origin == origin ? job : NULL;
}

int bpfsnap_job_init(void)
{
	bpfsnap_job_cache = kmem_cache_create("bpfsnap_job", sizeof(struct bpfsnap_job), 0, 0, NULL);
	return bpfsnap_job_cache ? 0 : -ENOMEM;
}

void bpfsnap_job_exit(void)
{
	int cpu;

	/* A completion on another CPU may not have returned from gate_endio() yet. */
	synchronize_rcu();
	for_each_possible_cpu(cpu) {
		struct job_stock *stock = per_cpu_ptr(&job_stocks, cpu);

		while (stock->nr)
			kmem_cache_free(bpfsnap_job_cache, stock->jobs[--stock->nr]);
	}
	kmem_cache_destroy(bpfsnap_job_cache);
}
