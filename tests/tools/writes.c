// SPDX-License-Identifier: GPL-2.0-only
/*
 * writes DISK COUNT [cpu]: COUNT O_DIRECT writes of 4 KiB to random places of DISK, one
 * after the other; prints the mean time of one in ns.  Always the same places.  With
 * "cpu", the time that this process ran: a busy machine changes it less.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	static char buf[4096] __attribute__((aligned(4096)));
	bool cpu = argc == 4 && !strcmp(argv[3], "cpu");
	long count = argc == 3 || cpu ? atol(argv[2]) : 0, blocks;
	clockid_t clock = cpu ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC;
	struct timespec begin, end;
	int fd;

	if (count <= 0) {
		fprintf(stderr, "usage: writes DISK COUNT [cpu]\n");
		return 2;
	}
	fd = open(argv[1], O_RDWR | O_DIRECT | O_CLOEXEC);
	blocks = fd < 0 ? -1 : lseek(fd, 0, SEEK_END) / (long)sizeof(buf);
	if (blocks <= 0) {
		perror(argv[1]);
		return 1;
	}
	srandom(1);
	clock_gettime(clock, &begin);
	for (long i = 0; i < count; i++)
		if (pwrite(fd, buf, sizeof(buf), random() % blocks * sizeof(buf)) !=
		    sizeof(buf)) {
			perror("write");
			return 1;
		}
	clock_gettime(clock, &end);
	printf("%ld\n", ((end.tv_sec - begin.tv_sec) * 1000000000L + end.tv_nsec - begin.tv_nsec) / count);
	return 0;
}
