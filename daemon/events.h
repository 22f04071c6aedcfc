/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What has happened, in which order, and who was told?
 *
 * A ring: who does not read in time learns how much was missed.  There is one for the
 * daemon, as there is one log, and any thread may add to it.
 */
#ifndef BPFSNAP_EVENTS_H
#define BPFSNAP_EVENTS_H

#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"

enum {
	EVENTS_KEPT	= 512,
	EVENT_TEXT_MAX	= 256,
	EVENT_NAME_MAX	= 64,
};

/** enum event_kind - named in events.c, described in the interface */
enum event_kind {
	EVENT_ATTACHED,
	EVENT_DETACHED,
	EVENT_GENERATION,
	EVENT_UNCERTAIN,
	EVENT_EPOCH,
	EVENT_SNAPSHOT_CREATED,
	EVENT_SNAPSHOT_DESTROYED,
	EVENT_SNAPSHOT_FAILED,
	EVENT_LOW_SPACE,
	EVENT_LEASE,
	EVENT_MISSED,
	EVENT_KIND_NR,
};

/**
 * struct event - something that happened
 * @seq: ascending by one
 * @time_ns: since 1970
 * @device: its name, or empty
 * @snapshot: or empty
 * @value: bytes, or an epoch, or a number, as the kind has it; -1 for none
 * @text: a sentence
 */
struct event {
	uint64_t seq;
	uint64_t time_ns;
	enum event_kind kind;
	char device[EVENT_NAME_MAX];
	char snapshot[EVENT_NAME_MAX];
	int64_t value;
	char text[EVENT_TEXT_MAX];
};

/** events_open - from here on, a handle tells that there are new ones. Return: it or -errno */
int events_open(void);

/** events_stream - the name of this sequence of events: another one after each start */
const char *events_stream(void);

const char *event_name(enum event_kind kind);

/**
 * events_add - it happened
 * @event: seq and time are filled in, the time only if it is 0
 * @fmt: its text
 */
void events_add(const struct event *event, const char *fmt, ...) _printf_(2, 3);

/** events_next - the number that the next event will get */
uint64_t events_next(void);

/**
 * events_get - events that follow a number
 * @after: the last one that is known; 0 for none
 * @ret_missed: how many of those that follow are not kept any more
 *
 * Return: how many, at most @max.
 */
size_t events_get(uint64_t after, struct event *ret_events, size_t max, uint64_t *ret_missed);

#endif /* BPFSNAP_EVENTS_H */
