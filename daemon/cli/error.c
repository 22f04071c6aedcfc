// SPDX-License-Identifier: GPL-2.0-only
/*
 * What went wrong, how is it told, and with which status does the command end?
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

static const struct {
	const char *name;
	enum cli_exit status;
} exits[] = {
#define ERROR(name, status) { #name, status },
#include "errors.def"
#undef ERROR
};

enum cli_exit cli_exit_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(exits); i++) {
		if (!strcmp(exits[i].name, name))
			return exits[i].status;
	}
	return EXIT_FAILED;
}

void cli_warn(const char *text, ...)
{
	va_list ap;

	va_start(ap, text);
	fputs("bpfsnap: ", stderr);
	vfprintf(stderr, text, ap);
	fputc('\n', stderr);
	va_end(ap);
}

/* Members must not be shared: name and reason are put in front of them. */
static void remember(struct cli *cli, const char *name, const char *reason,
		     struct json_object *members)
{
	struct json_object *error;

	if (cli->error)
		return;
	error = json_object_new_object();
	json_object_object_add(error, "name", json_object_new_string(name));
	json_object_object_add(error, "reason", json_object_new_string(reason));
	if (members) {
		json_object_object_foreach(members, key, value) {
			if (!json_object_object_get_ex(error, key, NULL))
				json_object_object_add(error, key, json_object_get(value));
		}
	}
	cli->error = error;
}

static int fail_va(struct cli *cli, const char *name, struct json_object *members,
		   const char *reason, va_list ap)
{
	_cleanup_free_ char *text = NULL;

	if (vasprintf(&text, reason, ap) < 0)
		text = NULL;
	cli_warn("%s", text ?: name);
	remember(cli, name, text ?: name, members);
	json_object_put(members);
	return -ECANCELED;
}

int cli_fail(struct cli *cli, const char *name, struct json_object *members,
	     const char *reason, ...)
{
	va_list ap;
	int r;

	va_start(ap, reason);
	r = fail_va(cli, name, members, reason, ap);
	va_end(ap);
	return r;
}

int cli_fail_errno(struct cli *cli, int r, const char *operation, const char *object)
{
	struct json_object *members = json_object_new_object();
	const char *name = "SystemFailure";

	if (r == -ENOENT)
		name = "FileNotFound";
	else if (r == -EACCES || r == -EPERM)
		name = "PermissionDenied";
	member_add_string(members, "operation", operation);
	member_add_string(members, "path", object);
	member_add_number(members, "errno", -r);
	return cli_fail(cli, name, members, "%s %s: %s", operation, object, strerror(-r));
}

int cli_usage(struct cli *cli, const char *reason, ...)
{
	_cleanup_free_ char *text = NULL;
	const struct cli_command *command = cli->command;
	va_list ap;

	va_start(ap, reason);
	if (vasprintf(&text, reason, ap) < 0)
		text = NULL;
	va_end(ap);
	if (!command)
		return cli_fail(cli, "Usage", NULL, "%s; try 'bpfsnap --help'", text ?: "usage");
	return cli_fail(cli, "Usage", NULL, "%s%s%s: %s; try 'bpfsnap %s%s%s --help'",
			command->noun, command->verb ? " " : "", command->verb ?: "",
			text ?: "usage",
			command->noun, command->verb ? " " : "", command->verb ?: "");
}

void cli_print_error(struct cli *cli)
{
	_cleanup_json_ struct json_object *document = NULL;

	if (!cli->json || !cli->error)
		return;
	document = json_object_new_object();
	json_object_object_add(document, "error", json_object_get(cli->error));
	puts(json_object_to_json_string_ext(document, JSON_C_TO_STRING_SPACED |
					    JSON_C_TO_STRING_NOSLASHESCAPE));
}

bool member_string(struct json_object *object, const char *key, const char **ret)
{
	struct json_object *value = json_object_object_get(object, key);

	if (!json_object_is_type(value, json_type_string))
		return false;
	*ret = json_object_get_string(value);
	return true;
}

bool member_number(struct json_object *object, const char *key, uint64_t *ret)
{
	struct json_object *value = json_object_object_get(object, key);

	/* json-c clamps what does not fit: too large for us in either case */
	if (!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 0 ||
	    json_object_get_uint64(value) > INT64_MAX)
		return false;
	*ret = json_object_get_uint64(value);
	return true;
}

void member_add_string(struct json_object *object, const char *key, const char *value)
{
	if (value)
		json_object_object_add(object, key, json_object_new_string(value));
}

void member_add_number(struct json_object *object, const char *key, uint64_t value)
{
	json_object_object_add(object, key, json_object_new_uint64(value));
}
