// SPDX-License-Identifier: GPL-2.0-only
/*
 * What does the text of an interface declare?  Recursive descent over the
 * grammar of Varlink's interface definitions; comments are skipped.
 */
#include "schema.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

enum {
	TYPE_DEPTH_MAX = 8,
};

struct parser {
	const char *text;
	const char *at;
	unsigned int depth;
};

static int parse_type(struct parser *p, struct schema_type *ret);

static void type_done(struct schema_type *type)
{
	for (size_t i = 0; i < type->nr_fields; i++) {
		free(type->fields[i].name);
		type_done(&type->fields[i].type);
	}
	free(type->fields);
	if (type->element)
		type_done(type->element);
	free(type->element);
	free(type->name);
	*type = (struct schema_type){ 0 };
}

void schema_free(struct schema *schema)
{
	if (!schema)
		return;
	for (size_t i = 0; i < schema->nr_members; i++) {
		free(schema->members[i].name);
		type_done(&schema->members[i].in);
		type_done(&schema->members[i].out);
	}
	free(schema->members);
	free(schema->interface);
	free(schema);
}

void schema_freep(struct schema **schema)
{
	schema_free(*schema);
}

static void skip(struct parser *p)
{
	for (;;) {
		while (isspace((unsigned char)*p->at))
			p->at++;
		if (*p->at != '#')
			return;
		p->at += strcspn(p->at, "\n");
	}
}

static bool take(struct parser *p, const char *token)
{
	size_t len = strlen(token);

	skip(p);
	if (strncmp(p->at, token, len) != 0)
		return false;
	p->at += len;
	return true;
}

static size_t word_len(const char *at, const char *extra)
{
	size_t len = 0;

	while (isalnum((unsigned char)at[len]) || (at[len] && strchr(extra, at[len])))
		len++;
	return len;
}

static int take_name(struct parser *p, const char *extra, char **ret_name)
{
	size_t len;

	skip(p);
	len = word_len(p->at, extra);
	if (len == 0 || !isalpha((unsigned char)*p->at))
		return -EBADMSG;
	*ret_name = strndup(p->at, len);
	if (!*ret_name)
		return -ENOMEM;
	p->at += len;
	return 0;
}

static struct schema_field *add_field(struct schema_type *type)
{
	struct schema_field *fields;

	fields = realloc(type->fields, (type->nr_fields + 1) * sizeof(*fields));
	if (!fields)
		return NULL;
	type->fields = fields;
	fields[type->nr_fields] = (struct schema_field){ 0 };
	return &fields[type->nr_fields++];
}

static bool has_field(const struct schema_type *type, const char *name, size_t nr_fields)
{
	for (size_t i = 0; i < nr_fields; i++)
		if (strcmp(type->fields[i].name, name) == 0)
			return true;
	return false;
}

/* "name: type" of a struct, or a bare "name" of an enum; the first field decides which. */
static int parse_field(struct parser *p, struct schema_type *type)
{
	struct schema_field *field = add_field(type);
	bool has_type;
	int r;

	if (!field)
		return -ENOMEM;
	r = take_name(p, "_", &field->name);
	if (r < 0) {
		type->nr_fields--;
		return r;
	}
	if (has_field(type, field->name, type->nr_fields - 1))
		return -EEXIST;
	has_type = take(p, ":");
	if (type->nr_fields == 1)
		type->kind = has_type ? SCHEMA_STRUCT : SCHEMA_ENUM;
	if (has_type != (type->kind == SCHEMA_STRUCT))
		return -EBADMSG;
	return has_type ? parse_type(p, &field->type) : 0;
}

static int parse_fields(struct parser *p, struct schema_type *ret)
{
	int r;

	ret->kind = SCHEMA_STRUCT;
	if (!take(p, "("))
		return -EBADMSG;
	if (take(p, ")"))
		return 0;
	do {
		r = parse_field(p, ret);
		if (r < 0)
			return r;
	} while (take(p, ","));
	return take(p, ")") ? 0 : -EBADMSG;
}

static int parse_element(struct parser *p, enum schema_kind kind, struct schema_type *ret)
{
	ret->kind = kind;
	ret->element = calloc(1, sizeof(*ret->element));
	if (!ret->element)
		return -ENOMEM;
	return parse_type(p, ret->element);
}

