// SPDX-License-Identifier: GPL-2.0-only
/*
 * filestorm: changes files of a mounted filesystem in all ways, takes snapshots of its
 * device, and holds the files of each image against what they must be.
 */
#include "filestorm.h"

#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
	"usage: filestorm [options] DEVICE DIR TYPE\n"
	"  DEVICE is attached, and mounted on DIR; TYPE is ext4 or xfs\n"
	"    --seed N\n"
	"    --snapshots N          8\n"
	"    --writers N            4, whose files are held against a reference\n"
	"    --stressers N          2, that change names only\n"
	"    --storage PATH, --limit BYTES   of old content: the daemon's\n";

struct settings settings = { .snapshots = 8, .writers = 4, .stressers = 2 };
static struct writer writers[WRITERS_MAX];
static pthread_t threads[2 * WRITERS_MAX];
static struct images disk;
static uint64_t dice;

/* The image as it was read, in a file. */
static const char *copied(void)
{
	static const char path[] = "/run/lab/copy";
	FILE *f = fopen(path, "we");

	if (!f || fwrite(disk.now, SECT_BYTES, disk.nr_sect, f) != disk.nr_sect || fclose(f))
		die("%s: cannot be written", path);
	return path;
}

static void one_snapshot(void)
{
	const struct snap_request request = {
		.paths = &settings.device, .nr = 1, .storage = settings.storage,
		.limit_bytes = settings.limit_bytes, .writable = tally.snapshots % 2,
	};
	uint32_t done[WRITERS_MAX], begun[WRITERS_MAX];
	char error[SNAP_TEXT_MAX];
	const char *image;
	struct snap snap;

	pace_go();
	pace_await(10 + random_below(&dice, 60), 3000);
	for (unsigned int i = 0; i < settings.writers; i++)
		done[i] = __atomic_load_n(&writers[i].done, __ATOMIC_SEQ_CST);
	if (!snap_take(&request, &snap, error))
		die("snapshot %lu was refused: %s", tally.snapshots, error);
	for (unsigned int i = 0; i < settings.writers; i++)
		begun[i] = __atomic_load_n(&writers[i].begun, __ATOMIC_SEQ_CST);
	pace_stop_after(random_below(&dice, 60));
	image = snap_device(&snap, disk.rdev)->image;
	images_count(&snap);
	images_states(&snap, "at once");
	images_ask(&disk, &snap);
	images_read(&disk, &snap);
	images_check(&disk);
	look_at_files(image, writers, done, begun);
	look_check_frozen(image);
	pace_stop_after(20 + random_below(&dice, 60));
	pace_await_idle();
	images_read_again(&disk, disk.now, &snap, "after more writes");
	look_at_files(image, writers, done, begun);
	look_at_replayed(request.writable ? image : copied(), writers, done, begun);
	snap_refresh(&snap);
	images_states(&snap, "in the end");
	images_turn(&disk, &snap);
	snap_destroy(&snap);
	if (tally.findings)
		die("seed %lu: snapshot %lu is wrong", settings.seed, tally.snapshots - 1);
}

static void take_options(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "snapshots", required_argument, NULL, 'n' },
		{ "writers", required_argument, NULL, 'j' },
		{ "stressers", required_argument, NULL, 'x' },
		{ "storage", required_argument, NULL, 'd' },
		{ "limit", required_argument, NULL, 'l' },
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (option) {
		case 's': settings.seed = strtoull(optarg, NULL, 10); break;
		case 'n': settings.snapshots = (unsigned int)strtoul(optarg, NULL, 10); break;
		case 'j': settings.writers = (unsigned int)strtoul(optarg, NULL, 10); break;
		case 'x': settings.stressers = (unsigned int)strtoul(optarg, NULL, 10); break;
		case 'd': settings.storage = optarg; break;
		case 'l': settings.limit_bytes = strtoull(optarg, NULL, 10); break;
		default: die("%s", help);
		}
	}
	if (argc - optind != 3 || settings.writers > WRITERS_MAX || settings.stressers > WRITERS_MAX)
		die("%s", help);
	settings.device = argv[optind];
	settings.dir = argv[optind + 1];
	settings.type = argv[optind + 2];
}

int main(int argc, char **argv)
{
	unsigned int i;

	take_options(argc, argv);
	printf("seed %lu\n", settings.seed);
	dice = random_seed(settings.seed, 3 * WRITERS_MAX);
	images_init(&disk, settings.device);
	for (i = 0; i < settings.writers; i++)
		writer_init(&writers[i], i);
	for (i = 0; i < settings.writers; i++)
		pthread_create(&threads[i], NULL, writer_run, &writers[i]);
	for (unsigned int j = 0; j < settings.stressers; j++)
		pthread_create(&threads[i++], NULL, stress_run, (void *)(uintptr_t)j);
	for (unsigned int n = 0; n < settings.snapshots; n++)
		one_snapshot();
	pace_end();
	while (i--)
		pthread_join(threads[i], NULL);
	look_at_live(writers);
	printf("changes:");
	for (unsigned int kind = 0; kind < CHANGES; kind++) {
		uint64_t sum = 0;

		for (unsigned int j = 0; j < settings.writers; j++)
			sum += writers[j].counts[kind];
		printf(" %s %lu", change_names[kind], sum);
	}
	printf("\nseed %lu steps %lu ", settings.seed, pace_steps());
	tally_print();
	putchar('\n');
	return tally.findings > 0;
}
