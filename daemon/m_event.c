// SPDX-License-Identifier: GPL-2.0-only
/*
 * How is it told what happens?
 */
#include "methods.h"

#include <errno.h>
#include <string.h>

#include "events.h"

enum {
	EVENTS_MAX = 64,	/* in one reply */
};

/**
 * struct watching - a client that listens
 * @after: the last event that it was told of
 * @is_begun: it has had its first reply, which comes at once
 * @is_lost: it knew another stream, of which nothing is left
 */
struct watching {
	uint64_t after;
	bool is_begun;
	bool is_lost;
};

static struct json_object *show(const struct event *e)
{
	struct json_object *o = json_object_new_object();

	put_u64(o, "seq", e->seq);
	put_u64(o, "time_ns", e->time_ns);
	put_string(o, "kind", event_name(e->kind));
	put_string(o, "device", e->device[0] ? e->device : NULL);
	put_string(o, "snapshot", e->snapshot[0] ? e->snapshot : NULL);
	json_object_object_add(o, "value", e->value < 0 ? NULL : json_object_new_int64(e->value));
	put_string(o, "text", e->text);
	return o;
}

static int reply(struct watching *w, struct json_object **ret_reply)
{
	_cleanup_(freep) struct event *events = calloc(EVENTS_MAX, sizeof(*events));
	struct json_object *o, *list;
	uint64_t missed;
	size_t nr;

	*ret_reply = NULL;
	if (!events)
		return -ENOMEM;
	nr = events_get(w->after, events, EVENTS_MAX, &missed);
	if (nr == 0 && w->is_begun)
		return 0;
	o = json_object_new_object();
	list = json_object_new_array();
	for (size_t i = 0; i < nr; i++)
		json_object_array_add(list, show(&events[i]));
	w->after += missed + nr;
	put_string(o, "stream", events_stream());
	json_object_object_add(o, "missed", w->is_lost ? NULL :
			       json_object_new_int64((int64_t)missed));
	json_object_object_add(o, "events", list);
	put_u64(o, "last", w->after);
	w->is_begun = true;
	w->is_lost = false;
	*ret_reply = o;
	return 0;
}

static int watching_next(void *state, struct json_object **ret_reply, bool *ret_continues,
			 struct fault *fault)
{
	*ret_continues = true;
	return reply(state, ret_reply);
}

int method_watch_events(struct call *call, struct fault *fault)
{
	const char *stream = arg_string(call, "stream");
	struct watching w = { 0 }, *kept;
	int64_t after;
	int r;

	r = arg_int(call, "after", 0, INT64_MAX, -1, &after, fault);
	if (r < 0)
		return r;
	w.is_lost = stream && strcmp(stream, events_stream()) != 0;
	if (w.is_lost)
		after = 0;	/* all that there is may be new to it */
	else if (after >= (int64_t)events_next())
		return fault_service(fault, REASON_INVALID_PARAMETER, "after");
	if (after >= 0)
		w.after = (uint64_t)after;
	else
		/* From now on, if there is a now; else what is known. */
		w.after = call->more ? events_next() - 1 : 0;
	if (!call->more)
		return reply(&w, &call->reply);
	kept = malloc(sizeof(*kept));
	if (!kept)
		return -ENOMEM;
	*kept = w;
	call->stream = (struct stream){ watching_next, free, kept, METHOD_LOOK };
	return 0;
}
