/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What does an interface declare, and does a value fit the declaration?
 *
 *   schema ── members: type | method | error
 *                        └── in, out: schema_type, a struct of fields
 *                                       └── field: name, schema_type
 */
#ifndef BPFSNAP_SCHEMA_H
#define BPFSNAP_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>

#include "cleanup.h"

enum schema_kind {
	SCHEMA_BOOL,
	SCHEMA_INT,
	SCHEMA_FLOAT,
	SCHEMA_STRING,
	SCHEMA_OBJECT,	/* any object */
	SCHEMA_STRUCT,	/* of @fields */
	SCHEMA_ENUM,	/* one of the names of @fields */
	SCHEMA_NAMED,	/* the type @name of the same interface */
	SCHEMA_ARRAY,	/* of @element */
	SCHEMA_MAP,	/* from string to @element */
};

struct schema_type {
	enum schema_kind kind;
	bool is_nullable;
	char *name;
	struct schema_type *element;
	struct schema_field *fields;
	size_t nr_fields;
};

struct schema_field {
	char *name;
	struct schema_type type;
};

enum schema_member_kind {
	SCHEMA_MEMBER_TYPE,
	SCHEMA_MEMBER_METHOD,
	SCHEMA_MEMBER_ERROR,
};

/**
 * struct schema_member - what an interface names
 * @in: a method's arguments, an error's parameters, a type's shape
 * @out: a method's results
 */
struct schema_member {
	enum schema_member_kind kind;
	char *name;
	struct schema_type in;
	struct schema_type out;
};

struct schema {
	const char *text;	/* as parsed; belongs to the caller */
	char *interface;
	struct schema_member *members;
	size_t nr_members;
};

/**
 * schema_parse - read the text of one interface
 * @text: stays with the caller and must outlive the schema
 * @ret_line: may be NULL; the line that was not understood
 *
 * Return: 0, -EBADMSG, -EEXIST for a name declared twice, or -ENOMEM.
 */
int schema_parse(const char *text, struct schema **ret_schema, unsigned int *ret_line);
void schema_free(struct schema *schema);
void schema_freep(struct schema **schema);

/** schema_find - Return: the member, or NULL */
const struct schema_member *schema_find(const struct schema *schema,
					enum schema_member_kind kind, const char *name);

/**
 * schema_check - does a value fit its declaration?
 * @value: NULL is JSON's null
 * @ret_name: the innermost field that does not fit, "" if it is the value itself;
 *            belongs to @schema or @value
 *
 * A field may be absent if it is nullable.  A field that is not declared does not fit.
 *
 * Return: 0 or -EINVAL.
 */
int schema_check(const struct schema *schema, const struct schema_type *type,
		 struct json_object *value, const char **ret_name);

#endif /* BPFSNAP_SCHEMA_H */
