// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * How does a program hear what happens?
 *
 * On a connection of its own, on which the daemon sends as it happens.  What was told to the
 * caller is the place to go on from: after an error the next call connects again, and asks for
 * what follows that.  Numbers are checked, so that an event that is not told is either counted
 * as missed or an error.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "lib.h"

#define OF(name, kind, member) { name, FIELD_##kind, offsetof(struct bpfsnap_event, member) }
static const struct field event_fields[] = {
	OF("kind", STRING, kind),
	OF("device", STRING_OR_NULL, device),
	OF("snapshot", STRING_OR_NULL, snapshot),
	OF("text", STRING, text),
	OF("seq", NUMBER, seq),
	OF("time_ns", NUMBER, time_ns),
	OF("value", NUMBER_OR_MAX, value),
};
#undef OF

struct head {
	char *stream;
	uint64_t missed;
	uint64_t last;
};

#define OF(name, kind, member) { name, FIELD_##kind, offsetof(struct head, member) }
static const struct field head_fields[] = {
	OF("stream", STRING, stream),
	OF("missed", NUMBER_OR_MAX, missed),
	OF("last", NUMBER, last),
};
#undef OF

/**
 * struct bpfsnap_events - where a listener is
 * @conn: NULL after it broke
 * @stream: NULL until the first reply: from now on
 * @after: the last event of it that the caller was told of
 * @page: a reply, of which @at is the next event; @list is owned by it
 * @event: what the caller was told last
 * @missed: to be told before that
 * @is_restarted: to be told before all that
 * @is_greeted: @conn has had its first reply, which may be about what has been before
 */
struct bpfsnap_events {
	char *path;
	struct bpfsnap_conn *conn;
	char *stream;
	uint64_t after;
	struct json_object *page;
	struct json_object *list;
	size_t at;
	struct bpfsnap_event event;
	uint64_t missed;
	bool is_restarted;
	bool is_greeted;
};

static int ask(struct bpfsnap_events *e)
{
	struct json_object *o = json_object_new_object();
	int r;

	if (!o)
		return -ENOMEM;
	if (e->stream) {
		put_text(o, "stream", e->stream);
		put_any_number(o, "after", e->after);
	}
	e->is_greeted = false;
	r = bpfsnap_open(e->path, &e->conn);
	if (r >= 0)
		r = bpfsnap_more_begin(e->conn, BPFSNAP_INTERFACE ".WatchEvents", o);
	json_object_put(o);
	return r;
}

static uint64_t seq_at(const struct bpfsnap_events *e, size_t i)
{
	struct json_object *seq = json_object_object_get(json_object_array_get_idx(e->list, i), "seq");

	return json_object_is_type(seq, json_type_int) ? (uint64_t)json_object_get_int64(seq) : 0;
}

/* What follows @e->after and what @h says is missing, without a gap. */
static int check_numbers(const struct bpfsnap_events *e, const struct head *h, uint64_t after)
{
	size_t nr = json_object_array_length(e->list);

	for (size_t i = 0; i < nr; i++)
		if (!json_object_is_type(json_object_array_get_idx(e->list, i), json_type_object) ||
		    seq_at(e, i) != after + i + 1)
			return -EBADMSG;
	return h->last == after + nr ? 0 : -EBADMSG;
}

/* Takes over what @h has if this is the first reply of another stream, or of the first one. */
static int take_head(struct bpfsnap_events *e, struct head *h)
{
	bool is_known = e->stream && strcmp(e->stream, h->stream) == 0;
	uint64_t nr = json_object_array_length(e->list), first;
	int r;

	/* "Nobody knows" goes with another stream, and with nothing else. */
	if ((e->stream && !is_known) != (h->missed == UINT64_MAX) || (e->is_greeted && !is_known))
		return -EBADMSG;
	if (is_known) {
		if (h->missed > INT64_MAX - e->after)
			return -EBADMSG;
		r = check_numbers(e, h, e->after + h->missed);
		if (r == 0)
			e->missed = h->missed;
		return r;
	}
	first = nr ? seq_at(e, 0) : h->last + 1;
	r = first == 0 ? -EBADMSG : check_numbers(e, h, first - 1);
	if (r < 0)
		return r;
	e->is_restarted = e->stream;
	e->after = first - 1;
	free(e->stream);
	e->stream = h->stream;
	h->stream = NULL;
	return 0;
}

