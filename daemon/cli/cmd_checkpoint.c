// SPDX-License-Identifier: GPL-2.0-only
/*
 * What do "checkpoint list", "checkpoint commit" and "checkpoint remove" do?
 */
#include "args.h"
#include "output.h"

static const struct column columns[] = {
	{ "NAME",	"name",		COLUMN_TEXT, false },
	{ "DEVICE",	"device",	COLUMN_TEXT, false },
	{ "SINCE",	"since",	COLUMN_COUNT, false },
	{ "CREATED",	"created_ns",	COLUMN_TIME, false },
	{ "AGE",	"age_ns",	COLUMN_DURATION, false },
	{ "CHANGED",	"changed_bytes", COLUMN_BYTES, false },
	{ "GENERATION",	"generation",	COLUMN_TEXT, true },
	{}
};

int cmd_checkpoint_list(struct cli *cli, int argc, char **argv)
{
	_cleanup_json_ struct json_object *reply = NULL;
	struct json_object *parameters;
	char **args;
	int r;

	r = args_parse(cli, argc, argv, NULL, 0, 1, &args);
	if (r < 0)
		return r;
	parameters = json_object_new_object();
	if (r > 0)
		member_add_string(parameters, "device", args[0]);
	r = cli_call(cli, "ListCheckpoints", parameters, &reply);
	if (r < 0)
		return r;
	if (cli->json) {
		output_json(reply, true);
		return 0;
	}
	return output_table(cli, columns, json_object_object_get(reply, "checkpoints"));
}

int cmd_checkpoint_remove(struct cli *cli, int argc, char **argv)
{
	_cleanup_json_ struct json_object *reply = NULL;
	struct json_object *parameters;
	char **args;
	int r;

	r = args_parse(cli, argc, argv, NULL, 2, 2, &args);
	if (r < 0)
		return r;
	parameters = json_object_new_object();
	member_add_string(parameters, "device", args[0]);
	member_add_string(parameters, "name", args[1]);
	r = cli_call(cli, "RemoveCheckpoint", parameters, &reply);
	if (r == 0 && cli->json)
		output_json(reply, true);
	return r;
}

int cmd_checkpoint_commit(struct cli *cli, int argc, char **argv)
{
	_cleanup_json_ struct json_object *reply = NULL;
	struct arg_number since = {};
	const char *generation = NULL;
	const struct arg_option options[] = {
		{ "since",	ARG_NUMBER,	&since },
		{ "generation",	ARG_STRING,	&generation },
		{}
	};
	struct json_object *parameters;
	char **args;
	int r;

	r = args_parse(cli, argc, argv, options, 2, 2, &args);
	if (r < 0)
		return r;
	if (!since.given)
		return cli_usage(cli, "--since is missing");
	if (!generation)
		return cli_usage(cli, "--generation is missing");
	parameters = json_object_new_object();
	member_add_string(parameters, "device", args[0]);
	member_add_string(parameters, "name", args[1]);
	member_add_number(parameters, "since", since.value);
	member_add_string(parameters, "generation", generation);
	r = cli_call(cli, "CommitCheckpoint", parameters, &reply);
	if (r == 0 && cli->json)
		output_json(reply, true);
	return r;
}
