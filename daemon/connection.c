// SPDX-License-Identifier: GPL-2.0-only
/*
 * What goes on between the daemon and one client?
 */
#include "connection.h"

#include <errno.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "held.h"

enum {
	IN_ROOM_BYTES = VARLINK_MESSAGE_MAX_BYTES + 4096,
	IN_STEP_BYTES = 65536,
	IN_FDS_MAX = 2 * FDS_MAX,
};

/**
 * struct connection - one client
 * @in: bytes received and not yet dealt with
 * @in_fds: handles received with them; each belongs to the message that has the byte before
 *          @end_bytes
 * @message_bytes: of the whole message that @in begins with, if @has_message
 * @out: the reply on its way; @out_sent_bytes of it are gone, @out_fds go with its first byte
 * @job: what a worker does for the client
 * @is_idle: @stream has nothing to say yet
 * @terminator: that the client's last message ended with
 * @guarded: snapshot to destroy if the last reply is not received, or empty
 * @is_at_end: the client will say no more
 * @is_reset: the kernel told, once, that the client left something unread
 * @is_broken: after @out nothing follows, since what came could not be understood
 */
struct connection {
	struct daemon *daemon;
	int fd;
	struct peer peer;
	char *in;
	size_t in_bytes, in_room_bytes;
	struct {
		int fd;
		size_t end_bytes;
	} in_fds[IN_FDS_MAX];
	size_t nr_in_fds;
	struct varlink_framer framer;
	size_t message_bytes;
	bool has_message;
	char *out;
	size_t out_bytes, out_sent_bytes;
	struct fds out_fds;
	struct job *job;
	struct stream stream;
	bool is_idle;
	char terminator;
	char guarded[37];
	bool is_at_end;
	bool is_reset;
	bool is_broken;
};

int connection_new(struct daemon *daemon, int fd, const struct peer *peer,
		   struct connection **ret_connection)
{
	struct connection *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->daemon = daemon;
	c->fd = fd;
	c->peer = *peer;
	*ret_connection = c;
	return 0;
}

static void end_stream(struct connection *c)
{
	if (c->stream.free)
		c->stream.free(c->stream.state);
	c->stream = (struct stream){ 0 };
	c->is_idle = false;
}

/* All that was sent has been fetched from the socket. */
static bool is_received(const struct connection *c)
{
	int waiting_bytes = 0;

	return !c->out && ioctl(c->fd, SIOCOUTQ, &waiting_bytes) == 0 && waiting_bytes == 0;
}

/* The kernel says whether a client that is gone has left something unread. */
static bool is_lost(const struct connection *c)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (c->is_reset || getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error)
		return true;
	return !is_received(c);
}

void connection_free(struct connection *c)
{
	if (!c)
		return;
	if (c->job)
		methods_cancel(c->daemon, c->job);
	if (c->guarded[0] && !is_lost(c))
		held_delivered(c->guarded);
	held_disconnected(c->peer.serial);
	end_stream(c);
	for (size_t i = 0; i < c->nr_in_fds; i++)
		close(c->in_fds[i].fd);
	fds_done(&c->out_fds);
	close(c->fd);
	free(c->in);
	free(c->out);
	free(c);
}

int connection_fd(const struct connection *c)
{
	return c->fd;
}

const struct peer *connection_peer(const struct connection *c)
{
	return &c->peer;
}

bool connection_is_guarded(const struct connection *c)
{
	return c->guarded[0] != '\0';
}

void connection_confirm(struct connection *c)
{
	if (!c->guarded[0] || !is_received(c))
		return;
	held_delivered(c->guarded);
	c->guarded[0] = '\0';
}

static bool wants_input(const struct connection *c)
{
	return !c->is_at_end && !c->is_broken && !c->has_message && !c->stream.next && !c->out &&
	       !c->job && c->in_bytes < IN_ROOM_BYTES;
}

/*
 * With work left and nothing to send we wait to be able to send: that is at once.  While
 * others work, or nothing happens, only the client's end matters, which epoll always tells.
 */
uint32_t connection_events(const struct connection *c)
{
	if (c->job || (c->is_idle && !c->out))
		return 0;
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

/* The kernel never returns bytes from behind those that handles came with. */
static void take_fds(struct connection *c, struct msghdr *header, size_t end_bytes)
{
	for (struct cmsghdr *m = CMSG_FIRSTHDR(header); m; m = CMSG_NXTHDR(header, m)) {
		size_t nr = (m->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (m->cmsg_level != SOL_SOCKET || m->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < nr; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(m) + i * sizeof(fd), sizeof(fd));
			/* No method that others may call takes any. */
			if (c->nr_in_fds == IN_FDS_MAX || !c->peer.may_change) {
				close(fd);
				continue;
			}
			c->in_fds[c->nr_in_fds].fd = fd;
			c->in_fds[c->nr_in_fds++].end_bytes = end_bytes;
		}
	}
}

static int receive(struct connection *c)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} control;
	struct iovec iov;
	struct msghdr header = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n;
	int r;

	r = reserve(c);
	if (r < 0)
		return r;
	iov = (struct iovec){ c->in + c->in_bytes, c->in_room_bytes - c->in_bytes };
	n = recvmsg(c->fd, &header, MSG_CMSG_CLOEXEC);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		c->is_at_end = true;
	c->in_bytes += (size_t)n;
	take_fds(c, &header, c->in_bytes);
	/* More handles than a message may have: it is not the message that was meant. */
	return header.msg_flags & MSG_CTRUNC ? -EMSGSIZE : 0;
}

