// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * How is a call put on the socket, and its reply taken from it?
 *
 * A message is a JSON object and a NUL byte.  Bytes behind the NUL belong to
 * the next message and stay in the buffer.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client.h"

enum { READ_BYTES = 64 << 10 };

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

/* Waits until the buffer begins with a whole message; its length without the NUL. */
static int receive_message(struct bpfsnap_conn *conn, size_t *ret_length_bytes)
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
		n = recv(conn->fd, conn->buf + conn->have_bytes,
			 conn->room_bytes - conn->have_bytes, 0);
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

/* One reply.  0, or -EREMOTEIO with the error's name and parameters. */
static int receive_reply(struct bpfsnap_conn *conn, struct json_object **ret_parameters,
			 bool *ret_continues, char **ret_error)
{
	struct json_object *message, *parameters, *error, *continues;
	size_t length_bytes = 0;
	int r;

	r = receive_message(conn, &length_bytes);
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

int bpfsnap_call(struct bpfsnap_conn *conn, const char *method,
		 struct json_object *parameters,
		 struct json_object **ret_parameters, char **ret_error)
{
	bool continues;
	int r;

	if (conn->broken)
		return -ENOTCONN;
	r = send_call(conn, method, parameters, false);
	if (r < 0)
		return r;
	r = receive_reply(conn, ret_parameters, &continues, ret_error);
	if (r == 0 && continues) {	/* a stream that nobody asked for */
		json_object_put(*ret_parameters);
		*ret_parameters = NULL;
		conn->broken = true;
		return -EBADMSG;
	}
	return r;
}

int bpfsnap_call_more(struct bpfsnap_conn *conn, const char *method,
		      struct json_object *parameters,
		      bpfsnap_reply_fn on_reply, void *data,
		      struct json_object **ret_parameters, char **ret_error)
{
	bool continues = true;
	int r;

	if (conn->broken)
		return -ENOTCONN;
	r = send_call(conn, method, parameters, true);
	while (r == 0 && continues) {
		struct json_object *reply;

		r = receive_reply(conn, &reply, &continues, ret_error);
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
