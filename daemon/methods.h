/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What can be asked of the daemon, and what serves it?
 */
#ifndef BPFSNAP_METHODS_H
#define BPFSNAP_METHODS_H

#include <stdbool.h>

#include "config.h"
#include "reasons.h"
#include "schema.h"
#include "tracker.h"
#include "varlink.h"

/**
 * struct daemon - what the methods work with
 * @config: what is configured, for the hooks
 * @schemas: the interfaces, org.varlink.service among them
 */
struct daemon {
	struct tracker *tracker;
	const char *storage_dir;
	const char *module_path;
	const struct config *config;
	struct schema *schemas[2];
};

/**
 * struct stream - replies that are made one by one, as the client takes them
 * @next: make one; *@ret_continues says whether there are more. Return: 0 or −errno
 * @free: of @state; also when the client leaves
 */
struct stream {
	int (*next)(void *state, struct json_object **ret_reply, bool *ret_continues,
		    struct fault *fault);
	void (*free)(void *state);
	void *state;
};

/**
 * struct call - one call on its way through a handler
 * @args: fit the interface's declaration; never NULL
 * @more: the client takes several replies
 * @reply: out, the results, or
 * @stream: out, the maker of several
 */
struct call {
	struct daemon *daemon;
	struct json_object *args;
	bool more;
	struct json_object *reply;
	struct stream stream;
};

#define METHOD(interface, name, handler) \
	int handler(struct call *call, struct fault *fault);
#include "methods.def"
#undef METHOD

/** methods_init - parse the interfaces. Return: 0 or −errno, logged */
int methods_init(struct daemon *daemon);
void methods_done(struct daemon *daemon);

/**
 * methods_dispatch - serve a request
 * @ret_reply: a message, if there is one to send now
 * @ret_stream: more messages to make, if @ret_reply is NULL
 */
void methods_dispatch(struct daemon *daemon, const struct varlink_request *request,
		      struct json_object **ret_reply, struct stream *ret_stream);

/** methods_stream_next - one message of a stream; a fault ends it */
struct json_object *methods_stream_next(struct stream *stream, bool *ret_continues);

/* Arguments; NULL, false or @otherwise if absent or null. */
const char *arg_string(const struct call *call, const char *name);
bool arg_bool(const struct call *call, const char *name);
int arg_int(const struct call *call, const char *name, int64_t min, int64_t max,
	    int64_t otherwise, int64_t *ret_value, struct fault *fault);

/* Results. */
void put_string(struct json_object *o, const char *name, const char *value);
void put_u64(struct json_object *o, const char *name, uint64_t value);

#endif /* BPFSNAP_METHODS_H */
