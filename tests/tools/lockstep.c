// SPDX-License-Identifier: GPL-2.0-only
/*
 * lockstep FIRST SECOND [COUNT]  writes 1, 2, 3, ... to the first sector of both
 *                                disks, each to FIRST before SECOND, O_DIRECT
 * lockstep --show DISK           prints the number that DISK has
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SECTOR_BYTES = 512 };

static uint64_t buf[4096 / sizeof(uint64_t)] __attribute__((aligned(4096)));

static int open_disk(const char *path, int flags)
{
	int fd = open(path, flags | O_DIRECT | O_CLOEXEC);

	if (fd < 0) {
		perror(path);
		exit(1);
	}
	return fd;
}

int main(int argc, char **argv)
{
	uint64_t count = argc > 3 ? strtoull(argv[3], NULL, 10) : UINT64_MAX;
	int first, second;

	if (argc == 3 && !strcmp(argv[1], "--show")) {
		if (pread(open_disk(argv[2], O_RDONLY), buf, SECTOR_BYTES, 0) != SECTOR_BYTES) {
			perror(argv[2]);
			return 1;
		}
		printf("%llu\n", (unsigned long long)buf[0]);
		return 0;
	}
	if (argc < 3) {
		fprintf(stderr, "usage: lockstep FIRST SECOND [COUNT] | --show DISK\n");
		return 2;
	}
	first = open_disk(argv[1], O_RDWR);
	second = open_disk(argv[2], O_RDWR);
	for (uint64_t n = 1; n <= count; n++) {
		buf[0] = n;
		if (pwrite(first, buf, SECTOR_BYTES, 0) != SECTOR_BYTES ||
		    pwrite(second, buf, SECTOR_BYTES, 0) != SECTOR_BYTES) {
			perror("write");
			return 1;
		}
	}
	return 0;
}
