/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What time is it for a test?  What it says: how busy the machine is does not matter then.
 * OWN_CLOCK is the only clock that what is tested reads; the others go on.
 */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int64_t clock_ms = 1000000;

int clock_gettime(clockid_t id, struct timespec *ts)
{
	if (id != OWN_CLOCK)
		return (int)syscall(SYS_clock_gettime, id, ts);
	*ts = (struct timespec){ .tv_sec = clock_ms / 1000, .tv_nsec = clock_ms % 1000 * 1000000 };
	return 0;
}

#endif /* CLOCK_H */