static int parse_word(struct parser *p, struct schema_type *ret)
{
	static const struct {
		const char *word;
		enum schema_kind kind;
	} words[] = {
		{ "bool", SCHEMA_BOOL }, { "int", SCHEMA_INT }, { "float", SCHEMA_FLOAT },
		{ "string", SCHEMA_STRING }, { "object", SCHEMA_OBJECT },
	};
	int r;

	r = take_name(p, "", &ret->name);
	if (r < 0)
		return r;
	ret->kind = SCHEMA_NAMED;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcmp(ret->name, words[i].word) == 0)
			ret->kind = words[i].kind;
	return ret->kind == SCHEMA_NAMED && !isupper((unsigned char)*ret->name) ? -EBADMSG : 0;
}

static int parse_type(struct parser *p, struct schema_type *ret)
{
	int r;

	if (p->depth == TYPE_DEPTH_MAX)
		return -EBADMSG;
	p->depth++;
	ret->is_nullable = take(p, "?");
	if (take(p, "[string]"))
		r = parse_element(p, SCHEMA_MAP, ret);
	else if (take(p, "[]"))
		r = parse_element(p, SCHEMA_ARRAY, ret);
	else if (take(p, "("))
		r = (p->at--, parse_fields(p, ret));
	else
		r = parse_word(p, ret);
	p->depth--;
	return r;
}

static int parse_shape(struct parser *p, struct schema_member *member)
{
	int r;

	r = parse_fields(p, &member->in);
	if (r < 0 || member->kind != SCHEMA_MEMBER_METHOD)
		return r;
	return take(p, "->") ? parse_fields(p, &member->out) : -EBADMSG;
}

static int parse_member(struct parser *p, struct schema *schema)
{
	static const char *const keywords[] = {
		[SCHEMA_MEMBER_TYPE] = "type",
		[SCHEMA_MEMBER_METHOD] = "method",
		[SCHEMA_MEMBER_ERROR] = "error",
	};
	_cleanup_(freep) char *keyword = NULL;
	struct schema_member *members, *m;
	size_t kind = 0;
	int r;

	r = take_name(p, "", &keyword);
	if (r < 0)
		return r;
	while (kind < ARRAY_SIZE(keywords) && strcmp(keyword, keywords[kind]) != 0)
		kind++;
	if (kind == ARRAY_SIZE(keywords))
		return -EBADMSG;
	members = realloc(schema->members, (schema->nr_members + 1) * sizeof(*members));
	if (!members)
		return -ENOMEM;
	schema->members = members;
	m = &members[schema->nr_members++];
	*m = (struct schema_member){ .kind = (enum schema_member_kind)kind };
	r = take_name(p, "", &m->name);
	if (r < 0)
		return r;
	for (size_t i = 0; i + 1 < schema->nr_members; i++)
		if (strcmp(members[i].name, m->name) == 0)
			return -EEXIST;
	return parse_shape(p, m);
}

/* Every type that is used must be declared, wherever in the text. */
static bool is_whole(const struct schema *schema, const struct schema_type *type)
{
	if (type->kind == SCHEMA_NAMED)
		return schema_find(schema, SCHEMA_MEMBER_TYPE, type->name) != NULL;
	if (type->element)
		return is_whole(schema, type->element);
	for (size_t i = 0; type->kind == SCHEMA_STRUCT && i < type->nr_fields; i++)
		if (!is_whole(schema, &type->fields[i].type))
			return false;
	return true;
}

static int parse_interface(struct parser *p, struct schema *schema)
{
	_cleanup_(freep) char *keyword = NULL;
	int r;

	r = take_name(p, "", &keyword);
	if (r < 0)
		return r;
	if (strcmp(keyword, "interface") != 0)
		return -EBADMSG;
	r = take_name(p, ".-", &schema->interface);
	if (r < 0)
		return r;
	for (skip(p); *p->at; skip(p)) {
		r = parse_member(p, schema);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < schema->nr_members; i++)
		if (!is_whole(schema, &schema->members[i].in) ||
		    !is_whole(schema, &schema->members[i].out))
			return -EBADMSG;
	return 0;
}

int schema_parse(const char *text, struct schema **ret_schema, unsigned int *ret_line)
{
	_cleanup_(schema_freep) struct schema *schema = NULL;
	struct parser p = { .text = text, .at = text };
	int r;

	schema = calloc(1, sizeof(*schema));
	if (!schema)
		return -ENOMEM;
	schema->text = text;
	r = parse_interface(&p, schema);
	if (r < 0) {
		if (ret_line) {
			*ret_line = 1;
			for (const char *c = text; c < p.at; c++)
				*ret_line += *c == '\n';
		}
		return r;
	}
	*ret_schema = TAKE_PTR(schema);
	return 0;
}
