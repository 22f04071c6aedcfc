// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * How does a reply become a structure, and a structure a call?  What a reply lacks or has
 * of another type is never made up.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "lib.h"

static int take_text(struct json_object *o, bool is_needed, char **to)
{
	if (!o)
		return is_needed ? -EBADMSG : 0;
	if (!json_object_is_type(o, json_type_string))
		return -EBADMSG;
	*to = strdup(json_object_get_string(o));
	return *to ? 0 : -ENOMEM;
}

static int take_number(struct json_object *o, bool is_needed, uint64_t without, uint64_t *to)
{
	*to = without;
	if (!o)
		return is_needed ? -EBADMSG : 0;
	if (!json_object_is_type(o, json_type_int) || json_object_get_int64(o) < 0)
		return -EBADMSG;
	*to = (uint64_t)json_object_get_int64(o);
	return 0;
}

static int take_bool(struct json_object *o, bool is_needed, bool *to)
{
	if (!o)
		return is_needed ? -EBADMSG : 0;
	if (!json_object_is_type(o, json_type_boolean))
		return -EBADMSG;
	*to = json_object_get_boolean(o);
	return 0;
}

static int take_state(struct json_object *o, bool *to)
{
	const char *state;

	if (!json_object_is_type(o, json_type_string))
		return -EBADMSG;
	state = json_object_get_string(o);
	*to = strcmp(state, "ok") != 0 && strcmp(state, "verified") != 0;
	return 0;
}

int fields_take(struct json_object *from, const struct field *fields, size_t nr, void *to)
{
	int r = json_object_is_type(from, json_type_object) ? 0 : -EBADMSG;

	for (size_t i = 0; r == 0 && i < nr; i++) {
		struct json_object *o = json_object_object_get(from, fields[i].name);
		void *at = (char *)to + fields[i].offset;

		switch (fields[i].kind) {
		case FIELD_STRING:
		case FIELD_STRING_OR_NULL:
			r = take_text(o, fields[i].kind == FIELD_STRING, at);
			break;
		case FIELD_NUMBER:
		case FIELD_NUMBER_OR_MAX:
		case FIELD_NUMBER_OR_ZERO:
			r = take_number(o, fields[i].kind == FIELD_NUMBER,
					fields[i].kind == FIELD_NUMBER_OR_ZERO ? 0 : UINT64_MAX, at);
			break;
		case FIELD_BOOL:
		case FIELD_BOOL_OR_FALSE:
			r = take_bool(o, fields[i].kind == FIELD_BOOL, at);
			break;
		case FIELD_UNCERTAIN:
			r = take_state(o, at);
			break;
		}
	}
	return r;
}

void fields_free(const struct field *fields, size_t nr, void *of)
{
	for (size_t i = 0; i < nr; i++) {
		char **text = (char **)((char *)of + fields[i].offset);

		if (fields[i].kind != FIELD_STRING && fields[i].kind != FIELD_STRING_OR_NULL)
			continue;
		free(*text);
		*text = NULL;
	}
}

int kind_take(const struct kind *kind, struct json_object *from, void **ret)
{
	void *one = calloc(1, kind->size_bytes);
	int r;

	if (!one)
		return -ENOMEM;
	r = fields_take(from, kind->fields, kind->nr_fields, one);
	if (r == 0 && kind->take_rest)
		r = kind->take_rest(from, one);
	if (r < 0)
		kind_free(kind, one);
	else
		*ret = one;
	return r;
}

void kind_free(const struct kind *kind, void *one)
{
	if (!one)
		return;
	if (kind->free_rest)
		kind->free_rest(one);
	fields_free(kind->fields, kind->nr_fields, one);
	free(one);
}

int kind_take_list(const struct kind *kind, struct json_object *from, void ***ret)
{
	size_t nr;
	void **list;

	if (!json_object_is_type(from, json_type_array))
		return -EBADMSG;
	nr = json_object_array_length(from);
	if (nr > INT_MAX)
		return -EBADMSG;
	list = calloc(nr + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < nr; i++) {
		int r = kind_take(kind, json_object_array_get_idx(from, i), &list[i]);

		if (r < 0) {
			kind_free_list(kind, list);
			return r;
		}
	}
	*ret = list;
	return (int)nr;
}

void kind_free_list(const struct kind *kind, void **list)
{
	for (size_t i = 0; list && list[i]; i++)
		kind_free(kind, list[i]);
	free(list);
}

int kind_call(struct bpfsnap *bpfsnap, const char *method, struct json_object *parameters,
	      const char *member, const struct kind *kind, void **ret,
	      struct bpfsnap_error **ret_error)
{
	struct json_object *reply = NULL;
	int r;

	*ret = NULL;
	r = handle_call(bpfsnap, method, parameters, &reply, ret_error);
	if (r < 0)
		return r;
	r = kind_take(kind, member ? json_object_object_get(reply, member) : reply, ret);
	json_object_put(reply);
	return r < 0 ? error_local(ret_error, r, method) : 0;
}

int kind_call_list(struct bpfsnap *bpfsnap, const char *method, struct json_object *parameters,
		   const char *member, const struct kind *kind, void ***ret,
		   struct bpfsnap_error **ret_error)
{
	struct json_object *reply = NULL;
	int r;

	*ret = NULL;
	r = handle_call(bpfsnap, method, parameters, &reply, ret_error);
	if (r < 0)
		return r;
	r = kind_take_list(kind, json_object_object_get(reply, member), ret);
	json_object_put(reply);
	return r < 0 ? error_local(ret_error, r, method) : r;
}

void put_text(struct json_object *o, const char *name, const char *value)
{
	if (value)
		json_object_object_add(o, name, json_object_new_string(value));
}

void put_any_number(struct json_object *o, const char *name, uint64_t value)
{
	/* What does not fit becomes a number that the daemon refuses. */
	json_object_object_add(o, name, json_object_new_int64(
		value > INT64_MAX ? -1 : (int64_t)value));
}

void put_number(struct json_object *o, const char *name, uint64_t value)
{
	if (value)
		put_any_number(o, name, value);
}

void put_true(struct json_object *o, const char *name, bool value)
{
	if (value)
		json_object_object_add(o, name, json_object_new_boolean(true));
}

void put_texts(struct json_object *o, const char *name, const char *const *values, size_t nr)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < nr; i++)
		json_object_array_add(array, json_object_new_string(values[i]));
	json_object_object_add(o, name, array);
}

int options_take(const void *options, size_t first_size, size_t size, void *ret,
		 struct bpfsnap_error **ret_error)
{
	const size_t given = *(const size_t *)options;
	bool is_known = given >= first_size;

	for (size_t i = size; is_known && i < given; i++)
		is_known = ((const char *)options)[i] == 0;
	if (!is_known)
		return error_make(ret_error, BPFSNAP_REASON_INVALID_PARAMETER, "size",
				  "The options were not made by BPFSNAP_INIT, or are of a later release.");
	memset(ret, 0, size);
	memcpy(ret, options, given < size ? given : size);
	return 0;
}

struct json_object *one_text(const char *name, const char *value)
{
	struct json_object *o = json_object_new_object();

	if (o)
		put_text(o, name, value);
	return o;
}
