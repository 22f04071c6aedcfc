// SPDX-License-Identifier: GPL-2.0-only
/*
 * What can be asked of the daemon, and what serves it?  Every call comes by
 * here: its arguments and its caller are checked before its handler sees them, and
 * what went wrong is logged and answered here, once.
 *
 * What takes time becomes a job (struct deed), that owns all it works with.
 */
#include "methods.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "device.h"
#include "interface.h"
#include "log.h"

struct method {
	const char *name;
	enum method_place place;
	enum method_access access;
	int (*handler)(struct call *call, struct fault *fault);
};

static const struct method methods[] = {
#define METHOD(interface, name, place, access, handler) \
	{ interface "." #name, place, access, handler },
#include "methods.def"
#undef METHOD
};

enum {
	AUDIT_ARGS_MAX = 300,
};

/**
 * struct deed - a call, or a step of a stream, that is done by a worker
 * @what: for the log
 * @request: that call.args belongs to
 * @step: if it is a step of this
 */
struct deed {
	struct job job;
	char what[128];
	enum method_place place;
	int (*handler)(struct call *call, struct fault *fault);
	struct varlink_request request;
	struct call call;
	struct stream step;
	char terminator;
	struct answer answer;
};

int methods_init(struct daemon *daemon)
{
	const char *const texts[] = { interface_service_text, interface_text };
	unsigned int line = 0;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		r = schema_parse(texts[i], &daemon->schemas[i], &line);
		if (r < 0) {
			log_err("interface %zu, line %u: %s", i, line, strerror(-r));
			return r;
		}
	}
	return 0;
}

void methods_done(struct daemon *daemon)
{
	for (size_t i = 0; i < ARRAY_SIZE(daemon->schemas); i++) {
		schema_free(daemon->schemas[i]);
		daemon->schemas[i] = NULL;
	}
}

static const struct schema *find_schema(const struct daemon *daemon, const char *method)
{
	size_t len = varlink_split(method);

	for (size_t i = 0; i < ARRAY_SIZE(daemon->schemas); i++) {
		const char *name = daemon->schemas[i]->interface;

		if (strlen(name) == len && strncmp(name, method, len) == 0)
			return daemon->schemas[i];
	}
	return NULL;
}

static int check_args(const struct daemon *daemon, const struct varlink_request *request,
		      struct json_object *args, struct fault *fault)
{
	const struct schema *schema = find_schema(daemon, request->method);
	const struct schema_member *method;
	_cleanup_(freep) char *interface = NULL;
	const char *name;

	interface = strndup(request->method, varlink_split(request->method));
	if (!schema)
		return fault_service(fault, REASON_INTERFACE_NOT_FOUND, interface);
	method = schema_find(schema, SCHEMA_MEMBER_METHOD,
			     request->method + strlen(schema->interface) + 1);
	if (!method)
		return fault_service(fault, REASON_METHOD_NOT_FOUND, request->method);
	if (request->upgrade)
		return fault_service(fault, REASON_INVALID_PARAMETER, "upgrade");
	if (schema_check(schema, &method->in, args, &name) < 0)
		return fault_service(fault, REASON_INVALID_PARAMETER, name);
	return 0;
}

static const struct method *find_method(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
		if (strcmp(methods[i].name, name) == 0)
			return &methods[i];
	return NULL;
}

static int check_peer(const struct method *method, const struct peer *peer, struct fault *fault)
{
	if (method->access == METHOD_READERS ? peer->may_read : peer->may_change)
		return 0;
	return fault_method(fault, REASON_PERMISSION_DENIED, method->name,
			    "%s is for %s.", method->name, method->access == METHOD_READERS ?
			    "root and the group of readers" : "root");
}

/* What changes something is written down with who asked for it, before it is done. */
static void audit(const struct method *method, const struct call *call)
{
	const char *args;

	if (method->access != METHOD_ROOT)
		return;
	args = json_object_to_json_string_ext(call->args, JSON_C_TO_STRING_PLAIN |
					      JSON_C_TO_STRING_NOSLASHESCAPE);
	log_info("uid %u, pid %d: %s %.*s", (unsigned int)call->peer.uid, (int)call->peer.pid,
		 method->name + strlen(INTERFACE_NAME) + 1, AUDIT_ARGS_MAX, args ?: "");
}

static struct json_object *answer_fault(const char *what, int error, struct fault *fault)
{
	struct json_object *message;

	/* A handler that fails without a reason is a fault of ours: say what we know. */
	if (fault->reason == REASON_NONE)
		fault_system(fault, what, error, "%s.", strerror(-error));
	log_line(LOG_LEVEL_WARNING, "%s: %s: %s", what, reason_name(fault->reason),
		 fault_text(fault));
	message = varlink_error(reason_name(fault->reason), fault->parameters);
	*fault = (struct fault){ 0 };
	return message;
}

void fds_done(struct fds *fds)
{
	for (size_t i = 0; i < fds->nr; i++)
		closep(&fds->items[i]);
	*fds = (struct fds){ 0 };
}

