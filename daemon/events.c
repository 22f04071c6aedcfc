// SPDX-License-Identifier: GPL-2.0-only
/*
 * What has happened, in which order, and who was told?
 */
#include "events.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <time.h>

#include <uuid/uuid.h>

static const char *const names[EVENT_KIND_NR] = {
	[EVENT_ATTACHED] = "attached",
	[EVENT_DETACHED] = "detached",
	[EVENT_GENERATION] = "generation",
	[EVENT_UNCERTAIN] = "uncertain",
	[EVENT_EPOCH] = "epoch",
	[EVENT_SNAPSHOT_CREATED] = "snapshot-created",
	[EVENT_SNAPSHOT_DESTROYED] = "snapshot-destroyed",
	[EVENT_SNAPSHOT_FAILED] = "snapshot-failed",
	[EVENT_LOW_SPACE] = "low-space",
	[EVENT_LEASE] = "lease",
	[EVENT_MISSED] = "missed",
};

/* Event number N is at N % EVENTS_KEPT; the next one gets the number next_seq. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct event ring[EVENTS_KEPT];
static uint64_t next_seq = 1;
static int wake_fd = -1;
static char stream[37];

int events_open(void)
{
	uuid_t id;

	uuid_generate_random(id);
	uuid_unparse_lower(id, stream);
	wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return wake_fd < 0 ? -errno : wake_fd;
}

const char *events_stream(void)
{
	return stream;
}

const char *event_name(enum event_kind kind)
{
	return names[kind];
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

void events_add(const struct event *event, const char *fmt, ...)
{
	struct event e = *event;
	uint64_t one = 1;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e.text, sizeof(e.text), fmt, ap);
	va_end(ap);
	if (!e.time_ns)
		e.time_ns = now_ns();
	pthread_mutex_lock(&lock);
	e.seq = next_seq++;
	ring[e.seq % EVENTS_KEPT] = e;
	pthread_mutex_unlock(&lock);
	if (wake_fd >= 0)
		(void)!write(wake_fd, &one, sizeof(one));
}

uint64_t events_next(void)
{
	uint64_t seq;

	pthread_mutex_lock(&lock);
	seq = next_seq;
	pthread_mutex_unlock(&lock);
	return seq;
}

size_t events_get(uint64_t after, struct event *ret_events, size_t max, uint64_t *ret_missed)
{
	uint64_t first, oldest;
	size_t nr = 0;

	pthread_mutex_lock(&lock);
	oldest = next_seq > EVENTS_KEPT ? next_seq - EVENTS_KEPT : 1;
	first = after + 1;
	*ret_missed = first < oldest ? oldest - first : 0;
	first += *ret_missed;
	while (nr < max && first + nr < next_seq) {
		ret_events[nr] = ring[(first + nr) % EVENTS_KEPT];
		nr++;
	}
	pthread_mutex_unlock(&lock);
	return nr;
}
