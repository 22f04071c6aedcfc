// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * How is a call put on the socket, and its reply taken from it?
 *
 * A message is a JSON object and a NUL byte.  Bytes behind the NUL belong to
 * the next message and stay in the buffer.
 */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "client.h"

enum {
	READ_BYTES = 64 << 10,
	HANDLES_MAX = 8,	/* with one message */
};

/**
 * struct handles - file descriptors that came with a reply
 * @is_short: there was no room in this process for all of them
 * @is_over: there were more than a message may have
 */
struct handles {
	int items[HANDLES_MAX];
	size_t nr;
	bool is_short;
	bool is_over;
};

struct bpfsnap_conn {
	int fd;
	bool broken;
	char *buf;
	size_t room_bytes;	/* size of buf */
	size_t have_bytes;	/* received and not yet consumed */
	size_t seen_bytes;	/* of those, known to hold no NUL */
};

int bpfsnap_open(const char *socket_path, struct bpfsnap_conn **ret_conn)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct bpfsnap_conn *conn;
	int r;

	if (!socket_path || !*socket_path)
		socket_path = getenv(BPFSNAP_SOCKET_ENV);
	if (!socket_path || !*socket_path)
		socket_path = BPFSNAP_SOCKET_PATH;
	if (strlen(socket_path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, socket_path);

	conn = calloc(1, sizeof(*conn));
	if (!conn)
		return -ENOMEM;
	conn->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (conn->fd < 0)
		goto undo;
	while (connect(conn->fd, (struct sockaddr *)&addr, sizeof(addr))) {
		if (errno != EINTR)
			goto undo;
	}
	*ret_conn = conn;
	return 0;

undo:
	r = -errno;
	bpfsnap_close(conn);
	return r;
}

struct bpfsnap_conn *bpfsnap_close(struct bpfsnap_conn *conn)
{
	if (!conn)
		return NULL;
	if (conn->fd >= 0)
		close(conn->fd);
	free(conn->buf);
	free(conn);
	return NULL;
}

static int send_bytes(struct bpfsnap_conn *conn, const char *data, size_t length_bytes)
{
	while (length_bytes) {
		ssize_t n = send(conn->fd, data, length_bytes, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		length_bytes -= n;
	}
	return 0;
}

static int send_call(struct bpfsnap_conn *conn, const char *method,
		     struct json_object *parameters, bool more)
{
	struct json_object *call = json_object_new_object();
	const char *text;
	size_t length_bytes;
	int r;

	if (!call)
		return -ENOMEM;
	json_object_object_add(call, "method", json_object_new_string(method));
	if (parameters)
		json_object_object_add(call, "parameters", json_object_get(parameters));
	if (more)
		json_object_object_add(call, "more", json_object_new_boolean(true));
	text = json_object_to_json_string_length(call, JSON_C_TO_STRING_PLAIN |
						 JSON_C_TO_STRING_NOSLASHESCAPE,
						 &length_bytes);
	if (text) {
		r = send_bytes(conn, text, length_bytes + 1);
		conn->broken = r < 0;
	} else {
		r = -ENOMEM;
	}
	json_object_put(call);
	return r;
}

static int grow(struct bpfsnap_conn *conn)
{
	size_t room_bytes = conn->room_bytes ? conn->room_bytes * 2 : READ_BYTES;
	char *buf;

	if (conn->have_bytes > BPFSNAP_REPLY_MAX_BYTES)
		return -EMSGSIZE;
	buf = realloc(conn->buf, room_bytes);
	if (!buf)
		return -ENOMEM;
	conn->buf = buf;
	conn->room_bytes = room_bytes;
	return 0;
}

int64_t bpfsnap_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Until there is something to receive, or @until_ms; that is -1 for ever. */
static int wait_input(const struct bpfsnap_conn *conn, int64_t until_ms)
{
	struct pollfd p = { .fd = conn->fd, .events = POLLIN };
	int r;

	if (until_ms < 0)
		return 0;
	do {
		int64_t left_ms = until_ms - bpfsnap_now_ms();

		r = poll(&p, 1, left_ms > 0 ? (int)left_ms : 0);
	} while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r == 0 ? -ETIMEDOUT : 0;
}

static void close_handles(struct handles *handles)
{
	while (handles->nr > 0)
		close(handles->items[--handles->nr]);
}

/* The kernel closes what a caller that wants no handles gets. */
static ssize_t receive_bytes(struct bpfsnap_conn *conn, struct handles *handles)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(HANDLES_MAX * sizeof(int))];
	} control;
	struct iovec iov = { conn->buf + conn->have_bytes, conn->room_bytes - conn->have_bytes };
	struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1 };
	bool is_cut = false;
	size_t nr = 0;
	ssize_t n;

	if (handles) {
		header.msg_control = &control;
		header.msg_controllen = CMSG_LEN(HANDLES_MAX * sizeof(int));
	}
	n = recvmsg(conn->fd, &header, MSG_CMSG_CLOEXEC);
	if (n < 0 || !handles)
		return n;
	is_cut = header.msg_flags & MSG_CTRUNC;
	for (struct cmsghdr *m = CMSG_FIRSTHDR(&header); m; m = CMSG_NXTHDR(&header, m)) {
		if (m->cmsg_level != SOL_SOCKET || m->cmsg_type != SCM_RIGHTS)
			continue;
		nr = (m->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < nr; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(m) + i * sizeof(fd), sizeof(fd));
			if (handles->nr < HANDLES_MAX) {
				handles->items[handles->nr++] = fd;
			} else {
				close(fd);
				handles->is_over = true;
			}
		}
	}
	/* Cut off though there was room here: it was the process that had none. */
	handles->is_short |= is_cut && nr < HANDLES_MAX;
	handles->is_over |= is_cut && nr == HANDLES_MAX;
	return n;
}

