// SPDX-License-Identifier: GPL-2.0-only
/*
 * What do "version", "metrics" and "doctor" tell?
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "args.h"
#include "facts.h"
#include "output.h"

static const struct column versions[] = {
	{ "command",	"command",	COLUMN_TEXT, false },
	{ "daemon",	"daemon",	COLUMN_TEXT, false },
	{ "kernel",	"kernel",	COLUMN_TEXT, false },
	{ "machine",	"machine",	COLUMN_TEXT, false },
	{ "module",	"module",	COLUMN_TEXT, false },
	{ "module abi",	"module_abi",	COLUMN_COUNT, false },
	{ "needed abi",	"module_abi_needed", COLUMN_COUNT, false },
	{ "maps abi",	"maps_abi",	COLUMN_COUNT, false },
	{ "programs",	"programs",	COLUMN_TEXT, false },
	{ "libbpf",	"libbpf",	COLUMN_TEXT, false },
	{}
};

static const struct column capabilities[] = {
	{ "CAPABILITY",	"name",		COLUMN_TEXT, false },
	{ "AVAILABLE",	"is_available",	COLUMN_TEXT, false },
	{ "REASON",	"reason",	COLUMN_TEXT, false },
	{ "ADVICE",	"advice",	COLUMN_TEXT, true },
	{}
};

int cmd_version(struct cli *cli, int argc, char **argv)
{
	_cleanup_json_ struct json_object *reply = NULL;
	struct json_object *list;
	char **args;
	int r;

	r = args_parse(cli, argc, argv, NULL, 0, 0, &args);
	if (r == 0)
		r = cli_call(cli, "GetVersion", NULL, &reply);
	if (r < 0)
		return r;
	member_add_string(reply, "command", BPFSNAP_VERSION);
	if (cli->json) {
		output_json(reply, true);
		return 0;
	}
	list = json_object_object_get(reply, "capabilities");
	for (size_t i = 0; json_object_is_type(list, json_type_array) &&
			   i < json_object_array_length(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);

		member_add_string(o, "is_available", json_object_get_boolean(
				  json_object_object_get(o, "available")) ? "yes" : "no");
	}
	if (!cli_wants_table(cli)) {
		member_add_string(reply, "programs", json_object_get_boolean(
				  json_object_object_get(reply, "programs_loaded")) ?
				  "loaded" : "not loaded");
		output_object(cli, versions, reply);
		puts("");
	}
	return output_table(cli, capabilities, list);
}

int cmd_metrics(struct cli *cli, int argc, char **argv)
{
	_cleanup_json_ struct json_object *reply = NULL;
	struct json_object *parameters;
	const char *text;
	char **args;
	int r;

	r = args_parse(cli, argc, argv, NULL, 0, 0, &args);
	if (r < 0)
		return r;
	parameters = json_object_new_object();
	if (!cli->json)
		json_object_object_add(parameters, "text", json_object_new_boolean(true));
	r = cli_call(cli, "GetMetrics", parameters, &reply);
	if (r < 0)
		return r;
	if (cli->json) {
		output_json(reply, true);
		return 0;
	}
	if (!member_string(reply, "text", &text))
		return cli_fail(cli, "BadReply", NULL, "the daemon's metrics are malformed");
	fputs(text, stdout);
	return 0;
}

static const struct column checks[] = {
	{ "STATE",	"state",	COLUMN_TEXT, false },
	{ "CHECK",	"name",		COLUMN_TEXT, false },
	{ "TEXT",	"text",		COLUMN_TEXT, false },
	{ "ADVICE",	"advice",	COLUMN_TEXT, false },
	{}
};

static void add_check(struct json_object *list, const char *name, const char *state,
		      const char *text, const char *advice)
{
	struct json_object *o = json_object_new_object();

	member_add_string(o, "name", name);
	member_add_string(o, "state", state);
	member_add_string(o, "text", text);
	json_object_object_add(o, "advice", advice && *advice ? json_object_new_string(advice) :
			       NULL);
	json_object_array_add(list, o);
}

/* Where there is no daemon, this process looks by itself. */
static struct json_object *look_around(void)
{
	struct json_object *list = json_object_new_array();
	struct fact facts[FACT_NR];
	struct utsname kernel;
	const struct facts_place place = { .root = "", .release = kernel.release };

