/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How does the service manager learn that the daemon is ready?
 */
#ifndef BPFSNAP_NOTIFY_H
#define BPFSNAP_NOTIFY_H

/** notify_ready - one datagram to $NOTIFY_SOCKET, if there is one; see sd_notify(3) */
void notify_ready(void);

#endif /* BPFSNAP_NOTIFY_H */