/* Waits until the buffer begins with a whole message; its length without the NUL. */
static int receive_message(struct bpfsnap_conn *conn, int64_t until_ms, struct handles *handles,
			   size_t *ret_length_bytes)
{
	for (;;) {
		char *end = conn->buf ? memchr(conn->buf + conn->seen_bytes, 0,
					       conn->have_bytes - conn->seen_bytes) : NULL;
		ssize_t n;
		int r;

		if (end) {
			*ret_length_bytes = end - conn->buf;
			return *ret_length_bytes > BPFSNAP_REPLY_MAX_BYTES ? -EMSGSIZE : 0;
		}
		conn->seen_bytes = conn->have_bytes;
		if (conn->have_bytes == conn->room_bytes) {
			r = grow(conn);
			if (r < 0)
				return r;
		}
		r = wait_input(conn, until_ms);
		if (r < 0)
			return r;
		n = receive_bytes(conn, handles);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ECONNRESET;
		conn->have_bytes += n;
	}
}

static void consume_message(struct bpfsnap_conn *conn, size_t length_bytes)
{
	conn->have_bytes -= length_bytes + 1;
	conn->seen_bytes = 0;
	memmove(conn->buf, conn->buf + length_bytes + 1, conn->have_bytes);
}

static int parse_message(const char *text, size_t length_bytes, struct json_object **ret_message)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *message;
	bool whole;

	if (!tokener)
		return -ENOMEM;
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	/* The NUL is parsed too: it ends a message that is a bare number. */
	message = json_tokener_parse_ex(tokener, text, length_bytes + 1);
	whole = json_tokener_get_error(tokener) == json_tokener_success &&
		json_tokener_get_parse_end(tokener) >= length_bytes;
	json_tokener_free(tokener);
	if (!whole || !json_object_is_type(message, json_type_object)) {
		json_object_put(message);
		return -EBADMSG;
	}
	*ret_message = message;
	return 0;
}

/* One reply.  0, or -EREMOTEIO with the error's name and parameters, or -ETIMEDOUT. */
static int receive_reply(struct bpfsnap_conn *conn, int64_t until_ms, struct handles *handles,
			 struct json_object **ret_parameters, bool *ret_continues, char **ret_error)
{
	struct json_object *message, *parameters, *error, *continues;
	size_t length_bytes = 0;
	int r;

	r = receive_message(conn, until_ms, handles, &length_bytes);
	if (r == -ETIMEDOUT)	/* what has come stays in the buffer */
		return r;
	if (r < 0)
		goto undo_conn;
	r = parse_message(conn->buf, length_bytes, &message);
	if (r < 0)
		goto undo_conn;
	consume_message(conn, length_bytes);

	r = -EBADMSG;
	parameters = json_object_object_get(message, "parameters");
	error = json_object_object_get(message, "error");
	continues = json_object_object_get(message, "continues");
	if (parameters && !json_object_is_type(parameters, json_type_object))
		goto undo_message;
	if (error && !json_object_is_type(error, json_type_string))
		goto undo_message;
	if (continues && !json_object_is_type(continues, json_type_boolean))
		goto undo_message;

