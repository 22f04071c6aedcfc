// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where does a Varlink message end, what does it ask, and how is one answered?
 */
#include "varlink.h"

#include <errno.h>
#include <string.h>

#include <json-c/json_tokener.h>

#include "strict.h"

static void look_at(struct varlink_framer *f, char c)
{
	if (f->in_string) {
		if (f->escaped)
			f->escaped = false;
		else if (c == '\\')
			f->escaped = true;
		else if (c == '"')
			f->in_string = false;
		return;
	}
	if (c == '"')
		f->in_string = true;
	else if (c == '{' || c == '[')
		f->depth++;
	else if (c == '}' || c == ']')
		f->depth--;
	if (c != ' ' && c != '\t' && c != '\r' && c != '\n')
		f->has_text = true;
}

/* A blank line ends nothing; a newline within a message laid out for people neither. */
static bool ends_here(const struct varlink_framer *f, char c)
{
	return c == '\0' || (c == '\n' && f->has_text && !f->in_string && f->depth <= 0);
}

int varlink_frame(struct varlink_framer *framer, const char *buf, size_t len_bytes,
		  size_t *ret_len_bytes, char *ret_terminator)
{
	for (; framer->pos < len_bytes; framer->pos++) {
		char c = buf[framer->pos];

		if (ends_here(framer, c)) {
			*ret_len_bytes = framer->pos;
			*ret_terminator = c;
			*framer = (struct varlink_framer){ 0 };
			return 1;
		}
		if (framer->pos >= VARLINK_MESSAGE_MAX_BYTES)
			return -EMSGSIZE;
		look_at(framer, c);
	}
	return 0;
}

static int parse_json(const char *text, size_t len_bytes, struct json_object **ret)
{
	struct json_tokener *tokener;
	struct json_object *o;
	enum json_tokener_error e;
	int r;

	r = strict_check(text, len_bytes);
	if (r < 0)
		return r;
	tokener = json_tokener_new_ex(STRICT_DEPTH_MAX + 1);
	if (!tokener)
		return -ENOMEM;
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	o = json_tokener_parse_ex(tokener, text, (int)len_bytes);
	e = json_tokener_get_error(tokener);
	json_tokener_free(tokener);
	if (e != json_tokener_success || !json_object_is_type(o, json_type_object)) {
		json_object_put(o);
		return -EBADMSG;
	}
	*ret = o;
	return 0;
}

static int take_field(struct varlink_request *request, const char *key, struct json_object *value)
{
	if (strcmp(key, "method") == 0 && json_object_is_type(value, json_type_string))
		request->method = json_object_get_string(value);
	else if (strcmp(key, "parameters") == 0 &&
		 (!value || json_object_is_type(value, json_type_object)))
		request->parameters = value;
	else if (strcmp(key, "more") == 0 && json_object_is_type(value, json_type_boolean))
		request->more = json_object_get_boolean(value);
	else if (strcmp(key, "oneway") == 0 && json_object_is_type(value, json_type_boolean))
		request->oneway = json_object_get_boolean(value);
	else if (strcmp(key, "upgrade") == 0 && json_object_is_type(value, json_type_boolean))
		request->upgrade = json_object_get_boolean(value);
	else
		return -EBADMSG;
	return 0;
}

int varlink_parse(const char *text, size_t len_bytes, struct varlink_request *ret_request)
{
	_cleanup_(varlink_request_done) struct varlink_request request = { 0 };
	int r;

	if (len_bytes > VARLINK_MESSAGE_MAX_BYTES)
		return -EMSGSIZE;
	r = parse_json(text, len_bytes, &request.message);
	if (r < 0)
		return r;
	json_object_object_foreach(request.message, key, value) {
		r = take_field(&request, key, value);
		if (r < 0)
			return r;
	}
	if (!request.method || (request.more && request.oneway))
		return -EBADMSG;
	*ret_request = request;
	request = (struct varlink_request){ 0 };
	return 0;
}

void varlink_request_done(struct varlink_request *request)
{
	json_object_put(request->message);
	*request = (struct varlink_request){ 0 };
}

size_t varlink_split(const char *method)
{
	const char *dot = strrchr(method, '.');

	return dot && dot[1] ? (size_t)(dot - method) : 0;
}

struct json_object *varlink_reply(struct json_object *parameters, bool continues)
{
	struct json_object *message = json_object_new_object();

	json_object_object_add(message, "parameters", parameters ?: json_object_new_object());
	if (continues)
		json_object_object_add(message, "continues", json_object_new_boolean(true));
	return message;
}

struct json_object *varlink_error(const char *name, struct json_object *parameters)
{
	struct json_object *message = json_object_new_object();

	json_object_object_add(message, "error", json_object_new_string(name));
	json_object_object_add(message, "parameters", parameters ?: json_object_new_object());
	return message;
}

int varlink_encode(struct json_object *message, char terminator, char **ret_text,
		   size_t *ret_len_bytes)
{
	const char *text;
	size_t len;
	char *copy;

	text = json_object_to_json_string_length(message,
			JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
	if (!text)
		return -ENOMEM;
	copy = malloc(len + 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, text, len);
	copy[len] = terminator;
	*ret_text = copy;
	*ret_len_bytes = len + 1;
	return 0;
}
