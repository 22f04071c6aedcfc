// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who may speak to the daemon, and whose turn is it?
 *
 * One thread, one epoll.  Each turn of a connection is one small piece of work
 * (connection.c); what takes longer is done by two workers: one for what changes something,
 * in order, and one for what looks through marks.
 */
#include "server.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "connection.h"
#include "ending.h"
#include "events.h"
#include "held.h"
#include "kevents.h"
#include "log.h"
#include "notify.h"
#include "peer.h"
#include "watch.h"

enum {
	CONFIRM_MS = 200,	/* how often replies that must be received are looked after */
};

/**
 * struct server - the main loop
 * @group: whose members may read
 * @nr_readers: connections of others than root
 * @nr_guarded: connections with a reply of which it must be known that it was received
 * @kevents_fd: that is watched, or -1
 * @watch_ms: when the disks are looked at next
 */
struct server {
	struct daemon *daemon;
	struct done *done;
	int epoll_fd, listen_fd, signal_fd, events_fd, kevents_fd;
	int64_t group;
	struct connection *clients[SERVER_CLIENTS_MAX];
	size_t nr_readers;
	size_t nr_guarded;
	int64_t watch_ms;
	bool is_ending;
	bool is_activated;	/* the socket is the service manager's, and stays */
};

/* Is there a daemon behind the socket file, or only the file? */
static bool is_alive(const struct sockaddr_un *address)
{
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0;
}

static int remove_stale(const struct sockaddr_un *address)
{
	struct stat st;

	if (lstat(address->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	if (is_alive(address))
		return -EADDRINUSE;
	return unlink(address->sun_path) < 0 ? -errno : 0;
}

static int open_to_group(const char *path, int64_t group)
{
	if (group == PEER_GROUP_NONE)
		return 0;
	if (chown(path, (uid_t)-1, (gid_t)group) < 0 || chmod(path, 0660) < 0)
		return -errno;
	return 0;
}

static int listen_at(const char *path, int64_t group, int *ret_fd)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_(closep) int fd = -1;
	mode_t mask;
	int r;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	r = remove_stale(&address);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	mask = umask(0177);	/* never there with another mode, not even for a moment */
	r = bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
	umask(mask);
	if (r < 0)
		return r;
	r = open_to_group(path, group);
	if (r < 0)
		return r;
	if (listen(fd, SERVER_CLIENTS_MAX) < 0)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int watch(const struct server *s, int op, int fd, uint32_t events, void *what)
{
	struct epoll_event event = { .events = events, .data.ptr = what };

	return epoll_ctl(s->epoll_fd, op, fd, &event) < 0 ? -errno : 0;
}

static int watch_signals(struct server *s)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	if (pthread_sigmask(SIG_BLOCK, &signals, NULL) != 0)
		return -EINVAL;
	s->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->signal_fd < 0)
		return -errno;
	return watch(s, EPOLL_CTL_ADD, s->signal_fd, EPOLLIN, &s->signal_fd);
}

static struct connection **find_place(struct server *s, const struct connection *client)
{
	for (size_t i = 0; i < SERVER_CLIENTS_MAX; i++)
		if (s->clients[i] == client)
			return &s->clients[i];
	return NULL;
}

static void leave(struct server *s, struct connection *client)
{
	*find_place(s, client) = NULL;
	s->nr_guarded -= connection_is_guarded(client);
	s->nr_readers -= !connection_peer(client)->may_change;
	connection_free(client);	/* closing takes it from the epoll, too */
}

static int admit(struct server *s, int fd)
{
	struct connection **place = find_place(s, NULL);
	struct peer peer;
	int r;

	r = peer_look(fd, s->group, &peer);
	if (r < 0)
		return r;
	if (!place || (!peer.may_change && s->nr_readers == SERVER_READERS_MAX))
		return -EUSERS;
	r = connection_new(s->daemon, fd, &peer, place);
	if (r < 0)
		return r;
	r = watch(s, EPOLL_CTL_ADD, fd, connection_events(*place), *place);
	if (r < 0)
		*place = (free(*place), NULL);	/* the caller closes @fd */
	else
		s->nr_readers += !peer.may_change;
	return r;
}

