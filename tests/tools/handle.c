// SPDX-License-Identifier: GPL-2.0-only
/*
 * handle SOCKET REQUEST [-g PATH | -i NUMBER]... [-r USER_ID] [-q MILLISECONDS] [COMMAND...]
 *	- handles to the daemon and back
 *
 * Sends the request with handles of the paths (directories as they are, others open for reading
 * and writing), or with those that it was started with, and prints the reply. With a command: becomes that user, and runs the command
 * with the first handle that came with the reply as its standard input, and with nothing else.
 * With -q: leaves after that time, and reads nothing.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/sock.h"

enum { HANDLES_MAX = 8, ROOM = 1 << 20 };

static void request(int fd, const char *text, const int *handles, size_t nr)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(HANDLES_MAX * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (void *)text, strlen(text) + 1 };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (nr > 0) {
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(nr * sizeof(int));
		control.header.cmsg_len = CMSG_LEN(nr * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		memcpy(CMSG_DATA(&control.header), handles, nr * sizeof(int));
	}
	if (sendmsg(fd, &message, 0) < 0) {
		perror("sendmsg");
		exit(2);
	}
}

/* Return: the first handle that came, or -1. */
static int reply(int fd)
{
	static char buf[ROOM];
	size_t have = 0;
	int got = -1;

	while (have < ROOM - 1 && !memchr(buf, 0, have)) {
		union {
			struct cmsghdr header;
			char bytes[CMSG_SPACE(HANDLES_MAX * sizeof(int))];
		} control;
		struct iovec iov = { buf + have, ROOM - 1 - have };
		struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1,
					  .msg_control = &control,
					  .msg_controllen = sizeof(control) };
		ssize_t n = recvmsg(fd, &message, 0);
		struct cmsghdr *m = CMSG_FIRSTHDR(&message);

		if (n <= 0)
			break;
		have += (size_t)n;
		if (m && m->cmsg_type == SCM_RIGHTS && got < 0)
			memcpy(&got, CMSG_DATA(m), sizeof(got));
	}
	puts(buf);
	fflush(stdout);
	return got;
}

int main(int argc, char *argv[])
{
	int handles[HANDLES_MAX], option, got, fd;
	uid_t uid = 0;
	size_t nr = 0;
	int quits_ms = -1;

	if (argc < 3)
		return 2;
	optind = 3;
	while ((option = getopt(argc, argv, "+g:i:r:q:")) > 0) {
		if (option == 'r') {
			uid = (uid_t)atoi(optarg);
			continue;
		}
		if (option == 'q') {
			quits_ms = atoi(optarg);
			continue;
		}
		if ((option != 'g' && option != 'i') || nr == HANDLES_MAX)
			return 2;
		if (option == 'i') {
			handles[nr++] = atoi(optarg);
			continue;
		}
		handles[nr] = open(optarg, O_RDWR | O_CLOEXEC);
		if (handles[nr] < 0)
			handles[nr] = open(optarg, O_RDONLY | O_CLOEXEC);
		if (handles[nr++] < 0) {
			perror(optarg);
			return 2;
		}
	}
	fd = sock_connect(argv[1]);
	request(fd, argv[2], handles, nr);
	if (quits_ms >= 0) {
		usleep((useconds_t)quits_ms * 1000);
		return 0;
	}
	got = reply(fd);
	close(fd);
	if (optind == argc)
		return 0;
	if (got < 0 || dup2(got, 0) < 0)
		return 3;
	if (uid && (setgid(uid) < 0 || setuid(uid) < 0))
		return 2;
	execvp(argv[optind], argv + optind);
	return 127;
}
