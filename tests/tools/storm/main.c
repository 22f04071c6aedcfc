// SPDX-License-Identifier: GPL-2.0-only
/*
 * storm: writes of all kinds, and snapshots at random moments, each proven right.
 * Prints what it found to be wrong, and exits 1 then; the last line counts.
 */
#include "storm.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
	"usage: storm [options] TARGET...\n"
	"  TARGET is one of\n"
	"    --target DEV           written to, compared with the journal\n"
	"    --way DEV:SECTORS      also leads to the last target, that much further on\n"
	"    --watch DEV            written to by what is stacked on it\n"
	"  all of them are attached already, and part of each snapshot\n"
	"    --seed N               repeats what each writer does\n"
	"    --snapshots N          8\n"
	"    --writers N            4\n"
	"    --align BYTES          of places and sizes: logical blocks\n"
	"    --only A,B / --not A,B choose operations\n"
	"    --storage DIR          of old content: the daemon's\n";

struct settings settings = { .snapshots = 8, .writers = 4 };
static uint64_t dice;
static uint64_t hold_ns_max, hold_ns_sum;

/* The targets' paths, in an order that does not matter. */
static void shuffle(const char **paths)
{
	for (size_t i = 0; i < nr_targets; i++) {
		size_t j = random_below(&dice, i + 1);

		paths[i] = paths[j];
		paths[j] = targets[i].path;
	}
}

static void look_at_states(const struct snap *snap, const char *when)
{
	for (size_t i = 0; i < nr_targets; i++) {
		const struct snap_device *d = snap_device(snap, targets[i].rdev);

		if (strcmp(d->state, "verified"))
			finding("%s: %s: %s", targets[i].path, when, d->state);
		if (*d->error)
			finding("%s: %s: the image failed: %s", targets[i].path, when, d->error);
	}
}

static void ask_for_changes(const struct snap *snap)
{
	for (size_t i = 0; i < nr_targets; i++) {
		struct target *t = &targets[i];

		if (!t->since)
			continue;
		snap_changes(t->path, t->since, &t->before);
		snap_changes(t->path, snap_device(snap, t->rdev)->since, &t->after);
	}
}

static void read_again(const struct snap *snap, const char *when)
{
	static char *again;
	static uint64_t room_sect;

	for (size_t i = 0; i < nr_targets; i++) {
		const struct target *t = &targets[i];

		if (room_sect < t->nr_sect) {
			free(again);
			if (posix_memalign((void **)&again, 4096, t->nr_sect * SECT_BYTES))
				die("no memory");
			room_sect = t->nr_sect;
		}
		target_read(snap_device(snap, t->rdev)->image, t->nr_sect, again);
		check_same(t, again, when);
	}
}

/* The image becomes what the next one is compared with. */
static void turn_page(struct target *t, uint64_t since, bool is_far)
{
	char *ref = t->ref;

	t->ref = t->now;
	t->now = ref;
	t->since = since;
	if (is_far) {
		memcpy(t->far, t->ref, t->nr_sect * SECT_BYTES);
		t->far_since = since;
	}
}

static void check_all_changes(bool is_far)
{
	for (size_t i = 0; i < nr_targets; i++) {
		struct target *t = &targets[i];

		if (!t->since)
			continue;
		check_changes(t, t->ref, t->since, true);
		if (is_far) {
			snap_changes(t->path, t->far_since, &t->before);
			check_changes(t, t->far, t->far_since, false);
		}
	}
}

static void one_snapshot(unsigned int n)
{
	const char *paths[TARGETS_MAX];
	char error[SNAP_TEXT_MAX];
	uint32_t begin, end;
	struct snap snap;
	bool is_far = n % 5 == 4;

	shuffle(paths);
	writers_go();
	writers_await(4 + random_below(&dice, 60), 1500);
	begin = journal_moment();
	if (!snap_take(paths, nr_targets, settings.storage, &snap, error))
		die("snapshot %u was refused: %s", n, error);
	end = journal_tick();
	writers_stop_after(random_below(&dice, 40));
	hold_ns_sum += snap.hold_ns;
	if (snap.hold_ns > hold_ns_max)
		hold_ns_max = snap.hold_ns;
	look_at_states(&snap, "at once");
	ask_for_changes(&snap);
	for (size_t i = 0; i < nr_targets; i++)
		target_read(snap_device(&snap, targets[i].rdev)->image, targets[i].nr_sect, targets[i].now);
	check_content(begin, end);
	check_all_changes(is_far);
	read_again(&snap, "a moment later");
	writers_stop_after(1 + random_below(&dice, 60));
	writers_await_idle();
	read_again(&snap, "after more writes");
	snap_refresh(&snap);
	look_at_states(&snap, "in the end");
	for (size_t i = 0; i < nr_targets; i++)
		turn_page(&targets[i], snap_device(&snap, targets[i].rdev)->since, n == 0 || is_far);
	snap_destroy(&snap);
	if (tally.findings)
		die("seed %lu: snapshot %u is wrong", settings.seed, n);
}

