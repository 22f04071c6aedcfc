/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who is at the other end of a connection, and what may he do?
 */
#ifndef BPFSNAP_PEER_H
#define BPFSNAP_PEER_H

#include "methods.h"

enum {
	PEER_GROUP_NONE = -1,
};

/** peer_group - the number of a group. Return: it, or PEER_GROUP_NONE if there is none */
int64_t peer_group(const char *name);

/**
 * peer_look - as the kernel knew it when the connection was made
 * @group: whose members may read, or PEER_GROUP_NONE
 *
 * Return: 0 or -errno.
 */
int peer_look(int fd, int64_t group, struct peer *ret_peer);

#endif /* BPFSNAP_PEER_H */
