// SPDX-License-Identifier: GPL-2.0-only
/*
 * writes DISK COUNT: COUNT O_DIRECT writes of 4 KiB to random places of DISK, one
 * after the other; prints the mean time of one in ns.  Always the same places.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	static char buf[4096] __attribute__((aligned(4096)));
	long count = argc == 3 ? atol(argv[2]) : 0, blocks;
	struct timespec begin, end;
	int fd;

	if (count <= 0) {
		fprintf(stderr, "usage: writes DISK COUNT\n");
		return 2;
	}
	fd = open(argv[1], O_RDWR | O_DIRECT | O_CLOEXEC);
	blocks = fd < 0 ? -1 : lseek(fd, 0, SEEK_END) / (long)sizeof(buf);
	if (blocks <= 0) {
		perror(argv[1]);
		return 1;
	}
	srandom(1);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (long i = 0; i < count; i++)
		if (pwrite(fd, buf, sizeof(buf), random() % blocks * sizeof(buf)) !=
		    sizeof(buf)) {
			perror("write");
			return 1;
		}
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("%ld\n", ((end.tv_sec - begin.tv_sec) * 1000000000L + end.tv_nsec - begin.tv_nsec) / count);
	return 0;
}
