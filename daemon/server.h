/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who may speak to the daemon, and whose turn is it?
 */
#ifndef BPFSNAP_SERVER_H
#define BPFSNAP_SERVER_H

#include "methods.h"

enum {
	SERVER_CLIENTS_MAX = 64,	/* connections at once */
};

/**
 * server_run - serve until SIGTERM or SIGINT
 * @socket_path: of the Unix socket; one that nobody listens on is replaced.  A socket that
 *               the service manager hands over is used instead
 * @on_ready: called once it can be connected to
 *
 * Return: 0 or −errno, logged.
 */
int server_run(struct daemon *daemon, const char *socket_path, void (*on_ready)(void));

#endif /* BPFSNAP_SERVER_H */