static ssize_t send_out(struct connection *c)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { c->out + c->out_sent_bytes, c->out_bytes - c->out_sent_bytes };
	struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (c->out_fds.nr > 0) {
		size_t len = c->out_fds.nr * sizeof(int);

		header.msg_control = &control;
		header.msg_controllen = CMSG_SPACE(len);
		control.header = (struct cmsghdr){ .cmsg_len = CMSG_LEN(len),
						   .cmsg_level = SOL_SOCKET,
						   .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(&control.header), c->out_fds.items, len);
	}
	return sendmsg(c->fd, &header, MSG_NOSIGNAL);
}

static int transmit(struct connection *c)
{
	ssize_t n = send_out(c);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	fds_done(&c->out_fds);
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

/* Takes the message's bytes away, and the handles that came with them. */
static void drop_message(struct connection *c, struct fds *ret_fds)
{
	size_t used = c->message_bytes + 1, left = 0;

	*ret_fds = (struct fds){ 0 };
	for (size_t i = 0; i < c->nr_in_fds; i++) {
		if (c->in_fds[i].end_bytes > used) {
			c->in_fds[left] = c->in_fds[i];
			c->in_fds[left++].end_bytes -= used;
		} else if (ret_fds->nr < FDS_MAX) {
			ret_fds->items[ret_fds->nr++] = c->in_fds[i].fd;
		} else {
			close(c->in_fds[i].fd);
		}
	}
	c->nr_in_fds = left;
	memmove(c->in, c->in + used, c->in_bytes - used);
	c->in_bytes -= used;
	c->has_message = false;
}

/* What came of a call or of a step of a stream, here or elsewhere. */
static int take_answer(struct connection *c, struct answer *answer)
{
	c->out = TAKE_PTR(answer->text);
	c->out_bytes = answer->len_bytes;
	c->out_fds = answer->fds;
	answer->fds = (struct fds){ 0 };
	c->stream = answer->stream;
	answer->stream = (struct stream){ 0 };
	c->is_idle = answer->is_idle;
	if (answer->guarded[0])
		memcpy(c->guarded, answer->guarded, sizeof(c->guarded));
	return c->out_bytes > CONNECTION_OUT_MAX_BYTES ? -EMSGSIZE : 0;
}

static int answer(struct connection *c)
{
	_cleanup_(varlink_request_done) struct varlink_request request = { 0 };
	_cleanup_(answer_done) struct answer answer = { 0 };
	_cleanup_(fds_done) struct fds fds = { 0 };
	bool oneway;
	int r;

	/* Whoever asks again has heard the last answer. */
	if (c->guarded[0])
		held_delivered(c->guarded);
	c->guarded[0] = '\0';
	r = varlink_parse(c->in, c->message_bytes, &request);
	drop_message(c, &fds);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return refuse(c);
	oneway = request.oneway;
	r = methods_dispatch(c->daemon, &c->peer, &request, &fds, c->terminator, &answer, &c->job);
	if (r < 0)
		return r;
	if (oneway) {	/* nobody waits, but it is not given up */
		if (c->job)
			c->job->owner = NULL;
		c->job = NULL;
		return 0;
	}
	if (c->job) {
		c->job->owner = c;
		return 0;
	}
	return take_answer(c, &answer);
}

static int go_on(struct connection *c)
{
	_cleanup_(answer_done) struct answer answer = { 0 };
	int r;

	r = methods_step(c->daemon, &c->stream, c->terminator, &answer, &c->job);
	if (r < 0)
		return r;
	if (c->job) {
		c->job->owner = c;
		return 0;
	}
	return take_answer(c, &answer);
}

static bool is_free(const struct connection *c)
{
	return !c->out && !c->stream.next && !c->job;
}

static int look_further(struct connection *c)
{
	int r;

	if (is_free(c) && !c->is_broken) {
		r = find_message(c);
		if (r < 0)
			return r;
	}
	if (is_free(c) && !c->has_message && (c->is_at_end || c->is_broken))
		return -ENOTCONN;
	return 0;
}

int connection_serve(struct connection *c, uint32_t events)
{
	int r = 0;

	/* Half an end, after which it still listens, is no such event. */
	if ((c->job || c->is_idle) && !c->out)
		return events & (EPOLLHUP | EPOLLERR) ? -ECONNRESET : 0;
	if (wants_input(c) && (events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP)))
		r = receive(c);
	else if (c->out)
		r = transmit(c);
	else if (c->stream.next)
		r = go_on(c);
	else if (c->has_message)
		r = answer(c);
	c->is_reset = r == -ECONNRESET || r == -EPIPE;
	if (r < 0)
		return r;
	return look_further(c);
}

int connection_result(struct connection *c, struct job *job)
{
	_cleanup_(answer_done) struct answer answer = { 0 };
	int r;

	c->job = NULL;
	methods_result(job, &answer);
	r = take_answer(c, &answer);
	/* Without memory for an answer there is none: the client must not wait for it. */
	if (r >= 0 && is_free(c)) {
		c->is_reset = true;	/* nor was anything received */
		r = -ENOMEM;
	}
	return r < 0 ? r : look_further(c);
}

bool connection_wake(struct connection *c)
{
	if (!c->is_idle)
		return false;
	c->is_idle = false;
	return true;
}
