// SPDX-License-Identifier: GPL-2.0-only
/*
 * What do "epoch advance" and "epoch list" do?
 */
#include "args.h"
#include "output.h"

static const struct column boundaries[] = {
	{ "DEVICE",	"device",	COLUMN_TEXT, false },
	{ "SINCE",	"since",	COLUMN_COUNT, false },
	{ "GENERATION",	"generation",	COLUMN_TEXT, false },
	{ "STATE",	"state",	COLUMN_TEXT, false },
	{ "REASON",	"reason",	COLUMN_TEXT, true },
	{}
};

static const struct column epochs[] = {
	{ "EPOCH",	"epoch",	COLUMN_COUNT, false },
	{ "STARTED",	"started_ns",	COLUMN_TIME, false },
	{ "CHANGED",	"changed_bytes", COLUMN_BYTES, false },
	{ "WRITTEN",	"write_bytes",	COLUMN_BYTES, false },
	{ "DISCARDED",	"discard_bytes", COLUMN_BYTES, false },
	{}
};

int cmd_epoch_advance(struct cli *cli, int argc, char **argv)
{
	_cleanup_json_ struct json_object *reply = NULL;
	struct json_object *parameters, *devices;
	struct arg_number timeout_ms = {};
	const char *checkpoint = NULL;
	bool freeze = false;
	const struct arg_option options[] = {
		{ "freeze",	ARG_FLAG,	&freeze },
		{ "timeout",	ARG_NUMBER,	&timeout_ms },
		{ "checkpoint",	ARG_STRING,	&checkpoint },
		{}
	};
	char **args;
	int n, r;

	n = args_parse(cli, argc, argv, options, 1, 64, &args);
	r = n < 0 ? n : output_check(cli, boundaries);
	if (r < 0)
		return r;
	devices = json_object_new_array();
	for (int i = 0; i < n; i++)
		json_object_array_add(devices, json_object_new_string(args[i]));
	parameters = json_object_new_object();
	json_object_object_add(parameters, "devices", devices);
	json_object_object_add(parameters, "freeze", json_object_new_boolean(freeze));
	if (timeout_ms.given)
		member_add_number(parameters, "timeout_ms", timeout_ms.value);
	member_add_string(parameters, "checkpoint", checkpoint);
	r = cli_call(cli, "AdvanceEpoch", parameters, &reply);
	if (r < 0)
		return r;
	if (cli->json) {
		output_json(reply, true);
		return 0;
	}
	return output_table(cli, boundaries, json_object_object_get(reply, "devices"));
}

int cmd_epoch_list(struct cli *cli, int argc, char **argv)
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
	r = cli_call(cli, "ListEpochs", parameters, &reply);
	if (r < 0)
		return r;
	if (cli->json) {
		output_json(reply, true);
		return 0;
	}
	return output_table(cli, epochs, json_object_object_get(reply, "epochs"));
}