static void end_stream(struct stream *stream)
{
	if (stream->free)
		stream->free(stream->state);
	*stream = (struct stream){ 0 };
}

void answer_done(struct answer *answer)
{
	free(answer->text);
	fds_done(&answer->fds);
	end_stream(&answer->stream);
	*answer = (struct answer){ 0 };
}

static void call_done(struct call *call)
{
	json_object_put(call->args);
	json_object_put(call->reply);
	fds_done(&call->fds_in);
	fds_done(&call->fds_out);
	end_stream(&call->stream);
	*call = (struct call){ 0 };
}

int call_check(const struct call *call)
{
	return call->is_cancelled && atomic_load(call->is_cancelled) ? -ECANCELED : 0;
}

static int put_message(struct answer *answer, struct json_object *message, char terminator)
{
	int r = varlink_encode(message, terminator, &answer->text, &answer->len_bytes);

	json_object_put(message);
	return r;
}

/* The outcome of a handler; without memory for it nothing is answered. */
static int put_outcome(struct answer *answer, const char *what, int r, struct call *call,
		       struct fault *fault, char terminator)
{
	if (r < 0)
		return put_message(answer, answer_fault(what, r, fault), terminator);
	memcpy(answer->guarded, call->guarded, sizeof(answer->guarded));
	answer->serial = call->peer.serial;
	if (call->stream.next) {
		answer->stream = call->stream;
		call->stream = (struct stream){ 0 };
		return 0;
	}
	answer->fds = call->fds_out;
	call->fds_out = (struct fds){ 0 };
	return put_message(answer, varlink_reply(TAKE_PTR(call->reply), false), terminator);
}

static int run_handler(struct daemon *daemon, enum method_place place,
		       int (*handler)(struct call *call, struct fault *fault), struct call *call,
		       struct fault *fault)
{
	int r;

	device_resolve_below(!call->peer.may_change);
	if (place == METHOD_CHANGE)
		tracker_take_turn(daemon->tracker);
	tracker_lock(daemon->tracker);
	r = call_check(call);
	if (r >= 0)
		r = handler(call, fault);
	tracker_unlock(daemon->tracker);
	if (place == METHOD_CHANGE)
		tracker_give_turn(daemon->tracker);
	return r;
}

static int run_step(struct daemon *daemon, struct stream *stream, char terminator,
		    struct answer *answer)
{
	_cleanup_(fault_done) struct fault fault = { 0 };
	struct json_object *reply = NULL, *message;
	bool continues = false;
	int r;

	tracker_lock(daemon->tracker);
	r = stream->next(stream->state, &reply, &continues, &fault);
	tracker_unlock(daemon->tracker);
	if (r < 0)
		message = answer_fault("stream", r, &fault);
	else
		message = reply ? varlink_reply(reply, continues) : NULL;
	answer->is_idle = !message;
	if (r < 0 || !continues)
		end_stream(stream);
	answer->stream = *stream;
	*stream = (struct stream){ 0 };
	return message ? put_message(answer, message, terminator) : 0;
}

static void deed_run(struct job *job)
{
	struct deed *d = (struct deed *)job;
	_cleanup_(fault_done) struct fault fault = { 0 };
	struct daemon *daemon = d->call.daemon;
	int r;

	if (d->step.next) {
		(void)run_step(daemon, &d->step, d->terminator, &d->answer);
		return;
	}
	r = run_handler(daemon, d->place, d->handler, &d->call, &fault);
	if (r == -ECANCELED && fault.reason == REASON_NONE)
		log_info("%s: given up, since nobody waits for it any more", d->what);
	else
		(void)put_outcome(&d->answer, d->what, r, &d->call, &fault, d->terminator);
}

static void deed_free(struct job *job)
{
	struct deed *d = (struct deed *)job;

	end_stream(&d->step);
	call_done(&d->call);
	answer_done(&d->answer);
	varlink_request_done(&d->request);
	free(d);
}

static struct deed *deed_new(struct daemon *daemon, const char *what, enum method_place place)
{
	struct deed *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->job.run = deed_run;
	d->job.free = deed_free;
	d->place = place;
	d->call.daemon = daemon;
	d->call.is_cancelled = &d->job.is_cancelled;
	snprintf(d->what, sizeof(d->what), "%s", what);
	return d;
}

static struct worker *worker_for(const struct daemon *daemon, enum method_place place)
{
	return place == METHOD_CHANGE ? daemon->changes : daemon->scans;
}

static int hand_over(struct daemon *daemon, const struct method *method,
		     struct varlink_request *request, struct call *call, char terminator,
		     struct job **ret_job)
{
	struct deed *d = deed_new(daemon, method->name, method->place);

	if (!d)
		return -ENOMEM;
	d->handler = method->handler;
	d->terminator = terminator;
	d->request = *request;
	*request = (struct varlink_request){ 0 };
	call->is_cancelled = d->call.is_cancelled;
	d->call = *call;
	*call = (struct call){ 0 };
	*ret_job = &d->job;
	worker_add(worker_for(daemon, method->place), &d->job);
	return 0;
}

