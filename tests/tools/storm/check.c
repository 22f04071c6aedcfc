// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is an image what it has to be?
 *
 * Its content is held against the journal.  The snapshot was taken between two ticks,
 * "begin" and "end".  What had ended at "begin" must be seen; what began after "end"
 * must not; in between the instant may lie anywhere.  But it is one: whatever is seen
 * on any of the disks, all that had ended before it began must be seen as well.
 */
#include "storm.h"

#include <stdio.h>
#include <string.h>

enum { HISTORY_OPS = 6 };

static const uint32_t foreign = UINT32_MAX;

/* An operation in words; one of a few buffers, so that a line can have several. */
static const char *op_text(uint32_t id)
{
	static char texts[4][160];
	static unsigned int next;
	char *text = texts[next++ % 4];
	const struct op *op = journal_op(id);

	if (!id)
		return "zeros";
	if (id == foreign)
		return "what nobody wrote";
	snprintf(text, sizeof(texts[0]), "%s %u..%u of sectors %u+%u by %s", op_kinds[op->how].name,
		 id, op->end, op->sect, op->nr_sect, targets[op->target].ways[op->way].path);
	return text;
}

/* What was done to a place last, for whoever looks for the reason. */
static void history(const struct target *t, uint64_t sect, uint32_t end)
{
	unsigned int left = tally.findings > HISTORY_OPS ? 0 : HISTORY_OPS;

	for (uint32_t id = end; id-- > 1 && left;) {
		const struct op *op = journal_op(id);

		if (&targets[op->target] != t || op->sect >= sect + PAGE_SECT ||
		    (uint64_t)op->sect + op->nr_sect + PAGE_SECT <= sect || !op->nr_sect)
			continue;
		printf("       %s\n", op_text(id));
		left--;
	}
}

/* Whose content is it, that nobody could have written there? */
static void describe_foreign(const char *sector)
{
	struct stamp stamp;

	if (stamp_read(sector, &stamp))
		printf("       it has the stamp of operation %u for sector %lu of target %lu\n", stamp.op,
		       stamp.place & ((1UL << 56) - 1), stamp.place >> 56);
	else
		printf("       it has no stamp: %02x%02x%02x%02x...\n", (uint8_t)sector[0],
		       (uint8_t)sector[1], (uint8_t)sector[2], (uint8_t)sector[3]);
}

static bool is_zero(const char *sector)
{
	return !sector[0] && !memcmp(sector, sector + 1, SECT_BYTES - 1);
}

static uint32_t seen_in(const char *content, size_t target, uint64_t sect)
{
	const char *sector = content + sect * SECT_BYTES;
	struct stamp stamp;

	if (stamp_read(sector, &stamp)) {
		const struct op *op = journal_op(stamp.op % TICKS_MAX);

		if (stamp.place == place_of(target, sect) && stamp.op < TICKS_MAX && op->target == target &&
		    sect - op->sect < op->nr_sect && op->effect == EFFECT_DATA)
			return stamp.op;
	}
	return is_zero(sector) ? 0 : foreign;
}

static bool had_ended(uint32_t id, uint32_t tick)
{
	uint32_t end = __atomic_load_n(&journal_op(id)->end, __ATOMIC_RELAXED);

	return end && end < tick;
}

/* The first operation that may not have ended at "begin": before it there is none. */
static uint32_t first_open(uint32_t begin)
{
	static uint32_t first = 1;

	while (first < begin && (!journal_op(first)->nr_sect || had_ended(first, begin)))
		first++;
	return first;
}

/* Sets seen, zeroing and torn of each target.  Return: the newest operation seen, or "begin". */
static uint32_t look(uint32_t begin, uint32_t end)
{
	uint32_t newest = begin;

	for (size_t i = 0; i < nr_targets; i++) {
		struct target *t = &targets[i];

		if (!t->nr_ways)
			continue;
		memset(t->zeroing, 0, t->im.nr_sect * sizeof(*t->zeroing));
		memset(t->torn, 0, t->im.nr_sect * sizeof(*t->torn));
		for (uint64_t sect = 0; sect < t->im.nr_sect; sect++) {
			uint32_t id = t->seen[sect] = seen_in(t->im.now, i, sect);

			if (id != foreign && id > newest)
				newest = id;
		}
	}
	for (uint32_t id = first_open(begin); id < end; id++) {
		const struct op *op = journal_op(id);

		if (!op->nr_sect || had_ended(id, begin))
			continue;
		for (uint32_t j = 0; j < op->nr_sect; j++) {
			if (op->effect != EFFECT_DATA)
				targets[op->target].zeroing[op->sect + j] = id;
			if (op_kinds[op->how].is_torn)
				targets[op->target].torn[op->sect + j] = 1;
		}
	}
	return newest;
}

static void check_sector(const struct target *t, uint64_t sect, uint32_t begin, uint32_t end)
{
	uint32_t id = t->seen[sect], data = t->data_then[sect], zero = t->zero_then[sect];

	if (id == foreign && t->torn[sect])
		return;
	if (id == foreign)
		finding("%s sector %lu: the image has what nobody wrote there; %s was due", t->im.path,
			sect, op_text(data > zero ? data : zero));
	else if (id > end)
		finding("%s sector %lu: the image shows %s, which began after the snapshot (%u..%u)",
			t->im.path, sect, op_text(id), begin, end);
	else if (id == data ? id && zero > data && journal_op(zero)->effect == EFFECT_ZERO :
		 id ? had_ended(id, begin) : zero <= data && !t->zeroing[sect])
		finding("%s sector %lu: the image shows %s, though %s had ended before the snapshot (%u..%u)",
			t->im.path, sect, op_text(id), op_text(data > zero ? data : zero), begin, end);
	else
		return;
	if (id == foreign && tally.findings <= HISTORY_OPS)
		describe_foreign(t->im.now + sect * SECT_BYTES);
	history(t, sect, end);
}

static void check_order(uint32_t id, uint32_t newest, uint32_t end)
{
	const struct op *op = journal_op(id);
	const struct target *t = &targets[op->target];

	if (op->effect == EFFECT_MAYBE_ZERO)
		return;
	for (uint64_t sect = op->sect; sect < (uint64_t)op->sect + op->nr_sect; sect++) {
		uint32_t seen = t->seen[sect];

		if (seen == foreign)	/* dealt with already */
			continue;
		if (seen ? seen >= id : op->effect == EFFECT_ZERO || t->zeroing[sect] > id)
			continue;
		finding("%s sector %lu: not one instant: %s is seen, but %s had ended before, and %s is seen",
			t->im.path, sect, op_text(newest), op_text(id), op_text(seen));
		history(t, sect, end);
		return;
	}
}

void check_content(uint32_t begin, uint32_t end)
{
	uint32_t newest = look(begin, end);

	for (size_t i = 0; i < nr_targets; i++)
		for (uint64_t sect = 0; targets[i].nr_ways && sect < targets[i].im.nr_sect; sect++)
			check_sector(&targets[i], sect, begin, end);
	for (uint32_t id = first_open(begin); id < newest; id++)
		if (journal_op(id)->nr_sect && !had_ended(id, begin) && had_ended(id, newest))
			check_order(id, newest, end);
}

const char *check_describe(const struct images *im, const char *content, uint64_t sect)
{
	const struct target *t = (const struct target *)im;

	return t->nr_ways ? op_text(seen_in(content, (size_t)(t - targets), sect)) : "something";
}
