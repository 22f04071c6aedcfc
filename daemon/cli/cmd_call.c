// SPDX-License-Identifier: GPL-2.0-only
/*
 * What do "call" and "info" do?
 */
#include <stdio.h>

#include "args.h"
#include "output.h"

static int print_reply(struct json_object *reply, void *data)
{
	(void)data;
	output_json(reply, false);
	return 0;
}

static int keep_reply(struct json_object *reply, void *data)
{
	json_object_array_add(data, json_object_get(reply));
	return 0;
}

/* One document, as everywhere: an array of the replies. */
static int call_more(struct cli *cli, const char *method, struct json_object *parameters)
{
	_cleanup_json_ struct json_object *replies = json_object_new_array();
	int r;

	if (!cli->json)
		return cli_call_more(cli, method, parameters, print_reply, NULL);
	r = cli_call_more(cli, method, parameters, keep_reply, replies);
	if (r == 0)
		output_json(replies, true);
	return r;
}

int cmd_call(struct cli *cli, int argc, char **argv)
{
	_cleanup_json_ struct json_object *reply = NULL;
	struct json_object *parameters = NULL;
	bool more = false;
	const struct arg_option options[] = {
		{ "more", ARG_FLAG, &more },
		{}
	};
	char **args;
	int n, r;

	n = args_parse(cli, argc, argv, options, 1, 2, &args);
	if (n < 0)
		return n;
	if (n == 2) {
		enum json_tokener_error error;

		parameters = json_tokener_parse_verbose(args[1], &error);
		if (!json_object_is_type(parameters, json_type_object)) {
			json_object_put(parameters);
			return cli_usage(cli, "the parameters are no JSON object");
		}
	}
	if (more)
		return call_more(cli, args[0], parameters);
	r = cli_call(cli, args[0], parameters, &reply);
	return r < 0 ? r : print_reply(reply, NULL);
}

static const struct column columns[] = {
	{ "command",	"command",	COLUMN_TEXT, false },
	{ "daemon",	"version",	COLUMN_TEXT, false },
	{ "product",	"product",	COLUMN_TEXT, false },
	{ "vendor",	"vendor",	COLUMN_TEXT, false },
	{ "url",	"url",		COLUMN_TEXT, false },
	{ "interfaces",	"names",	COLUMN_TEXT, false },
	{}
};

static char *join(struct json_object *array)
{
	char *text = NULL;
	size_t length_bytes = 0;
	FILE *f = open_memstream(&text, &length_bytes);

	if (!f)
		return NULL;
	for (size_t i = 0; i < json_object_array_length(array); i++)
		fprintf(f, "%s%s", i ? " " : "",
			json_object_get_string(json_object_array_get_idx(array, i)));
	fclose(f);
	return text;
}

int cmd_info(struct cli *cli, int argc, char **argv)
{
	_cleanup_json_ struct json_object *reply = NULL;
	_cleanup_free_ char *names = NULL;
	struct json_object *interfaces;
	char **args;
	int r;

	r = args_parse(cli, argc, argv, NULL, 0, 0, &args);
	if (r == 0)
		r = cli_call(cli, "org.varlink.service.GetInfo", NULL, &reply);
	if (r < 0)
		return r;
	member_add_string(reply, "command", BPFSNAP_VERSION);
	if (cli->json) {
		output_json(reply, true);
		return 0;
	}
	interfaces = json_object_object_get(reply, "interfaces");
	if (json_object_is_type(interfaces, json_type_array))
		names = join(interfaces);
	member_add_string(reply, "names", names);
	return output_object(cli, columns, reply);
}
