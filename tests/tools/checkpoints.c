// SPDX-License-Identifier: GPL-2.0-only
/*
 * checkpoints SOCKET REQUEST COUNT: asks COUNT times for a checkpoint, each with a name of
 * its own, over one connection.  REQUEST is the message up to the name.  Prints how many
 * were made, and how many refused with TooManyCheckpoints; anything else is a failure.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/sock.h"

static int read_reply(int fd, char *text, size_t room)
{
	size_t n = 0;

	while (n < room && read(fd, text + n, 1) == 1)
		if (!text[n++])
			return 0;
	return -1;
}

int main(int argc, char **argv)
{
	long made = 0, refused = 0;
	char text[4096];
	int fd;

	if (argc != 4) {
		fprintf(stderr, "usage: checkpoints SOCKET REQUEST COUNT\n");
		return 2;
	}
	fd = sock_connect(argv[1]);
	for (long i = 0; i < atol(argv[3]); i++) {
		int len = snprintf(text, sizeof(text), "%s\"c%ld\"}}", argv[2], i);

		if (write(fd, text, len + 1) != len + 1 || read_reply(fd, text, sizeof(text))) {
			perror("ask");
			return 1;
		}
		if (!strstr(text, "\"error\"")) {
			made++;
		} else if (strstr(text, "TooManyCheckpoints")) {
			refused++;
		} else {
			fprintf(stderr, "%s\n", text);
			return 1;
		}
	}
	printf("%ld %ld\n", made, refused);
	return 0;
}
