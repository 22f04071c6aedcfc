// SPDX-License-Identifier: GPL-2.0-only
/*
 * cycles [--count N] [--storage PATH] DEVICE [SECOND]
 *
 * Takes N snapshots one after the other and destroys each at once; some take writes, some
 * are of both devices. Each must be verified and without an error; of some the image is
 * read twice.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/images.h"

enum { WRITABLE_EVERY = 10, SECOND_EVERY = 4, READ_EVERY = 25 };

static void one_cycle(const char *const *paths, size_t nr, const char *storage, uint64_t n,
		      struct images *im)
{
	const struct snap_request request = {
		.paths = paths, .nr = n % SECOND_EVERY ? 1 : nr, .storage = storage,
		.writable = n % WRITABLE_EVERY == 3,
	};
	char error[SNAP_TEXT_MAX];
	struct snap snap;

	if (!snap_take(&request, &snap, error)) {
		finding("cycle %lu: refused: %s", n, error);
		return;
	}
	images_count(&snap);
	images_states(&snap, "at once");
	if (n % READ_EVERY == 1) {
		images_read(im, &snap);
		images_read_again(im, im->now, &snap, "at once");
	}
	snap_refresh(&snap);
	images_states(&snap, "in the end");
	snap_destroy(&snap);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "count", required_argument, NULL, 'n' },
		{ "storage", required_argument, NULL, 'd' },
		{ 0 },
	};
	const char *storage = NULL, *const *paths;
	struct images im = { 0 };
	uint64_t count = 10;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (option == 'n')
			count = strtoull(optarg, NULL, 10);
		else if (option == 'd')
			storage = optarg;
		else
			die("usage: cycles [--count N] [--storage PATH] DEVICE [SECOND]");
	}
	if (argc - optind < 1 || argc - optind > 2)
		die("usage: cycles [--count N] [--storage PATH] DEVICE [SECOND]");
	paths = (const char *const *)argv + optind;
	images_init(&im, paths[0]);
	for (uint64_t n = 0; n < count && !tally.findings; n++)
		one_cycle(paths, (size_t)(argc - optind), storage, n, &im);
	printf("snapshots %lu hold_ms %.1f max %.1f\n", tally.snapshots,
	       (double)tally.hold_ns_sum / 1e6 / (double)(tally.snapshots ?: 1),
	       (double)tally.hold_ns_max / 1e6);
	return tally.findings > 0;
}
