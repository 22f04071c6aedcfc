// SPDX-License-Identifier: GPL-2.0-only
/*
 * writes DISK COUNT [BYTES]: COUNT O_DIRECT writes of 4 KiB, or BYTES, to random places of
 * DISK, one after the other; prints the mean time of one in ns.  Always the same places.
 * Of a hundred parts of the way the fastest is told: whatever else the machine does only adds to it.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { PARTS = 100 };

int main(int argc, char **argv)
{
	static char buf[1 << 20] __attribute__((aligned(4096)));
	long count = argc >= 3 ? atol(argv[2]) : 0, blocks;
	size_t bytes = argc == 4 ? (size_t)atol(argv[3]) : 4096;
	long best = LONG_MAX;
	struct timespec begin, end;
	int fd;

	if (count <= 0 || bytes == 0 || bytes > sizeof(buf) || argc > 4) {
		fprintf(stderr, "usage: writes DISK COUNT [BYTES]\n");
		return 2;
	}
	fd = open(argv[1], O_RDWR | O_DIRECT | O_CLOEXEC);
	blocks = fd < 0 ? -1 : lseek(fd, 0, SEEK_END) / (long)bytes;
	if (blocks <= 0) {
		perror(argv[1]);
		return 1;
	}
	srandom(1);
	for (long part = 0; part < PARTS; part++) {
		long nr = count * (part + 1) / PARTS - count * part / PARTS, ns;

		clock_gettime(CLOCK_MONOTONIC, &begin);
		for (long i = 0; i < nr; i++)
			if (pwrite(fd, buf, bytes, random() % blocks * (long)bytes) !=
			    (ssize_t)bytes) {
				perror("write");
				return 1;
			}
		clock_gettime(CLOCK_MONOTONIC, &end);
		ns = (end.tv_sec - begin.tv_sec) * 1000000000L + end.tv_nsec - begin.tv_nsec;
		if (nr && ns / nr < best)
			best = ns / nr;
	}
	printf("%ld\n", best);
	return 0;
}