static void accept_client(struct server *s)
{
	_cleanup_(closep) int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int r;

	if (fd < 0)
		return;
	r = admit(s, fd);
	if (r < 0) {
		log_warning("refused a client: %s", strerror(-r));
		return;
	}
	(void)TAKE_FD(fd);
}

/* After a piece of work: wait for what comes next, or part. */
static void settle(struct server *s, struct connection *client, bool was_guarded, int r)
{
	if (r >= 0)
		r = watch(s, EPOLL_CTL_MOD, connection_fd(client), connection_events(client), client);
	s->nr_guarded += connection_is_guarded(client) - was_guarded;
	if (r >= 0)
		return;
	if (r != -ENOTCONN && r != -EPIPE && r != -ECONNRESET)
		log_warning("lost a client: %s", strerror(-r));
	leave(s, client);
}

static void serve_client(struct server *s, struct connection *client, uint32_t events)
{
	bool was_guarded = connection_is_guarded(client);

	settle(s, client, was_guarded, connection_serve(client, events));
}

/* Whether a disk is attached may have changed. */
static void watch_kernel(struct server *s)
{
	int fd = kevents_update();

	if (fd == s->kevents_fd)
		return;
	s->kevents_fd = fd;
	if (fd >= 0 && watch(s, EPOLL_CTL_ADD, fd, EPOLLIN, &s->kevents_fd) < 0)
		log_err("the module's events cannot be waited for: %s", strerror(errno));
}

static bool is_connected(const struct server *s, uint64_t serial)
{
	for (size_t i = 0; i < SERVER_CLIENTS_MAX; i++)
		if (s->clients[i] && connection_peer(s->clients[i])->serial == serial)
			return true;
	return false;
}

/* A client may be gone; what it alone would have known of, or was to end with it, is ended then. */
static void take_result(struct server *s, struct job *job)
{
	_cleanup_(answer_done) struct answer answer = { 0 };
	struct connection *client = job->owner;

	if (client) {
		bool was_guarded = connection_is_guarded(client);

		settle(s, client, was_guarded, connection_result(client, job));
		return;
	}
	methods_result(job, &answer);
	if (answer.guarded[0])
		held_undelivered(answer.guarded, answer.serial);
	if (answer.serial && !is_connected(s, answer.serial))
		held_disconnected(answer.serial);
}

static void take_results(struct server *s)
{
	struct job *job;

	while ((job = done_take(s->done)))
		take_result(s, job);
	watch_kernel(s);
}

/* Those who wait for events are looked at when it is their turn to send. */
static void wake_all(struct server *s)
{
	uint64_t count;

	(void)!read(s->events_fd, &count, sizeof(count));
	for (size_t i = 0; i < SERVER_CLIENTS_MAX; i++)
		if (s->clients[i] && connection_wake(s->clients[i]))
			settle(s, s->clients[i], connection_is_guarded(s->clients[i]), 0);
}

static void confirm_all(struct server *s)
{
	for (size_t i = 0; i < SERVER_CLIENTS_MAX && s->nr_guarded > 0; i++) {
		if (!s->clients[i] || !connection_is_guarded(s->clients[i]))
			continue;
		connection_confirm(s->clients[i]);
		s->nr_guarded -= !connection_is_guarded(s->clients[i]);
	}
}

static void look_at_disks(struct server *s, bool is_first)
{
	tracker_lock(s->daemon->tracker);
	watch_disks(s->daemon->tracker, is_first);
	tracker_unlock(s->daemon->tracker);
	s->watch_ms = held_now_ms() + WATCH_MS;
}

/* What is done when its time has come.  Return: how long until then. */
static int keep_time(struct server *s)
{
	int64_t now_ms = held_now_ms();
	int wait_ms;

	if (now_ms >= s->watch_ms)
		look_at_disks(s, false);
	confirm_all(s);
	ending_begin(s->daemon);
	wait_ms = held_wait_ms();
	if (s->nr_guarded > 0 && (wait_ms < 0 || wait_ms > CONFIRM_MS))
		wait_ms = CONFIRM_MS;
	if (wait_ms < 0 || wait_ms > s->watch_ms - now_ms)
		wait_ms = s->watch_ms > now_ms ? (int)(s->watch_ms - now_ms) : 0;
	return wait_ms;
}

