// SPDX-License-Identifier: GPL-2.0-only
/*
 * What does each writer do next?
 *
 * A writer draws from a stream of its own, so a seed repeats what each of them does,
 * and in which order; how they meet is up to the machine.
 */
#include "storm.h"

#include <pthread.h>
#include <stdlib.h>

static pthread_t threads[WRITERS_MAX];
static struct writer writers[WRITERS_MAX];

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
		sect = random_below(&w->random, t->im.nr_sect / unit_sect) * unit_sect;
		*ret_way = (unsigned int)random_below(&w->random, t->nr_ways);
		way = &t->ways[*ret_way];
		way_sect = sect + (uint64_t)way->at_sect;
		if (way_sect < way->nr_sect)	/* below its beginning is far beyond its end */
			break;
	}
	left = way->nr_sect - way_sect;
	if (left > t->im.nr_sect - sect)
		left = t->im.nr_sect - sect;
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
	if (to > (int64_t)t->im.nr_sect)
		to = (int64_t)t->im.nr_sect;
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
	else if (!op_kinds[how].goes_on)
		__atomic_or_fetch(&t->unknown, 1u << how, __ATOMIC_RELAXED);
	journal_release(t, claim, claim_nr);
}

static void *write_on(void *arg)
{
	while (pace_begin()) {
		do_one(arg);
		pace_done();
	}
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
		writer_init(&writers[i], i);
		if (pthread_create(&threads[i], NULL, write_on, &writers[i]))
			die("no threads");
	}
}

void writers_fill(struct target *t)
{
	struct writer w = { 0 };
	uint32_t step = 1 << 20 >> 9;

	writer_init(&w, WRITERS_MAX);
	for (uint64_t sect = 0; sect < t->im.nr_sect; sect += step)
		for (unsigned int way = 0; way < t->nr_ways; way++) {
			uint64_t way_sect = sect + (uint64_t)t->ways[way].at_sect;
			uint64_t left = t->im.nr_sect - sect < step ? t->im.nr_sect - sect : step;

			if (way_sect + left > t->ways[way].nr_sect || way_sect > t->ways[way].nr_sect)
				continue;
			op_kinds[0].run(&w, t, way, 0, sect, (uint32_t)left);
			break;
		}
	free(w.buf);
}

void writers_end(void)
{
	pace_end();
	for (unsigned int i = 0; i < settings.writers; i++)
		pthread_join(threads[i], NULL);
}
