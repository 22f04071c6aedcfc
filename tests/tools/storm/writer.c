// SPDX-License-Identifier: GPL-2.0-only
/*
 * What does each writer do next, and when does it rest?
 *
 * A writer draws from a stream of its own, so a seed repeats what each of them does,
 * and in which order; how they meet is up to the machine.
 */
#include "storm.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint64_t begun, done, allowed;
	bool is_ending;
	pthread_t threads[WRITERS_MAX];
	struct writer writers[WRITERS_MAX];
} storm = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static struct target *draw_target(struct writer *w)
{
	struct target *t;

	do
		t = &targets[random_below(&w->random, nr_targets)];
	while (!t->nr_ways);
	return t;
}

static uint8_t draw_kind(struct writer *w, const struct target *t)
{
	unsigned int all = 0, hit;

	for (size_t i = 0; i < nr_op_kinds; i++)
		all += op_kinds[i].off || t->unknown & 1u << i ? 0 : op_kinds[i].weight;
	if (!all)
		die("nothing is left to do");
	hit = (unsigned int)random_below(&w->random, all);
	for (uint8_t i = 0;; i++) {
		unsigned int weight = op_kinds[i].off || t->unknown & 1u << i ? 0 : op_kinds[i].weight;

		if (hit < weight)
			return i;
		hit -= weight;
	}
}

/* Mostly small, now and then several MiB; in @unit_sect. */
static uint32_t draw_size(struct writer *w, uint32_t unit_sect)
{
	static const struct {
		unsigned int below, max_bytes;
	} sizes[] = {
		{ 35, 4096 }, { 75, 64 << 10 }, { 95, 256 << 10 }, { 99, 1 << 20 },
		{ 100, IO_BYTES_MAX },
	};
	uint64_t percent = random_below(&w->random, 100);
	uint32_t max_sect;
	size_t i = 0;

	while (percent >= sizes[i].below)
		i++;
	max_sect = sizes[i].max_bytes / SECT_BYTES;
	if (max_sect < unit_sect)
		return unit_sect;
	return (uint32_t)(1 + random_below(&w->random, max_sect / unit_sect)) * unit_sect;
}

/* A place for @*nr_sect sectors, and a way that leads there; both may make it fewer. */
static uint64_t draw_place(struct writer *w, const struct target *t, uint32_t unit_sect,
			   uint32_t *nr_sect, unsigned int *ret_way)
{
	uint64_t sect, way_sect, left;
	const struct way *way;

	for (;;) {
		sect = random_below(&w->random, t->nr_sect / unit_sect) * unit_sect;
		*ret_way = (unsigned int)random_below(&w->random, t->nr_ways);
		way = &t->ways[*ret_way];
		way_sect = sect + (uint64_t)way->at_sect;
		if (way_sect < way->nr_sect)	/* below its beginning is far beyond its end */
			break;
	}
	left = way->nr_sect - way_sect;
	if (left > t->nr_sect - sect)
		left = t->nr_sect - sect;
	if (*nr_sect > left)
		*nr_sect = (uint32_t)left;
	return sect;
}

/* The claim for whole pages of the way. */
static void widen(const struct target *t, const struct way *way, uint64_t *sect, uint32_t *nr_sect)
{
	int64_t from = (int64_t)*sect + way->at_sect, to = from + *nr_sect;

	from = (from & ~(PAGE_SECT - 1L)) - way->at_sect;
	to = ((to + PAGE_SECT - 1) & ~(PAGE_SECT - 1L)) - way->at_sect;
	if (from < 0)
		from = 0;
	if (to > (int64_t)t->nr_sect)
		to = (int64_t)t->nr_sect;
	*sect = (uint64_t)from;
	*nr_sect = (uint32_t)(to - from);
}

static void do_one(struct writer *w)
{
	struct target *t = draw_target(w);
	uint8_t how = draw_kind(w, t);
	uint32_t unit_sect = settings.align_sect ?: t->lbs_sect;
	uint32_t nr_sect = draw_size(w, unit_sect), claim_nr;
	unsigned int way;
	uint64_t sect = draw_place(w, t, unit_sect, &nr_sect, &way), claim;

	claim = sect;
	claim_nr = nr_sect;
	if (op_kinds[how].by_pages)
		widen(t, &t->ways[way], &claim, &claim_nr);
	journal_claim(t, claim, claim_nr);
	if (op_kinds[how].run(w, t, way, how, sect, nr_sect))
		__atomic_add_fetch(&op_kinds[how].count, 1, __ATOMIC_RELAXED);
	else
		__atomic_or_fetch(&t->unknown, 1u << how, __ATOMIC_RELAXED);
	journal_release(t, claim, claim_nr);
}

