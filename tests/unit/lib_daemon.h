/* SPDX-License-Identifier: GPL-2.0-only */
/* What is a daemon for tests of libbpfsnap?  One that answers from a script. */
#ifndef LIB_DAEMON_H
#define LIB_DAEMON_H

#include "unit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib.h"

#define HANG_UP		"hang up"	/* instead of a reply */
#define LEAVE		"leave"		/* before the next call */
#define PUSH		"push "		/* before a reply that nobody asked for */
#define CUT		"cut "		/* before one of which the end is missing; then it leaves */
#define FDS(n)		"fds " n " "	/* before one that brings so many handles; two digits */

#define DEVICE(size) "{\"device\":\"/dev/vda\",\"size\":" size ",\"granularity\":65536,\"generation\":\"g\"," \
	"\"cause\":\"attached\",\"began_ns\":1,\"first_epoch\":1,\"epoch\":4,\"attached_ns\":1,\"state\":\"ok\"," \
	"\"reason\":null,\"doubts\":[],\"write_bios\":1,\"write_bytes\":2,\"discard_bytes\":3,\"changed_bytes\":4," \
	"\"map_bytes\":5,\"something\":\"new\"}"

static char path[64];
static pid_t server_pid;
static int given_fd = -1;	/* what replies bring */
static int *nr_requests;
static int *nr_connections;
static int *nr_closed;
static char *last_request;	/* the beginning of it */
static struct bpfsnap *handle;

/* With so many times the handle of the test. */
static int answer(int fd, const char *reply, size_t length, size_t nr)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(16 * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (void *)reply, length };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (nr > 0) {
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(nr * sizeof(int));
		control.header = (struct cmsghdr){ .cmsg_len = CMSG_LEN(nr * sizeof(int)),
						   .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
		for (size_t i = 0; i < nr; i++)
			memcpy(CMSG_DATA(&control.header) + i * sizeof(int), &given_fd, sizeof(int));
	}
	return sendmsg(fd, &message, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

static bool take_request(int fd)
{
	size_t at = 0;
	char c;

	do {
		if (read(fd, &c, 1) != 1)
			return false;
		if (at < 2047)
			last_request[at++] = c;
	} while (c);
	__atomic_add_fetch(nr_requests, 1, __ATOMIC_SEQ_CST);
	return true;
}

static void serve_one(int fd, const char *const **script)
{
	__atomic_add_fetch(nr_connections, 1, __ATOMIC_SEQ_CST);
	while (**script && strcmp(**script, LEAVE) != 0) {
		const char *reply = **script;
		bool is_pushed = strncmp(reply, PUSH, strlen(PUSH)) == 0;
		bool is_cut;
		size_t nr = 0;

		if (!is_pushed && !take_request(fd))
			return;
		if (is_pushed)
			reply += strlen(PUSH);
		is_cut = strncmp(reply, CUT, strlen(CUT)) == 0;
		if (is_cut)
			reply += strlen(CUT);
		if (strncmp(reply, "fds ", 4) == 0) {
			nr = (size_t)strtoul(reply + 4, NULL, 10);
			reply += 7;
		}
		if (strcmp(reply, "for ever") == 0)
			reply = "{\"parameters\":{\"devices\":[" DEVICE("1048576") "]}}";
		else
			(*script)++;
		if (strcmp(reply, HANG_UP) == 0)
			return;
		if (answer(fd, reply, strlen(reply) + !is_cut, nr) < 0 || is_cut)
			return;
	}
	if (**script)
		(*script)++;
}

/* A daemon that answers the calls to come. */
static void serve(const char *const script[])
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(path, sizeof(path), "/tmp/bpfsnap-t_lib.%d", getpid());
	unlink(path);
	strcpy(address.sun_path, path);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 5), 0);
	*nr_requests = *nr_connections = *nr_closed = 0;
	server_pid = fork();
	if (server_pid == 0) {
		while (*script) {
			int fd = accept(listener, NULL, NULL);

			serve_one(fd, &script);
			close(fd);
			__atomic_add_fetch(nr_closed, 1, __ATOMIC_SEQ_CST);
		}
		_exit(0);
	}
	close(listener);
	assert_int_equal(bpfsnap_connect(path, &handle, NULL), 0);
}

#define SERVE(...)	serve((const char *const[]){ __VA_ARGS__, NULL })

static int setup(void **state)
{
	nr_requests = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (nr_requests == MAP_FAILED)
		return 1;
	nr_connections = nr_requests + 1;
	nr_closed = nr_requests + 2;
	last_request = (char *)(nr_requests + 3);
	return 0;
}

static int stop(void **state)
{
	bpfsnap_disconnect(handle);
	handle = NULL;
	if (server_pid > 0) {
		kill(server_pid, SIGKILL);
		waitpid(server_pid, NULL, 0);
		server_pid = 0;
	}
	unlink(path);
	return 0;
}

static void expect(struct bpfsnap_error *error, enum bpfsnap_reason reason, const char *name,
		   const char *object)
{
	assert_non_null(error);
	assert_int_equal(bpfsnap_error_reason(error), reason);
	assert_string_equal(bpfsnap_error_name(error), name);
	assert_string_equal(bpfsnap_error_object(error), object);
	assert_true(strlen(bpfsnap_error_message(error)) > 0);
	bpfsnap_error_free(error);
}

#endif /* LIB_DAEMON_H */