	uname(&kernel);
	facts_look(&place, facts);
	for (int i = 0; i < FACT_NR; i++)
		if (i != FACT_STORAGE)	/* only the daemon knows where it is */
			add_check(list, facts_name(i), facts_state(facts[i].state), facts[i].text,
				  facts[i].advice);
	return list;
}

/* Is one of the checks of that state? */
static bool has_state(struct json_object *list, const char *state)
{
	const char *text;

	for (size_t i = 0; i < json_object_array_length(list); i++)
		if (member_string(json_object_array_get_idx(list, i), "state", &text) &&
		    !strcmp(text, state))
			return true;
	return false;
}

/* What is not well with what the daemon keeps, as checks among the others. */
static void add_problems(struct json_object *list, struct json_object *problems)
{
	for (size_t i = 0; json_object_is_type(problems, json_type_array) &&
			   i < json_object_array_length(problems); i++) {
		struct json_object *o = json_object_array_get_idx(problems, i);
		const char *object = "", *reason = "", *advice = NULL, *severity = "";

		member_string(o, "object", &object);
		member_string(o, "reason", &reason);
		member_string(o, "advice", &advice);
		member_string(o, "severity", &severity);
		add_check(list, object, severity, reason, advice);
	}
}

static void print_checks(struct json_object *list)
{
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);
		const char *name = "", *state = "", *text = "", *advice;

		member_string(o, "name", &name);
		member_string(o, "state", &state);
		member_string(o, "text", &text);
		printf("%-8s %-12s %s\n", state, name, text);
		if (member_string(o, "advice", &advice))
			printf("%-8s %-12s => %s\n", "", "", advice);
	}
}

static struct json_object *examine(struct cli *cli)
{
	struct json_object *document = json_object_new_object(), *list;
	_cleanup_json_ struct json_object *reply = NULL;
	const char *state = "failed";
	int r = cli_try_call(cli, "GetHealth", NULL, &reply);

	list = json_object_object_get(reply, "checks");
	if (r == 0 && json_object_is_type(list, json_type_array)) {
		json_object_get(list);
		add_check(list, "daemon", "ok", "The daemon answers.", NULL);
		add_problems(list, json_object_object_get(reply, "problems"));
	} else {
		list = look_around();
		if (r == -EACCES || r == -EPERM)
			add_check(list, "daemon", "missing", "The daemon does not answer this user.",
				  "Run this as root.");
		else
			add_check(list, "daemon", "missing",
				  "The daemon can't be reached: nothing can be asked or done.",
				  "systemctl start bpfsnapd, or run bpfsnapd; --socket if it listens elsewhere.");
	}
	if (!has_state(list, "missing") && !has_state(list, "error"))
		state = has_state(list, "limited") || has_state(list, "warning") ? "degraded" : "ok";
	member_add_string(document, "state", state);
	json_object_object_add(document, "checks", list);
	return document;
}

int cmd_doctor(struct cli *cli, int argc, char **argv)
{
	_cleanup_json_ struct json_object *document = NULL;
	const char *state = "";
	char **args;
	int r;

	r = args_parse(cli, argc, argv, NULL, 0, 0, &args);
	if (r < 0)
		return r;
	document = examine(cli);
	member_string(document, "state", &state);
	if (cli->json)
		output_json(document, true);
	else if (cli_wants_table(cli))
		r = output_table(cli, checks, json_object_object_get(document, "checks"));
	else
		print_checks(json_object_object_get(document, "checks"));
	if (r < 0)
		return r;
	return strcmp(state, "failed") ? EXIT_OK : EXIT_FAILED;
}