static int dispatch(struct daemon *daemon, struct varlink_request *request, struct call *call,
		    char terminator, struct answer *answer, struct job **ret_job)
{
	_cleanup_(fault_done) struct fault fault = { 0 };
	const struct method *method = find_method(request->method);
	int r;

	r = method ? check_peer(method, &call->peer, &fault) : 0;
	if (r >= 0)
		r = check_args(daemon, request, call->args, &fault);
	if (r >= 0 && !method)
		r = fault_service(&fault, REASON_METHOD_NOT_IMPLEMENTED, request->method);
	if (r >= 0) {
		audit(method, call);
		if (method->place != METHOD_LOOK)
			return hand_over(daemon, method, request, call, terminator, ret_job);
		r = run_handler(daemon, METHOD_LOOK, method->handler, call, &fault);
	}
	return put_outcome(answer, request->method, r, call, &fault, terminator);
}

int methods_dispatch(struct daemon *daemon, const struct peer *peer,
		     struct varlink_request *request, struct fds *fds, char terminator,
		     struct answer *ret_answer, struct job **ret_job)
{
	_cleanup_(call_done) struct call call = {
		.daemon = daemon,
		.peer = *peer,
		.more = request->more,
		.fds_in = *fds,
	};
	int r;

	*fds = (struct fds){ 0 };
	*ret_answer = (struct answer){ 0 };
	*ret_job = NULL;
	call.args = request->parameters ? json_object_get(request->parameters) :
					  json_object_new_object();
	r = dispatch(daemon, request, &call, terminator, ret_answer, ret_job);
	varlink_request_done(request);
	return r;
}

int methods_step(struct daemon *daemon, struct stream *stream, char terminator,
		 struct answer *ret_answer, struct job **ret_job)
{
	struct deed *d;

	*ret_answer = (struct answer){ 0 };
	*ret_job = NULL;
	if (stream->place == METHOD_LOOK)
		return run_step(daemon, stream, terminator, ret_answer);
	d = deed_new(daemon, "stream", stream->place);
	if (!d)
		return -ENOMEM;
	d->step = *stream;
	*stream = (struct stream){ 0 };
	d->terminator = terminator;
	*ret_job = &d->job;
	worker_add(worker_for(daemon, d->place), &d->job);
	return 0;
}

void methods_cancel(struct daemon *daemon, struct job *job)
{
	struct deed *d = (struct deed *)job;

	job->owner = NULL;
	(void)worker_cancel(worker_for(daemon, d->place), job);
}

void methods_result(struct job *job, struct answer *ret_answer)
{
	struct deed *d = (struct deed *)job;

	*ret_answer = d->answer;
	d->answer = (struct answer){ 0 };
	job->free(job);
}

void methods_background(struct daemon *daemon, const char *what,
			int (*handler)(struct call *call, struct fault *fault),
			struct json_object *args)
{
	struct deed *d = deed_new(daemon, what, METHOD_CHANGE);

	if (!d) {
		json_object_put(args);
		return;
	}
	d->call.args = args ?: json_object_new_object();
	d->handler = handler;
	worker_add(daemon->changes, &d->job);
}

const char *arg_string(const struct call *call, const char *name)
{
	struct json_object *value = NULL;

	json_object_object_get_ex(call->args, name, &value);
	return value ? json_object_get_string(value) : NULL;
}

bool arg_bool(const struct call *call, const char *name)
{
	struct json_object *value = NULL;

	json_object_object_get_ex(call->args, name, &value);
	return value && json_object_get_boolean(value);
}

int arg_int(const struct call *call, const char *name, int64_t min, int64_t max,
	    int64_t otherwise, int64_t *ret_value, struct fault *fault)
{
	struct json_object *value = NULL;

	*ret_value = otherwise;
	json_object_object_get_ex(call->args, name, &value);
	if (!value)
		return 0;
	*ret_value = json_object_get_int64(value);
	if (*ret_value < min || *ret_value > max)
		return fault_service(fault, REASON_INVALID_PARAMETER, name);
	return 0;
}

int arg_handle(const struct call *call, const char *name, int *ret_fd, struct fault *fault)
{
	int64_t place;
	int r;

	*ret_fd = -1;
	r = arg_int(call, name, 0, FDS_MAX, -1, &place, fault);
	if (r < 0 || place < 0)
		return r;
	if ((uint64_t)place >= call->fds_in.nr)
		return fault_service(fault, REASON_INVALID_PARAMETER, name);
	*ret_fd = call->fds_in.items[place];
	return 0;
}

int put_handle(struct call *call, struct json_object *o, const char *name, int fd)
{
	if (call->fds_out.nr == FDS_MAX) {
		close(fd);
		return -EMFILE;
	}
	put_u64(o, name, call->fds_out.nr);
	call->fds_out.items[call->fds_out.nr++] = fd;
	return 0;
}

void put_string(struct json_object *o, const char *name, const char *value)
{
	json_object_object_add(o, name, value ? json_object_new_string(value) : NULL);
}

void put_u64(struct json_object *o, const char *name, uint64_t value)
{
	json_object_object_add(o, name, json_object_new_int64((int64_t)value));
}