	r = -ENOMEM;
	parameters = parameters ? json_object_get(parameters) : json_object_new_object();
	if (!parameters)
		goto undo_message;
	*ret_continues = json_object_get_boolean(continues);
	if (error) {
		*ret_error = strdup(json_object_get_string(error));
		if (!*ret_error) {
			json_object_put(parameters);
			goto undo_message;
		}
	}
	*ret_parameters = parameters;
	json_object_put(message);
	return error ? -EREMOTEIO : 0;

undo_message:
	json_object_put(message);
undo_conn:
	conn->broken = true;
	return r;
}

static int call(struct bpfsnap_conn *conn, const char *method, struct json_object *parameters,
		struct handles *handles, struct json_object **ret_parameters, char **ret_error)
{
	bool continues;
	int r;

	if (conn->broken)
		return -ENOTCONN;
	r = send_call(conn, method, parameters, false);
	if (r < 0)
		return r;
	r = receive_reply(conn, -1, handles, ret_parameters, &continues, ret_error);
	if (r == 0 && continues) {	/* a stream that nobody asked for */
		json_object_put(*ret_parameters);
		*ret_parameters = NULL;
		conn->broken = true;
		return -EBADMSG;
	}
	return r;
}

int bpfsnap_call(struct bpfsnap_conn *conn, const char *method,
		 struct json_object *parameters,
		 struct json_object **ret_parameters, char **ret_error)
{
	return call(conn, method, parameters, NULL, ret_parameters, ret_error);
}

/* The one handle that @reply speaks of. */
static int take_handle(struct handles *handles, struct json_object *reply, const char *member,
		       int *ret_handle)
{
	struct json_object *place = json_object_object_get(reply, member);

	if (handles->is_short)
		return -EMFILE;
	if (handles->nr != 1 || handles->is_over || !json_object_is_type(place, json_type_int) ||
	    json_object_get_int64(place) != 0)
		return -EBADMSG;
	*ret_handle = handles->items[0];
	handles->nr = 0;
	return 0;
}

int bpfsnap_call_handle(struct bpfsnap_conn *conn, const char *method,
			struct json_object *parameters, const char *member, int *ret_handle,
			struct json_object **ret_parameters, char **ret_error)
{
	struct handles handles = { .nr = 0 };
	int r;

	*ret_handle = -1;
	r = call(conn, method, parameters, &handles, ret_parameters, ret_error);
	if (r == 0) {
		r = take_handle(&handles, *ret_parameters, member, ret_handle);
		if (r < 0) {
			json_object_put(*ret_parameters);
			*ret_parameters = NULL;
			conn->broken = r == -EBADMSG;
		}
	}
	close_handles(&handles);
	return r;
}

int bpfsnap_fd(const struct bpfsnap_conn *conn)
{
	return conn->fd;
}

int bpfsnap_more_begin(struct bpfsnap_conn *conn, const char *method,
		       struct json_object *parameters)
{
	return conn->broken ? -ENOTCONN : send_call(conn, method, parameters, true);
}

int bpfsnap_more_next(struct bpfsnap_conn *conn, int timeout_ms,
		      struct json_object **ret_parameters, bool *ret_continues, char **ret_error)
{
	if (conn->broken)
		return -ENOTCONN;
	return receive_reply(conn, timeout_ms < 0 ? -1 : bpfsnap_now_ms() + timeout_ms, NULL, ret_parameters,
			     ret_continues, ret_error);
}

int bpfsnap_call_more(struct bpfsnap_conn *conn, const char *method,
		      struct json_object *parameters,
		      bpfsnap_reply_fn on_reply, void *data,
		      struct json_object **ret_parameters, char **ret_error)
{
	bool continues = true;
	int r;

	r = bpfsnap_more_begin(conn, method, parameters);
	while (r == 0 && continues) {
		struct json_object *reply;

		r = bpfsnap_more_next(conn, -1, &reply, &continues, ret_error);
		if (r == -EREMOTEIO)
			*ret_parameters = reply;
		if (r < 0)
			return r;
		r = on_reply(reply, data);
		json_object_put(reply);
		if (r < 0)
			conn->broken = true;
	}
	return r;
}
