// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who may speak to the daemon, and whose turn is it?
 *
 * One thread, one epoll.  Each turn of a connection is one small piece of work
 * (connection.c); only CreateSnapshot holds the others up, for as long as it
 * holds the writes.
 */
#include "server.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "connection.h"
#include "log.h"
#include "notify.h"

struct server {
	struct daemon *daemon;
	int epoll_fd, listen_fd, signal_fd;
	struct connection *clients[SERVER_CLIENTS_MAX];
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

static int listen_at(const char *path, int *ret_fd)
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
	if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
		return -errno;
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
	connection_free(client);	/* closing takes it from the epoll, too */
}

static int admit(struct server *s, int fd)
{
	struct connection **place = find_place(s, NULL);
	struct ucred peer;
	socklen_t len = sizeof(peer);
	int r;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return -errno;
	if (peer.uid != 0)
		return -EPERM;
	if (!place)
		return -EUSERS;
	r = connection_new(s->daemon, fd, place);
	if (r < 0)
		return r;
	r = watch(s, EPOLL_CTL_ADD, fd, connection_events(*place), *place);
	if (r < 0)
		*place = (free(*place), NULL);	/* the caller closes @fd */
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

static void serve_client(struct server *s, struct connection *client, uint32_t events)
{
	int r;

	r = connection_serve(client, events);
	if (r >= 0)
		r = watch(s, EPOLL_CTL_MOD, connection_fd(client), connection_events(client), client);
	if (r >= 0)
		return;
	if (r != -ENOTCONN && r != -EPIPE && r != -ECONNRESET)
		log_warning("lost a client: %s", strerror(-r));
	leave(s, client);
}

static int turn(struct server *s)
{
	struct epoll_event events[16];
	int nr;

	notify_alive();
	nr = epoll_wait(s->epoll_fd, events, ARRAY_SIZE(events), notify_interval_ms());
	if (nr < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < nr; i++) {
		if (events[i].data.ptr == &s->signal_fd)
			s->is_ending = true;
		else if (events[i].data.ptr == &s->listen_fd)
			accept_client(s);
		else
			serve_client(s, events[i].data.ptr, events[i].events);
	}
	return 0;
}

static int open_server(struct server *s, const char *socket_path)
{
	int r;

	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (s->epoll_fd < 0)
		return -errno;
	r = watch_signals(s);
	if (r < 0)
		return r;
	r = notify_socket();
	if (r >= 0) {
		s->listen_fd = r;
		s->is_activated = true;
	} else if (r == -ENOENT) {
		r = listen_at(socket_path, &s->listen_fd);
	}
	if (r < 0)
		return r;
	return watch(s, EPOLL_CTL_ADD, s->listen_fd, EPOLLIN, &s->listen_fd);
}

int server_run(struct daemon *daemon, const char *socket_path, void (*on_ready)(void))
{
	struct server s = { .daemon = daemon, .epoll_fd = -1, .listen_fd = -1, .signal_fd = -1 };
	int r;

	r = open_server(&s, socket_path);
	if (r < 0)
		log_err("%s: %s", socket_path, strerror(-r));
	else
		on_ready();
	while (r >= 0 && !s.is_ending) {
		r = turn(&s);
		if (r < 0)
			log_err("waiting: %s", strerror(-r));
	}
	notify_stopping();
	for (size_t i = 0; i < SERVER_CLIENTS_MAX; i++)
		connection_free(s.clients[i]);
	if (s.listen_fd >= 0 && !s.is_activated)
		unlink(socket_path);
	closep(&s.listen_fd);
	closep(&s.signal_fd);
	closep(&s.epoll_fd);
	return r;
}