/* Takes a reply, which it consumes. */
static int take_page(struct bpfsnap_events *e, struct json_object *reply, bool continues)
{
	struct head h = { 0 };
	int r;

	json_object_put(e->page);
	e->page = reply;
	e->list = json_object_object_get(reply, "events");
	e->at = 0;
	r = fields_take(reply, head_fields, ARRAY_SIZE(head_fields), &h);
	if (r == 0 && (!continues || !json_object_is_type(e->list, json_type_array)))
		r = -EBADMSG;
	if (r == 0)
		r = take_head(e, &h);
	fields_free(head_fields, ARRAY_SIZE(head_fields), &h);
	e->is_greeted = r == 0;
	return r;
}

static void drop(struct bpfsnap_events *e)
{
	e->conn = bpfsnap_close(e->conn);
	json_object_put(e->page);
	e->page = NULL;
	e->list = NULL;
}

/* Return: 1 with another reply, 0 if it has not come in time. */
static int receive(struct bpfsnap_events *e, int timeout_ms, struct bpfsnap_error **ret_error)
{
	struct json_object *reply = NULL;
	char *error_name = NULL;
	bool continues;
	int r;

	r = e->conn ? 0 : ask(e);
	if (r == 0)
		r = bpfsnap_more_next(e->conn, timeout_ms, &reply, &continues, &error_name);
	if (r == -ETIMEDOUT)
		return 0;
	if (r == 0)
		r = take_page(e, reply, continues);
	if (r == 0)
		return 1;
	if (r == -EREMOTEIO) {
		r = error_remote(ret_error, error_name, reply);
		json_object_put(reply);
		free(error_name);
	} else {
		r = error_local(ret_error, r, e->path);
	}
	drop(e);
	return r;
}

int bpfsnap_events_begin(struct bpfsnap *bpfsnap, const char *stream, uint64_t after,
			 struct bpfsnap_events **ret_events, struct bpfsnap_error **ret_error)
{
	struct bpfsnap_events *e = calloc(1, sizeof(*e));
	int r = -ENOMEM;

	*ret_events = NULL;
	if (e) {
		e->path = strdup(handle_path(bpfsnap));
		e->stream = stream ? strdup(stream) : NULL;
		e->after = after;
	}
	if (!e || !e->path || (stream && !e->stream))
		r = error_local(ret_error, r, handle_path(bpfsnap));
	else
		r = receive(e, -1, ret_error);
	if (r < 0) {
		bpfsnap_events_end(e);
		return r;
	}
	*ret_events = e;
	return 0;
}

static void forget(struct bpfsnap_event *event)
{
	fields_free(event_fields, ARRAY_SIZE(event_fields), event);
	*event = (struct bpfsnap_event){ .value = UINT64_MAX };
}

/* What is known already. Return: 1, 0 if there is nothing, or a negative errno. */
static int tell(struct bpfsnap_events *e)
{
	struct bpfsnap_event *event = &e->event;
	int r;

	forget(event);
	if (e->is_restarted) {
		event->type = BPFSNAP_EVENT_RESTARTED;
		e->is_restarted = false;
	} else if (e->missed) {
		event->type = BPFSNAP_EVENT_MISSED;
		event->value = e->missed;
		e->after += e->missed;
		e->missed = 0;
	} else if (e->list && e->at < json_object_array_length(e->list)) {
		event->type = BPFSNAP_EVENT_HAPPENED;
		r = fields_take(json_object_array_get_idx(e->list, e->at), event_fields,
				ARRAY_SIZE(event_fields), event);
		if (r < 0)
			return r;
		e->at++;
		e->after = event->seq;
	} else {
		return 0;
	}
	event->stream = e->stream;
	event->seq = e->after;
	return 1;
}

int bpfsnap_events_next(struct bpfsnap_events *e, int timeout_ms,
			const struct bpfsnap_event **ret_event, struct bpfsnap_error **ret_error)
{
	const int64_t until_ms = bpfsnap_now_ms() + timeout_ms;
	int r;

	*ret_event = NULL;
	/* A first reply may be empty, and then the time is not over. */
	while ((r = tell(e)) == 0) {
		int64_t left_ms = until_ms - bpfsnap_now_ms();

		r = receive(e, timeout_ms < 0 ? -1 : left_ms > 0 ? (int)left_ms : 0, ret_error);
		if (r <= 0)
			return r;
	}
	if (r < 0) {
		drop(e);
		return error_local(ret_error, r, e->path);
	}
	*ret_event = &e->event;
	return 1;
}

int bpfsnap_events_fd(const struct bpfsnap_events *e)
{
	return e->conn ? bpfsnap_fd(e->conn) : -ENOTCONN;
}

void bpfsnap_events_end(struct bpfsnap_events *e)
{
	if (!e)
		return;
	forget(&e->event);
	drop(e);
	free(e->path);
	free(e->stream);
	free(e);
}