/* Nobody writes any more: the disks themselves are held against the journal. */
static void check_origins(void)
{
	uint32_t begin = journal_moment();

	for (size_t i = 0; i < nr_targets; i++)
		target_read(targets[i].path, targets[i].nr_sect, targets[i].now);
	check_content(begin, journal_tick());
	if (tally.findings)
		die("seed %lu: a disk does not hold what was written", settings.seed);
}

static void report(void)
{
	uint64_t listed = tally.listed_blk, differing = tally.differing_blk;

	printf("operations:");
	for (size_t i = 0; i < nr_op_kinds; i++)
		if (op_kinds[i].count)
			printf(" %s %lu", op_kinds[i].name, op_kinds[i].count);
	printf("\nseed %lu snapshots %u writes %lu listed %lu differing %lu ratio %.3f missed %lu",
	       settings.seed, settings.snapshots, writers_done(), listed, differing,
	       differing ? (double)listed / (double)differing : 1, tally.missed_sect);
	printf(" hold_ms %.1f max %.1f\n", (double)hold_ns_sum / 1e6 / settings.snapshots,
	       (double)hold_ns_max / 1e6);
}

static void only(const char *names)
{
	for (size_t i = 0; i < nr_op_kinds; i++)
		op_kinds[i].off = true;
	op_kinds_choose(names, false);
}

static void take_way(struct target *last, char *text)
{
	char *colon = strrchr(text, ':');

	if (!last || !colon)
		die("--way DEV:SECTORS comes after a target");
	*colon = '\0';
	way_add(last, text, strtoll(colon + 1, NULL, 10));
}

static void take_options(int argc, char **argv)
{
	static const struct option options[] = {
		{ "target", required_argument, NULL, 't' }, { "way", required_argument, NULL, 'w' },
		{ "watch", required_argument, NULL, 'x' }, { "seed", required_argument, NULL, 's' },
		{ "snapshots", required_argument, NULL, 'n' }, { "writers", required_argument, NULL, 'j' },
		{ "align", required_argument, NULL, 'a' }, { "only", required_argument, NULL, 'o' },
		{ "not", required_argument, NULL, 'N' }, { "storage", required_argument, NULL, 'd' },
		{ 0 },
	};
	struct target *last = NULL;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (option) {
		case 't':
			last = target_add(optarg);
			way_add(last, optarg, 0);
			break;
		case 'w': take_way(last, optarg); break;
		case 'x': target_add(optarg); break;
		case 's': settings.seed = strtoull(optarg, NULL, 10); break;
		case 'n': settings.snapshots = (unsigned int)strtoul(optarg, NULL, 10); break;
		case 'j': settings.writers = (unsigned int)strtoul(optarg, NULL, 10); break;
		case 'a': settings.align_sect = (uint32_t)strtoul(optarg, NULL, 10) / SECT_BYTES; break;
		case 'o': only(optarg); break;
		case 'N': op_kinds_choose(optarg, true); break;
		case 'd': settings.storage = optarg; break;
		default: die("%s", help);
		}
	}
	if (!last || !settings.snapshots || !settings.writers || settings.writers > WRITERS_MAX)
		die("%s", help);
}

int main(int argc, char **argv)
{
	take_options(argc, argv);
	printf("seed %lu\n", settings.seed);
	dice = random_seed(settings.seed, WRITERS_MAX + 1);
	for (size_t i = 0; i < nr_targets; i++)
		writers_fill(&targets[i]);
	writers_start();
	for (unsigned int n = 0; n < settings.snapshots; n++)
		one_snapshot(n);
	writers_end();
	check_origins();
	report();
	return 0;
}
