// SPDX-License-Identifier: GPL-2.0-only
/*
 * What goes on between the daemon and one client?
 */
#include "connection.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum {
	IN_ROOM_BYTES = VARLINK_MESSAGE_MAX_BYTES + 4096,
	IN_STEP_BYTES = 65536,
};

/**
 * struct connection - one client
 * @in: bytes received and not yet dealt with
 * @message_bytes: of the whole message that @in begins with, if @has_message
 * @out: the reply on its way; @out_sent_bytes of it are gone
 * @terminator: that the client's last message ended with
 * @is_at_end: the client will say no more
 * @is_broken: after @out nothing follows, since what came could not be understood
 */
struct connection {
	struct daemon *daemon;
	int fd;
	char *in;
	size_t in_bytes, in_room_bytes;
	struct varlink_framer framer;
	size_t message_bytes;
	bool has_message;
	char *out;
	size_t out_bytes, out_sent_bytes;
	struct stream stream;
	char terminator;
	bool is_at_end;
	bool is_broken;
};

int connection_new(struct daemon *daemon, int fd, struct connection **ret_connection)
{
	struct connection *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->daemon = daemon;
	c->fd = fd;
	*ret_connection = c;
	return 0;
}

static void end_stream(struct connection *c)
{
	if (c->stream.free)
		c->stream.free(c->stream.state);
	c->stream = (struct stream){ 0 };
}

void connection_free(struct connection *c)
{
	if (!c)
		return;
	end_stream(c);
	close(c->fd);
	free(c->in);
	free(c->out);
	free(c);
}

int connection_fd(const struct connection *c)
{
	return c->fd;
}

static bool wants_input(const struct connection *c)
{
	return !c->is_at_end && !c->is_broken && !c->has_message && !c->stream.next && !c->out &&
	       c->in_bytes < IN_ROOM_BYTES;
}

/* With work left and nothing to send we wait to be able to send: that is at once. */
uint32_t connection_events(const struct connection *c)
{
	return wants_input(c) ? EPOLLIN : EPOLLOUT;
}

static int reserve(struct connection *c)
{
	char *in;

	if (c->in_room_bytes - c->in_bytes >= IN_STEP_BYTES || c->in_room_bytes >= IN_ROOM_BYTES)
		return 0;
	in = realloc(c->in, c->in_room_bytes + IN_STEP_BYTES);
	if (!in)
		return -ENOMEM;
	c->in = in;
	c->in_room_bytes += IN_STEP_BYTES;
	return 0;
}

static int receive(struct connection *c)
{
	ssize_t n;
	int r;

	r = reserve(c);
	if (r < 0)
		return r;
	n = recv(c->fd, c->in + c->in_bytes, c->in_room_bytes - c->in_bytes, 0);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		c->is_at_end = true;
	c->in_bytes += (size_t)n;
	return 0;
}

static int transmit(struct connection *c)
{
	ssize_t n;

	n = send(c->fd, c->out + c->out_sent_bytes, c->out_bytes - c->out_sent_bytes, MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	c->out_sent_bytes += (size_t)n;
	if (c->out_sent_bytes < c->out_bytes)
		return 0;
	free(TAKE_PTR(c->out));
	c->out_bytes = c->out_sent_bytes = 0;
	return 0;
}

static int put(struct connection *c, struct json_object *message)
{
	int r;

	r = varlink_encode(message, c->terminator, &c->out, &c->out_bytes);
	json_object_put(message);
	if (r >= 0 && c->out_bytes > CONNECTION_OUT_MAX_BYTES)
		return -EMSGSIZE;
	return r;
}

static int refuse(struct connection *c)
{
	_cleanup_(fault_done) struct fault fault = { 0 };

	c->is_broken = true;
	fault_service(&fault, REASON_INVALID_PARAMETER, "message");
	return put(c, varlink_error(reason_name(fault.reason), TAKE_PTR(fault.parameters)));
}

static int find_message(struct connection *c)
{
	int r;

	if (c->has_message)
		return 0;
	r = varlink_frame(&c->framer, c->in, c->in_bytes, &c->message_bytes, &c->terminator);
	if (r < 0)
		return refuse(c);
	c->has_message = r > 0;
	return 0;
}

static void drop_message(struct connection *c)
{
	size_t used = c->message_bytes + 1;

	memmove(c->in, c->in + used, c->in_bytes - used);
	c->in_bytes -= used;
	c->has_message = false;
}

static int answer(struct connection *c)
{
	_cleanup_(varlink_request_done) struct varlink_request request = { 0 };
	_cleanup_(json_putp) struct json_object *reply = NULL;
	int r;

	r = varlink_parse(c->in, c->message_bytes, &request);
	drop_message(c);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return refuse(c);
	methods_dispatch(c->daemon, &request, &reply, &c->stream);
	if (request.oneway) {
		end_stream(c);
		return 0;
	}
	return reply ? put(c, TAKE_PTR(reply)) : 0;
}

static int go_on(struct connection *c)
{
	struct json_object *message;
	bool continues;

	message = methods_stream_next(&c->stream, &continues);
	if (!continues)
		end_stream(c);
	return put(c, message);
}

int connection_serve(struct connection *c, uint32_t events)
{
	int r = 0;

	if (wants_input(c) && (events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP)))
		r = receive(c);
	else if (c->out)
		r = transmit(c);
	else if (c->stream.next)
		r = go_on(c);
	else if (c->has_message)
		r = answer(c);
	if (r < 0)
		return r;
	if (!c->out && !c->stream.next && !c->is_broken) {
		r = find_message(c);
		if (r < 0)
			return r;
	}
	if (!c->out && !c->stream.next && !c->has_message && (c->is_at_end || c->is_broken))
		return -ENOTCONN;
	return 0;
}
