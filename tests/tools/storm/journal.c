// SPDX-License-Identifier: GPL-2.0-only
/*
 * What was written, where, and when?
 *
 * One lock for all: an operation's end and its trace in the arrays are one event.
 */
#include "storm.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static const uint32_t magic = 0x6d726f74;

static struct {
	pthread_mutex_t lock;
	pthread_cond_t released;
	uint32_t clock;
	struct op *ops;
} journal = {
	.lock = PTHREAD_MUTEX_INITIALIZER, .released = PTHREAD_COND_INITIALIZER, .clock = 1,
};

static void *new_array(uint64_t nr, size_t bytes)
{
	void *array = calloc(nr, bytes);

	if (!array)
		die("no memory");
	return array;
}

void journal_add(struct target *t)
{
	t->busy = new_array(t->im.nr_sect, sizeof(*t->busy));
	t->torn = new_array(t->im.nr_sect, sizeof(*t->torn));
	t->data = new_array(t->im.nr_sect, sizeof(*t->data));
	t->zero = new_array(t->im.nr_sect, sizeof(*t->zero));
	t->data_then = new_array(t->im.nr_sect, sizeof(*t->data_then));
	t->zero_then = new_array(t->im.nr_sect, sizeof(*t->zero_then));
	t->seen = new_array(t->im.nr_sect, sizeof(*t->seen));
	t->zeroing = new_array(t->im.nr_sect, sizeof(*t->zeroing));
	if (journal.ops)
		return;
	journal.ops = mmap(NULL, TICKS_MAX * sizeof(*journal.ops), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (journal.ops == MAP_FAILED)
		die("no memory for the journal");
}

static uint32_t tick(void)
{
	if (journal.clock == TICKS_MAX - 1)
		die("the journal is full");
	return journal.clock++;
}

uint32_t journal_tick(void)
{
	uint32_t now;

	pthread_mutex_lock(&journal.lock);
	now = tick();
	pthread_mutex_unlock(&journal.lock);
	return now;
}

void journal_claim(struct target *t, uint64_t sect, uint32_t nr_sect)
{
	pthread_mutex_lock(&journal.lock);
	while (memchr(t->busy + sect, 1, nr_sect))
		pthread_cond_wait(&journal.released, &journal.lock);
	memset(t->busy + sect, 1, nr_sect);
	pthread_mutex_unlock(&journal.lock);
}

void journal_release(struct target *t, uint64_t sect, uint32_t nr_sect)
{
	pthread_mutex_lock(&journal.lock);
	memset(t->busy + sect, 0, nr_sect);
	pthread_cond_broadcast(&journal.released);
	pthread_mutex_unlock(&journal.lock);
}

uint32_t journal_begin(const struct op *op)
{
	uint32_t id;

	pthread_mutex_lock(&journal.lock);
	id = tick();
	journal.ops[id] = *op;
	pthread_mutex_unlock(&journal.lock);
	return id;
}

void journal_end(uint32_t id)
{
	struct op *op = &journal.ops[id];
	struct target *t = &targets[op->target];
	uint32_t *array = op->effect == EFFECT_DATA ? t->data : t->zero;

	pthread_mutex_lock(&journal.lock);
	for (uint64_t sect = op->sect; sect < (uint64_t)op->sect + op->nr_sect; sect++)
		array[sect] = id;
	op->end = tick();
	pthread_mutex_unlock(&journal.lock);
}

void journal_void(uint32_t id)
{
	pthread_mutex_lock(&journal.lock);
	journal.ops[id].nr_sect = 0;
	journal.ops[id].end = tick();
	pthread_mutex_unlock(&journal.lock);
}

const struct op *journal_op(uint32_t id)
{
	return &journal.ops[id];
}

uint32_t journal_moment(void)
{
	uint32_t now;

	pthread_mutex_lock(&journal.lock);
	now = tick();
	for (size_t i = 0; i < nr_targets; i++) {
		struct target *t = &targets[i];

		if (!t->nr_ways)
			continue;
		memcpy(t->data_then, t->data, t->im.nr_sect * sizeof(*t->data));
		memcpy(t->zero_then, t->zero, t->im.nr_sect * sizeof(*t->zero));
	}
	pthread_mutex_unlock(&journal.lock);
	return now;
}

uint64_t place_of(size_t target, uint64_t sect)
{
	return (uint64_t)target << 56 | sect;
}

void stamp_sectors(char *buf, uint32_t id, const struct op *op)
{
	struct stamp stamp = { .magic = magic, .op = id };

	for (uint32_t i = 0; i < op->nr_sect; i++) {
		stamp.place = place_of(op->target, (uint64_t)op->sect + i);
		memcpy(buf + (size_t)i * SECT_BYTES, &stamp, sizeof(stamp));
	}
}

bool stamp_read(const char *sector, struct stamp *ret_stamp)
{
	memcpy(ret_stamp, sector, sizeof(*ret_stamp));
	return ret_stamp->magic == magic;
}
