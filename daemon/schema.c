// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does a value fit its declaration in the interface?
 */
#include "schema.h"

#include <errno.h>
#include <string.h>

const struct schema_member *schema_find(const struct schema *schema,
					enum schema_member_kind kind, const char *name)
{
	for (size_t i = 0; i < schema->nr_members; i++) {
		const struct schema_member *m = &schema->members[i];

		if (m->kind == kind && strcmp(m->name, name) == 0)
			return m;
	}
	return NULL;
}

static const struct schema_field *find_field(const struct schema_type *type, const char *name)
{
	for (size_t i = 0; i < type->nr_fields; i++)
		if (strcmp(type->fields[i].name, name) == 0)
			return &type->fields[i];
	return NULL;
}

static int check_struct(const struct schema *schema, const struct schema_type *type,
			struct json_object *value, const char **ret_name)
{
	int r;

	if (!json_object_is_type(value, json_type_object))
		return -EINVAL;
	json_object_object_foreach(value, key, unused) {
		(void)unused;
		if (!find_field(type, key)) {
			*ret_name = key;
			return -EINVAL;
		}
	}
	for (size_t i = 0; i < type->nr_fields; i++) {
		const struct schema_field *field = &type->fields[i];
		struct json_object *v = NULL;
		const char *inner = "";

		json_object_object_get_ex(value, field->name, &v);
		r = schema_check(schema, &field->type, v, &inner);
		if (r < 0) {
			*ret_name = *inner ? inner : field->name;
			return r;
		}
	}
	return 0;
}

static int check_array(const struct schema *schema, const struct schema_type *type,
		       struct json_object *value, const char **ret_name)
{
	int r;

	if (!json_object_is_type(value, json_type_array))
		return -EINVAL;
	for (size_t i = 0; i < json_object_array_length(value); i++) {
		r = schema_check(schema, type->element, json_object_array_get_idx(value, i),
				 ret_name);
		if (r < 0)
			return r;
	}
	return 0;
}

static int check_map(const struct schema *schema, const struct schema_type *type,
		     struct json_object *value, const char **ret_name)
{
	int r;

	if (!json_object_is_type(value, json_type_object))
		return -EINVAL;
	json_object_object_foreach(value, key, v) {
		(void)key;
		r = schema_check(schema, type->element, v, ret_name);
		if (r < 0)
			return r;
	}
	return 0;
}

/* A NUL within would let what we check differ from what we use. */
static bool is_plain_string(struct json_object *value)
{
	return json_object_is_type(value, json_type_string) &&
	       strlen(json_object_get_string(value)) == (size_t)json_object_get_string_len(value);
}

static bool is_a(json_type type, struct json_object *value)
{
	return json_object_is_type(value, type);
}

int schema_check(const struct schema *schema, const struct schema_type *type,
		 struct json_object *value, const char **ret_name)
{
	const struct schema_member *named;

	*ret_name = "";
	if (!value)
		return type->is_nullable ? 0 : -EINVAL;
	switch (type->kind) {
	case SCHEMA_BOOL:
		return is_a(json_type_boolean, value) ? 0 : -EINVAL;
	case SCHEMA_INT:
		return is_a(json_type_int, value) ? 0 : -EINVAL;
	case SCHEMA_FLOAT:
		return is_a(json_type_int, value) || is_a(json_type_double, value) ? 0 : -EINVAL;
	case SCHEMA_STRING:
		return is_plain_string(value) ? 0 : -EINVAL;
	case SCHEMA_OBJECT:
		return is_a(json_type_object, value) ? 0 : -EINVAL;
	case SCHEMA_STRUCT:
		return check_struct(schema, type, value, ret_name);
	case SCHEMA_ENUM:
		return is_plain_string(value) &&
		       find_field(type, json_object_get_string(value)) ? 0 : -EINVAL;
	case SCHEMA_NAMED:
		named = schema_find(schema, SCHEMA_MEMBER_TYPE, type->name);
		return named ? schema_check(schema, &named->in, value, ret_name) : -EINVAL;
	case SCHEMA_ARRAY:
		return check_array(schema, type, value, ret_name);
	case SCHEMA_MAP:
		return check_map(schema, type, value, ret_name);
	}
	return -EINVAL;
}
