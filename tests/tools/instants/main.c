// SPDX-License-Identifier: GPL-2.0-only
/*
 * instants [--seed N] [--snapshots N] FIRST SECOND
 *
 * Writers, each in a sector of its own, write 1, 2, 3, ... to both devices, each number
 * to the first one before the second. Meanwhile snapshots are taken of both. No pair of
 * images may show a number on the second device that the first does not have, nor one
 * on the first that is ahead by more than the step that the writer was in.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../lib/images.h"
#include "../lib/random.h"

enum { WRITERS = 4, WRITER_SECT = 8, READ_BYTES = WRITERS * WRITER_SECT * SECT_BYTES };

static const char *paths[2];
static uint64_t dice;

struct writer {
	pthread_t thread;
	unsigned int number;
	uint64_t written;	/* to both devices */
};

static struct writer writers[WRITERS];
static bool is_ending;

static void *aligned(size_t bytes)
{
	void *buf = NULL;

	if (posix_memalign(&buf, 4096, bytes))
		die("no memory");
	return memset(buf, 0, bytes);
}

static int open_device(const char *path, int flags)
{
	int fd = open(path, flags | O_DIRECT | O_CLOEXEC);

	if (fd < 0)
		die("%s: %s", path, strerror(errno));
	return fd;
}

static void *write_on(void *arg)
{
	struct writer *w = arg;
	uint64_t *buf = aligned(4096);
	struct iovec iov = { buf, 4096 };
	int fds[2] = { open_device(paths[0], O_RDWR), open_device(paths[1], O_RDWR) };

	for (uint64_t n = 1; !__atomic_load_n(&is_ending, __ATOMIC_RELAXED); n++) {
		buf[0] = n;
		/* Every other writer forces the unit access too. */
		for (int i = 0; i < 2; i++)
			if (pwritev2(fds[i], &iov, 1, w->number * WRITER_SECT * SECT_BYTES,
				     w->number % 2 ? RWF_DSYNC : 0) != 4096)
				die("%s: write: %s", paths[i], strerror(errno));
		__atomic_store_n(&w->written, n, __ATOMIC_RELEASE);
	}
	return NULL;
}

static uint64_t written(unsigned int number)
{
	return __atomic_load_n(&writers[number].written, __ATOMIC_ACQUIRE);
}

static void read_image(const struct snap *snap, const char *path, char *buf)
{
	int fd = open_device(snap_device(snap, rdev_of(path))->image, O_RDONLY);

	if (pread(fd, buf, READ_BYTES, 0) != READ_BYTES)
		die("image of %s: %s", path, strerror(errno));
	close(fd);
}

static uint64_t number_in(const char *buf, unsigned int writer)
{
	uint64_t n;

	memcpy(&n, buf + writer * WRITER_SECT * SECT_BYTES, sizeof(n));
	return n;
}

static void one_snapshot(uint64_t n)
{
	static char *first, *second, *again;
	unsigned int turn = (unsigned int)random_below(&dice, 2);
	unsigned int waited_for = (unsigned int)random_below(&dice, WRITERS);
	const char *ordered[2] = { paths[turn], paths[!turn] };
	const struct snap_request request = { .paths = ordered, .nr = 2 };
	uint64_t before[WRITERS], upto = written(waited_for) + 1 + random_below(&dice, 20);
	char error[SNAP_TEXT_MAX];
	struct snap snap;

	if (!first) {
		first = aligned(READ_BYTES);
		second = aligned(READ_BYTES);
		again = aligned(READ_BYTES);
	}
	while (written(waited_for) < upto)
		usleep(200);
	for (unsigned int i = 0; i < WRITERS; i++)
		before[i] = written(i);
	if (!snap_take(&request, &snap, error))
		die("snapshot %lu was refused: %s", n, error);
	images_count(&snap);
	images_states(&snap, "at once");
	read_image(&snap, paths[1], second);
	read_image(&snap, paths[0], first);
	for (unsigned int i = 0; i < WRITERS; i++) {
		uint64_t a = number_in(first, i), b = number_in(second, i);

		if (b > a || a > b + 1 || b < before[i])
			finding("snapshot %lu, writer %u: %lu and then %lu, and %lu were written before",
				n, i, a, b, before[i]);
	}
	read_image(&snap, paths[1], again);
	if (memcmp(second, again, READ_BYTES))
		finding("snapshot %lu: the image of %s has changed", n, paths[1]);
	snap_destroy(&snap);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "snapshots", required_argument, NULL, 'n' },
		{ 0 },
	};
	uint64_t snapshots = 8, sum = 0;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (option == 's')
			dice = random_seed(strtoull(optarg, NULL, 10), 0);
		else if (option == 'n')
			snapshots = strtoull(optarg, NULL, 10);
		else
			die("usage: instants [--seed N] [--snapshots N] FIRST SECOND");
	}
	if (argc - optind != 2)
		die("usage: instants [--seed N] [--snapshots N] FIRST SECOND");
	memcpy(paths, argv + optind, sizeof(paths));
	for (unsigned int i = 0; i < WRITERS; i++) {
		writers[i].number = i;
		if (pthread_create(&writers[i].thread, NULL, write_on, &writers[i]))
			die("no threads");
	}
	for (uint64_t n = 0; n < snapshots && !tally.findings; n++)
		one_snapshot(n);
	__atomic_store_n(&is_ending, true, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < WRITERS; i++) {
		pthread_join(writers[i].thread, NULL);
		sum += writers[i].written;
	}
	printf("snapshots %lu steps %lu hold_ms %.1f max %.1f\n", tally.snapshots, sum,
	       (double)tally.hold_ns_sum / 1e6 / (double)tally.snapshots,
	       (double)tally.hold_ns_max / 1e6);
	return tally.findings > 0;
}
