// SPDX-License-Identifier: GPL-2.0-only
/*
 * What do "device attach", "device detach" and "device list" do?
 */
#include "args.h"
#include "output.h"

static const struct column columns[] = {
	{ "DEVICE",	"device",		COLUMN_TEXT, false },
	{ "SIZE",	"size",			COLUMN_BYTES, false },
	{ "GRANULARITY", "granularity",		COLUMN_BYTES, false },
	{ "EPOCH",	"epoch",		COLUMN_COUNT, false },
	{ "STATE",	"state",		COLUMN_TEXT, false },
	{ "WRITTEN",	"write_bytes",		COLUMN_BYTES, false },
	{ "MAP",	"map_bytes",		COLUMN_BYTES, false },
	{ "WRITES",	"write_bios",		COLUMN_COUNT,	true },
	{ "DISCARDED",	"discard_bytes",	COLUMN_BYTES,	true },
	{ "FIRST",	"first_epoch",		COLUMN_COUNT,	true },
	{ "ATTACHED",	"attached_ns",		COLUMN_TIME,	true },
	{ "GENERATION",	"generation",		COLUMN_TEXT,	true },
	{ "REASON",	"reason",		COLUMN_TEXT,	true },
	{}
};

int cmd_device_attach(struct cli *cli, int argc, char **argv)
{
	_cleanup_json_ struct json_object *reply = NULL, *rows = NULL;
	struct arg_number granularity = {};
	const struct arg_option options[] = {
		{ "granularity", ARG_SIZE, &granularity },
		{}
	};
	struct json_object *parameters;
	char **args;
	int r;

	r = args_parse(cli, argc, argv, options, 1, 1, &args);
	if (r < 0)
		return r;
	parameters = json_object_new_object();
	member_add_string(parameters, "device", args[0]);
	if (granularity.given)
		member_add_number(parameters, "granularity", granularity.value);
	r = cli_call(cli, "AttachDevice", parameters, &reply);
	if (r < 0)
		return r;
	if (cli->json) {
		output_json(reply, true);
		return 0;
	}
	rows = json_object_new_array();
	json_object_array_add(rows, json_object_get(json_object_object_get(reply, "device")));
	return output_table(cli, columns, rows);
}

int cmd_device_detach(struct cli *cli, int argc, char **argv)
{
	_cleanup_json_ struct json_object *reply = NULL;
	struct json_object *parameters;
	char **args;
	int r;

	r = args_parse(cli, argc, argv, NULL, 1, 1, &args);
	if (r < 0)
		return r;
	parameters = json_object_new_object();
	member_add_string(parameters, "device", args[0]);
	r = cli_call(cli, "DetachDevice", parameters, &reply);
	if (r == 0 && cli->json)
		output_json(reply, true);
	return r;
}

int cmd_device_list(struct cli *cli, int argc, char **argv)
{
	_cleanup_json_ struct json_object *reply = NULL;
	char **args;
	int r;

	r = args_parse(cli, argc, argv, NULL, 0, 0, &args);
	if (r == 0)
		r = cli_call(cli, "ListDevices", NULL, &reply);
	if (r < 0)
		return r;
	if (cli->json) {
		output_json(reply, true);
		return 0;
	}
	return output_table(cli, columns, json_object_object_get(reply, "devices"));
}
