// SPDX-License-Identifier: GPL-2.0-only
/*
 * What does "events" do?
 */
#include <errno.h>
#include <stdio.h>

#include "args.h"
#include "output.h"

static const struct column columns[] = {
	{ "SEQ",	"seq",		COLUMN_COUNT, false },
	{ "TIME",	"time_ns",	COLUMN_TIME, false },
	{ "EVENT",	"kind",		COLUMN_TEXT, false },
	{ "DEVICE",	"device",	COLUMN_TEXT, false },
	{ "SNAPSHOT",	"snapshot",	COLUMN_TEXT, true },
	{ "VALUE",	"value",	COLUMN_COUNT, true },
	{ "TEXT",	"text",		COLUMN_TEXT, false },
	{}
};

/* On stderr: the events themselves are for others to read. */
static void tell_missed(struct json_object *reply, bool is_continued)
{
	uint64_t missed;

	if (member_number(reply, "missed", &missed)) {
		if (missed)
			cli_warn("%llu events are not kept any more", (unsigned long long)missed);
	} else if (is_continued) {
		cli_warn("the daemon has been started since: how many events are missing is not known");
	}
}

struct following {
	const struct cli *cli;
	bool is_continued;	/* --stream was given, and nothing has been told yet */
};

/* A line for each event, at once: there may be a pipe behind it. */
static int print_events(struct json_object *reply, void *data)
{
	struct following *following = data;
	struct json_object *events = json_object_object_get(reply, "events");
	size_t nr = json_object_is_type(events, json_type_array) ? json_object_array_length(events) : 0;
	char time[64];

	tell_missed(reply, following->is_continued);
	following->is_continued = false;
	if (following->cli->json) {
		output_json(reply, false);
		nr = 0;
	}
	for (size_t i = 0; i < nr; i++) {
		struct json_object *event = json_object_array_get_idx(events, i);
		const char *kind = "-", *text = "-";
		uint64_t ns = 0;

		member_number(event, "time_ns", &ns);
		member_string(event, "kind", &kind);
		member_string(event, "text", &text);
		output_time(time, sizeof(time), ns);
		printf("%s %s: %s\n", time, kind, text);
	}
	return fflush(stdout) ? -EPIPE : 0;
}

int cmd_events(struct cli *cli, int argc, char **argv)
{
	_cleanup_json_ struct json_object *reply = NULL;
	struct arg_number after = {};
	const char *stream = NULL;
	bool follow = false;
	const struct arg_option options[] = {
		{ "follow",	ARG_FLAG,	&follow },
		{ "after",	ARG_NUMBER,	&after },
		{ "stream",	ARG_STRING,	&stream },
		{}
	};
	struct following following = { .cli = cli };
	struct json_object *parameters;
	char **args;
	int r;

	r = args_parse(cli, argc, argv, options, 0, 0, &args);
	if (r < 0)
		return r;
	if (follow && cli_wants_table(cli))
		return cli_usage(cli, "--follow prints no table");
	if (stream && !after.given)
		return cli_usage(cli, "--stream goes with --after");
	r = output_check(cli, columns);
	if (r < 0)
		return r;
	parameters = json_object_new_object();
	if (after.given)
		member_add_number(parameters, "after", after.value);
	member_add_string(parameters, "stream", stream);
	following.is_continued = stream;
	if (follow)
		return cli_call_more(cli, "WatchEvents", parameters, print_events, &following);
	r = cli_call(cli, "WatchEvents", parameters, &reply);
	if (r < 0)
		return r;
	tell_missed(reply, stream);
	if (cli->json) {
		output_json(reply, true);
		return 0;
	}
	return output_table(cli, columns, json_object_object_get(reply, "events"));
}