static bool is_client(struct server *s, const struct connection *client)
{
	return client && find_place(s, client) != NULL;
}

/* Of two waits, of which either may be for ever, −1. */
static int shorter(int a_ms, int b_ms)
{
	return a_ms < 0 ? b_ms : b_ms < 0 || a_ms < b_ms ? a_ms : b_ms;
}

static int turn(struct server *s)
{
	struct epoll_event events[64];
	int nr;

	notify_alive();
	nr = epoll_wait(s->epoll_fd, events, ARRAY_SIZE(events),
			shorter(keep_time(s), notify_interval_ms()));
	if (nr < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < nr; i++) {
		void *what = events[i].data.ptr;

		if (what == &s->signal_fd)
			s->is_ending = true;
		else if (what == &s->listen_fd)
			accept_client(s);
		else if (what == &s->done)
			take_results(s);
		else if (what == &s->events_fd)
			wake_all(s);
		else if (what == &s->kevents_fd)
			kevents_read();
		/* Gone meanwhile, by what came before it in the list? */
		else if (is_client(s, what))
			serve_client(s, what, events[i].events);
	}
	return 0;
}

/* Clients, and what is mapped for them, are more than the usual limit. */
static void raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

static int open_workers(struct server *s)
{
	int r;

	r = done_new(&s->done);
	if (r >= 0)
		r = worker_new("changes", s->done, &s->daemon->changes);
	if (r >= 0)
		r = worker_new("scans", s->done, &s->daemon->scans);
	return r < 0 ? r : watch(s, EPOLL_CTL_ADD, done_fd(s->done), EPOLLIN, &s->done);
}

static int open_server(struct server *s, const struct server_options *options)
{
	int r;

	raise_limit();
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (s->epoll_fd < 0)
		return -errno;
	r = watch_signals(s);
	if (r >= 0)
		r = open_workers(s);
	if (r < 0)
		return r;
	s->events_fd = events_open();
	if (s->events_fd < 0)
		return s->events_fd;
	r = watch(s, EPOLL_CTL_ADD, s->events_fd, EPOLLIN, &s->events_fd);
	if (r < 0)
		return r;
	s->group = peer_group(options->group);
	if (options->group && s->group == PEER_GROUP_NONE)
		log_info("there is no group %s: only root may ask", options->group);
	look_at_disks(s, true);
	watch_kernel(s);
	r = notify_socket();
	if (r >= 0) {
		s->listen_fd = r;
		s->is_activated = true;
	} else if (r == -ENOENT) {
		r = listen_at(options->socket_path, s->group, &s->listen_fd);
	}
	if (r < 0)
		return r;
	return watch(s, EPOLL_CTL_ADD, s->listen_fd, EPOLLIN, &s->listen_fd);
}

/* Clients first: what is done for them is given up. */
static void close_server(struct server *s, const char *socket_path)
{
	for (size_t i = 0; i < SERVER_CLIENTS_MAX; i++)
		connection_free(s->clients[i]);
	worker_free(s->daemon->changes);
	worker_free(s->daemon->scans);
	s->daemon->changes = s->daemon->scans = NULL;
	ending_finish();
	held_close();
	done_free(s->done);
	kevents_close();
	if (s->listen_fd >= 0 && !s->is_activated)
		unlink(socket_path);
	closep(&s->listen_fd);
	closep(&s->signal_fd);
	closep(&s->events_fd);
	closep(&s->epoll_fd);
}

int server_run(struct daemon *daemon, const struct server_options *options,
	       void (*on_ready)(void))
{
	struct server s = {
		.daemon = daemon,
		.epoll_fd = -1,
		.listen_fd = -1,
		.signal_fd = -1,
		.events_fd = -1,
		.kevents_fd = -1,
	};
	int r;

	r = open_server(&s, options);
	if (r < 0)
		log_err("%s: %s", options->socket_path, strerror(-r));
	else
		on_ready();
	while (r >= 0 && !s.is_ending) {
		r = turn(&s);
		if (r < 0)
			log_err("waiting: %s", strerror(-r));
	}
	notify_stopping();
	close_server(&s, options->socket_path);
	return r;
}
