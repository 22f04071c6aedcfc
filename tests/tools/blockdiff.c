// SPDX-License-Identifier: GPL-2.0-only
/*
 * blockdiff A B BLOCK_BYTES: prints the number of each block in which two files or
 * devices of the same size differ. Exits 0 if none does, 1 if one does.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static ssize_t fill(int fd, char *buf, size_t bytes)
{
	size_t done = 0;
	ssize_t got;

	while (done < bytes && (got = read(fd, buf + done, bytes - done)) != 0) {
		if (got < 0) {
			perror("read");
			exit(2);
		}
		done += got;
	}
	return done;
}

int main(int argc, char **argv)
{
	size_t bytes = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;
	char *a_buf = malloc(bytes), *b_buf = malloc(bytes);
	int a, b, differ = 0;

	if (!bytes || !a_buf || !b_buf) {
		fprintf(stderr, "usage: blockdiff A B BLOCK_BYTES\n");
		return 2;
	}
	a = open(argv[1], O_RDONLY | O_CLOEXEC);
	b = open(argv[2], O_RDONLY | O_CLOEXEC);
	if (a < 0 || b < 0) {
		perror("open");
		return 2;
	}
	for (unsigned long long n = 0;; n++) {
		ssize_t a_got = fill(a, a_buf, bytes), b_got = fill(b, b_buf, bytes);

		if (a_got != b_got) {
			fprintf(stderr, "sizes differ\n");
			return 2;
		}
		if (!a_got)
			return differ;
		if (memcmp(a_buf, b_buf, a_got)) {
			printf("%llu\n", n);
			differ = 1;
		}
	}
}
