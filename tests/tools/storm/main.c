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
	"    --storage PATH         of old content: the daemon's\n"
	"    --memory BYTES, --limit BYTES   of old content: the daemon's\n"
	"    --held N               so many snapshots at once: 1\n";

struct settings settings = { .snapshots = 8, .writers = 4, .held = 1 };
static uint64_t dice;

/* The targets' paths, in an order that does not matter. */
static void shuffle(const char **paths)
{
	for (size_t i = 0; i < nr_targets; i++) {
		size_t j = random_below(&dice, i + 1);

		paths[i] = paths[j];
		paths[j] = targets[i].im.path;
	}
}

static void one_snapshot(unsigned int n)
{
	const char *paths[TARGETS_MAX];
	const struct snap_request request = {
		.paths = paths, .nr = nr_targets, .storage = settings.storage,
		.memory_bytes = settings.memory_bytes, .limit_bytes = settings.limit_bytes,
	};
	char error[SNAP_TEXT_MAX];
	uint32_t begin, end;
	struct snap snap;

	shuffle(paths);
	pace_go();
	pace_await(4 + random_below(&dice, 60), 1500);
	begin = journal_moment();
	if (!snap_take(&request, &snap, error))
		die("snapshot %u was refused: %s", n, error);
	end = journal_tick();
	pace_stop_after(random_below(&dice, 40));
	images_count(&snap);
	images_states(&snap, "at once");
	for (size_t i = 0; i < nr_targets; i++)
		images_ask(&targets[i].im, &snap);
	for (size_t i = 0; i < nr_targets; i++)
		images_read(&targets[i].im, &snap);
	check_content(begin, end);
	for (size_t i = 0; i < nr_targets; i++)
		images_check(&targets[i].im);
	for (size_t i = 0; i < nr_targets; i++)
		images_read_again(&targets[i].im, targets[i].im.now, &snap, "a moment later");
	pace_stop_after(1 + random_below(&dice, 60));
	pace_await_idle();
	held_add(&snap);
	for (size_t i = 0; i < nr_targets; i++)
		images_turn(&targets[i].im, &snap);
	if (tally.findings)
		die("seed %lu: snapshot %u is wrong", settings.seed, n);
}

/* Nobody writes any more: the disks themselves are held against the journal. */
static void check_origins(void)
{
	uint32_t begin = journal_moment();

	for (size_t i = 0; i < nr_targets; i++)
		device_read(targets[i].im.path, targets[i].im.nr_sect, targets[i].im.now);
	check_content(begin, journal_tick());
	if (tally.findings)
		die("seed %lu: a disk does not hold what was written", settings.seed);
}

static void report(void)
{
	printf("operations:");
	for (size_t i = 0; i < nr_op_kinds; i++)
		if (op_kinds[i].count)
			printf(" %s %lu", op_kinds[i].name, op_kinds[i].count);
	printf("\nseed %lu writes %lu ", settings.seed, pace_steps());
	tally_print();
	putchar('\n');
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
		{ "memory", required_argument, NULL, 'm' }, { "limit", required_argument, NULL, 'l' },
		{ "held", required_argument, NULL, 'h' }, { 0 },
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
		case 'm': settings.memory_bytes = strtoull(optarg, NULL, 10); break;
		case 'l': settings.limit_bytes = strtoull(optarg, NULL, 10); break;
		case 'h': settings.held = (unsigned int)strtoul(optarg, NULL, 10); break;
		default: die("%s", help);
		}
	}
	if (!last || !settings.snapshots || settings.writers - 1 >= WRITERS_MAX ||
	    settings.held - 1 >= HELD_MAX)
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
	held_end();
	writers_end();
	check_origins();
	report();
	return 0;
}
