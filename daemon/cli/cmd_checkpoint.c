// SPDX-License-Identifier: GPL-2.0-only
/*
 * What do "checkpoint list" and "checkpoint remove" do?
 */
#include "args.h"
#include "output.h"

static const struct column columns[] = {
	{ "NAME",	"name",		COLUMN_TEXT, false },
	{ "DEVICE",	"device",	COLUMN_TEXT, false },
	{ "SINCE",	"since",	COLUMN_COUNT, false },
	{ "CREATED",	"created_ns",	COLUMN_TIME, false },
	{}
};

int cmd_checkpoint_list(struct cli *cli, int argc, char **argv)
{
	_cleanup_json_ struct json_object *reply = NULL;
	char **args;
	int r;

	r = args_parse(cli, argc, argv, NULL, 0, 0, &args);
	if (r == 0)
		r = cli_call(cli, "ListCheckpoints", NULL, &reply);
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
