// SPDX-License-Identifier: GPL-2.0-only
/*
 * What do the daemon and the service manager tell each other?
 */
#include "notify.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/socket.h>
#include <time.h>

#include <systemd/sd-daemon.h>

#include "cleanup.h"

void notify_ready(void)
{
	(void)!sd_notify(0, "READY=1\nSTATUS=Serving");
}

void notify_stopping(void)
{
	(void)!sd_notify(0, "STOPPING=1");
}

/* Thrice in the time that systemd waits: one may come late. */
static int64_t interval_us(void)
{
	static atomic_int_least64_t known = -1;
	uint64_t watchdog_us = 0;

	if (known < 0)
		known = sd_watchdog_enabled(0, &watchdog_us) > 0 ? (int64_t)(watchdog_us / 3) : 0;
	return known;
}

void notify_alive(void)
{
	static atomic_int_least64_t told_us;
	struct timespec now;
	int64_t now_us;

	if (!interval_us())
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	now_us = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
	if (told_us && now_us - told_us < interval_us() / 2)
		return;
	told_us = now_us;
	(void)!sd_notify(0, "WATCHDOG=1");
}

int notify_interval_ms(void)
{
	int64_t interval_ms = interval_us() / 1000;

	if (!interval_us())
		return -1;
	return interval_ms > INT_MAX ? INT_MAX : interval_ms < 1 ? 1 : (int)interval_ms;
}

int notify_socket(void)
{
	int nr = sd_listen_fds(1), flags;

	if (nr <= 0)
		return nr < 0 ? nr : -ENOENT;
	if (nr > 1 || sd_is_socket_unix(SD_LISTEN_FDS_START, SOCK_STREAM, 1, NULL, 0) <= 0)
		return -EINVAL;
	flags = fcntl(SD_LISTEN_FDS_START, F_GETFL);
	if (flags < 0 || fcntl(SD_LISTEN_FDS_START, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	return SD_LISTEN_FDS_START;
}
