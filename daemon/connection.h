/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What goes on between the daemon and one client?
 *
 *   in ── message ── dispatch ──┬── reply ──────────── out
 *                               ├── job ····· reply ── out
 *                               └── stream ── reply ── out, again and again
 *
 * One thing at a time: the next reply of a stream is made, and the next request
 * looked at, when the last reply is gone.  A client that doesn't read stops
 * itself and nobody else, and holds no more memory than one reply.
 */
#ifndef BPFSNAP_CONNECTION_H
#define BPFSNAP_CONNECTION_H

#include <stdint.h>

#include "methods.h"

enum {
	CONNECTION_OUT_MAX_BYTES = 64 << 20,	/* no reply of ours comes near */
};

struct connection;

/** connection_new - takes over @fd, which does not block */
int connection_new(struct daemon *daemon, int fd, const struct peer *peer,
		   struct connection **ret_connection);

/**
 * connection_free - what is done for the client is given up
 *
 * What is bound to the connection, or to a reply that was not received, is ended.
 */
void connection_free(struct connection *connection);

int connection_fd(const struct connection *connection);
const struct peer *connection_peer(const struct connection *connection);

/** connection_events - the EPOLL* bits to wait for; 0: only for its end */
uint32_t connection_events(const struct connection *connection);

/**
 * connection_serve - do one piece of work
 * Return: 0, or −errno when the connection is at its end; -ENOTCONN is a good end.
 */
int connection_serve(struct connection *connection, uint32_t events);

/** connection_result - a job whose owner the connection is has come back; it is freed */
int connection_result(struct connection *connection, struct job *job);

/**
 * connection_wake - something happened that a stream may wait for
 * Return: whether connection_events() may have changed.
 */
bool connection_wake(struct connection *connection);

/** connection_is_guarded - has it a reply of which it must be known that it was received? */
bool connection_is_guarded(const struct connection *connection);
/** connection_confirm - look whether it was */
void connection_confirm(struct connection *connection);

#endif /* BPFSNAP_CONNECTION_H */
