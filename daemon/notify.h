/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What do the daemon and the service manager tell each other?  Without a service manager
 * all of this does nothing.
 */
#ifndef BPFSNAP_NOTIFY_H
#define BPFSNAP_NOTIFY_H

/** notify_ready - that the daemon can be asked; see sd_notify(3) */
void notify_ready(void);

/** notify_stopping - that it ends because it was told to */
void notify_stopping(void);

/**
 * notify_alive - that whoever calls this is not stuck
 *
 * Cheap enough for each turn of a loop: it tells only what has not been told lately.
 */
void notify_alive(void);

/**
 * notify_interval_ms - longest time between two calls of notify_alive(), for a wait
 *
 * Return: −1 if nobody watches.
 */
int notify_interval_ms(void);

/**
 * notify_socket - the listening socket that the service manager made for us
 *
 * Return: a descriptor that does not block; -ENOENT if there is none, -EINVAL if what was
 * handed over is not one listening Unix stream socket; another −errno.
 */
int notify_socket(void);

#endif /* BPFSNAP_NOTIFY_H */
