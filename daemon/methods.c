// SPDX-License-Identifier: GPL-2.0-only
/*
 * What can be asked of the daemon, and what serves it?  Every call comes by
 * here: its arguments are checked before its handler sees them, and what went
 * wrong is logged and answered here, once.
 */
#include "methods.h"

#include <errno.h>
#include <string.h>

#include "interface.h"
#include "log.h"

static const struct {
	const char *name;
	int (*handler)(struct call *call, struct fault *fault);
} methods[] = {
#define METHOD(interface, name, handler) { interface "." #name, handler },
#include "methods.def"
#undef METHOD
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

static int serve(const struct varlink_request *request, struct call *call, struct fault *fault)
{
	int r;

	r = check_args(call->daemon, request, call->args, fault);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
		if (strcmp(methods[i].name, request->method) == 0)
			return methods[i].handler(call, fault);
	return fault_service(fault, REASON_METHOD_NOT_IMPLEMENTED, request->method);
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

void methods_dispatch(struct daemon *daemon, const struct varlink_request *request,
		      struct json_object **ret_reply, struct stream *ret_stream)
{
	_cleanup_(json_putp) struct json_object *args = NULL;
	_cleanup_(fault_done) struct fault fault = { 0 };
	struct call call = { .daemon = daemon, .more = request->more };
	int r;

	args = request->parameters ? json_object_get(request->parameters) :
				     json_object_new_object();
	call.args = args;
	*ret_reply = NULL;
	*ret_stream = (struct stream){ 0 };
	r = serve(request, &call, &fault);
	if (r < 0)
		*ret_reply = answer_fault(request->method, r, &fault);
	else if (call.stream.next)
		*ret_stream = call.stream;
	else
		*ret_reply = varlink_reply(call.reply, false);
}

struct json_object *methods_stream_next(struct stream *stream, bool *ret_continues)
{
	_cleanup_(fault_done) struct fault fault = { 0 };
	struct json_object *reply = NULL;
	int r;

	*ret_continues = false;
	r = stream->next(stream->state, &reply, ret_continues, &fault);
	if (r < 0) {
		*ret_continues = false;
		return answer_fault("stream", r, &fault);
	}
	return varlink_reply(reply, *ret_continues);
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

void put_string(struct json_object *o, const char *name, const char *value)
{
	json_object_object_add(o, name, value ? json_object_new_string(value) : NULL);
}

void put_u64(struct json_object *o, const char *name, uint64_t value)
{
	json_object_object_add(o, name, json_object_new_int64((int64_t)value));
}
