// SPDX-License-Identifier: GPL-2.0-only
/*
 * What becomes of a snapshot while others are taken of the same devices, and end?
 * Nothing: its images stay what they were.
 */
#include "storm.h"

#include <stdlib.h>
#include <string.h>

static struct held {
	struct snap snap;
	char *contents[TARGETS_MAX];
} held[HELD_MAX];
static unsigned int nr_held;
static uint64_t dice;

static void end_one(struct held *h)
{
	snap_refresh(&h->snap);
	images_states(&h->snap, "in the end");
	for (size_t i = 0; i < nr_targets; i++) {
		images_read_again(&targets[i].im, h->contents[i], &h->snap, "before it ends");
		free(h->contents[i]);
	}
	snap_destroy(&h->snap);
	*h = held[--nr_held];
}

void held_add(const struct snap *snap)
{
	struct held *h = &held[nr_held++];

	if (!dice)
		dice = random_seed(settings.seed, WRITERS_MAX + 2);
	h->snap = *snap;
	for (size_t i = 0; i < nr_targets; i++) {
		size_t bytes = targets[i].im.nr_sect * SECT_BYTES;

		h->contents[i] = malloc(bytes);
		if (!h->contents[i])
			die("no memory");
		memcpy(h->contents[i], targets[i].im.now, bytes);
	}
	/* Not the oldest first, nor the youngest. */
	if (nr_held >= settings.held)
		end_one(&held[random_below(&dice, nr_held)]);
}

void held_end(void)
{
	while (nr_held)
		end_one(&held[0]);
}