static void *write_on(void *arg)
{
	struct writer *w = arg;

	pthread_mutex_lock(&storm.lock);
	for (;;) {
		while (storm.begun >= storm.allowed && !storm.is_ending)
			pthread_cond_wait(&storm.changed, &storm.lock);
		if (storm.is_ending)
			break;
		storm.begun++;
		pthread_mutex_unlock(&storm.lock);
		do_one(w);
		pthread_mutex_lock(&storm.lock);
		storm.done++;
		pthread_cond_broadcast(&storm.changed);
	}
	pthread_mutex_unlock(&storm.lock);
	return NULL;
}

static void writer_init(struct writer *w, unsigned int number)
{
	w->number = number;
	w->random = random_seed(settings.seed, number);
	if (posix_memalign((void **)&w->buf, 4096, IO_BYTES_MAX))
		die("no memory");
	for (size_t i = 0; i < IO_BYTES_MAX / sizeof(uint64_t); i++)
		((uint64_t *)w->buf)[i] = random_next(&w->random);
}

void writers_start(void)
{
	for (unsigned int i = 0; i < settings.writers; i++) {
		writer_init(&storm.writers[i], i);
		if (pthread_create(&storm.threads[i], NULL, write_on, &storm.writers[i]))
			die("no threads");
	}
}

void writers_fill(struct target *t)
{
	struct writer w = { 0 };
	uint32_t step = 1 << 20 >> 9;

	writer_init(&w, WRITERS_MAX);
	for (uint64_t sect = 0; sect < t->nr_sect; sect += step)
		for (unsigned int way = 0; way < t->nr_ways; way++) {
			uint64_t way_sect = sect + (uint64_t)t->ways[way].at_sect;
			uint64_t left = t->nr_sect - sect < step ? t->nr_sect - sect : step;

			if (way_sect + left > t->ways[way].nr_sect || way_sect > t->ways[way].nr_sect)
				continue;
			op_kinds[0].run(&w, t, way, 0, sect, (uint32_t)left);
			break;
		}
	free(w.buf);
}

static void allow(uint64_t upto)
{
	storm.allowed = upto;
	pthread_cond_broadcast(&storm.changed);
}

void writers_go(void)
{
	pthread_mutex_lock(&storm.lock);
	allow(UINT64_MAX);
	pthread_mutex_unlock(&storm.lock);
}

void writers_stop_after(uint64_t more)
{
	pthread_mutex_lock(&storm.lock);
	allow(storm.begun + more);
	pthread_mutex_unlock(&storm.lock);
}

void writers_await(uint64_t more, unsigned int deadline_ms)
{
	struct timespec until;
	uint64_t target;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += deadline_ms / 1000;
	until.tv_nsec += deadline_ms % 1000 * 1000000L;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&storm.lock);
	target = storm.done + more;
	while (storm.done < target && (storm.done < storm.allowed || storm.begun > storm.done))
		if (pthread_cond_timedwait(&storm.changed, &storm.lock, &until))
			break;
	pthread_mutex_unlock(&storm.lock);
}

void writers_await_idle(void)
{
	pthread_mutex_lock(&storm.lock);
	while (storm.done < storm.begun || storm.begun < storm.allowed)
		pthread_cond_wait(&storm.changed, &storm.lock);
	pthread_mutex_unlock(&storm.lock);
}

void writers_end(void)
{
	pthread_mutex_lock(&storm.lock);
	storm.is_ending = true;
	pthread_cond_broadcast(&storm.changed);
	pthread_mutex_unlock(&storm.lock);
	for (unsigned int i = 0; i < settings.writers; i++)
		pthread_join(storm.threads[i], NULL);
}

uint64_t writers_done(void)
{
	uint64_t done;

	pthread_mutex_lock(&storm.lock);
	done = storm.done;
	pthread_mutex_unlock(&storm.lock);
	return done;
}
