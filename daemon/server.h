/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who may speak to the daemon, and whose turn is it?
 */
#ifndef BPFSNAP_SERVER_H
#define BPFSNAP_SERVER_H

#include "methods.h"

enum {
	SERVER_CLIENTS_MAX	= 512,	/* connections at once */
	SERVER_READERS_MAX	= 384,	/* of these, of others than root */
};

/**
 * struct server_options - how the daemon is reached
 * @socket_path: of the Unix socket; one that nobody listens on is replaced
 * @group: whose members may read; NULL: root only. One that there is not is no error
 */
struct server_options {
	const char *socket_path;
	const char *group;
};

/**
 * server_run - serve until SIGTERM or SIGINT
 * @on_ready: called once it can be connected to
 *
 * Return: 0 or −errno, logged.
 */
int server_run(struct daemon *daemon, const struct server_options *options,
	       void (*on_ready)(void));

#endif /* BPFSNAP_SERVER_H */
