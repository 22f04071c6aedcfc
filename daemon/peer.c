// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who is at the other end of a connection, and what may he do?
 *
 * The mode of the socket file keeps most others out; but a socket may be handed on, or its
 * mode be changed, so each caller is looked at.
 */
#include "peer.h"

#include <errno.h>
#include <grp.h>
#include <sys/socket.h>

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif

int64_t peer_group(const char *name)
{
	const struct group *group = name && *name ? getgrnam(name) : NULL;

	return group ? (int64_t)group->gr_gid : PEER_GROUP_NONE;
}

/* A process may have more groups than fit at first. */
static bool is_member(int fd, gid_t gid)
{
	_cleanup_(freep) gid_t *groups = NULL;
	socklen_t len = 64 * sizeof(*groups);

	for (int tries = 0; tries < 2; tries++) {
		free(groups);
		groups = malloc(len);
		if (!groups)
			return false;
		if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) == 0)
			break;
		if (errno != ERANGE || tries > 0)
			return false;
	}
	for (size_t i = 0; i < len / sizeof(*groups); i++)
		if (groups[i] == gid)
			return true;
	return false;
}

int peer_look(int fd, int64_t group, struct peer *ret_peer)
{
	static uint64_t next_serial = 1;
	struct ucred peer;
	socklen_t len = sizeof(peer);
	bool is_reader;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return -errno;
	is_reader = group != PEER_GROUP_NONE &&
		    (peer.gid == (gid_t)group || is_member(fd, (gid_t)group));
	*ret_peer = (struct peer){
		.serial = next_serial++,
		.uid = peer.uid,
		.pid = peer.pid,
		.may_read = peer.uid == 0 || is_reader,
		.may_change = peer.uid == 0,
	};
	return 0;
}
