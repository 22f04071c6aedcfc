// SPDX-License-Identifier: GPL-2.0-only
/*
 * What do the verbs of "device" do?
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
	{ "CAUSE",	"cause",		COLUMN_TEXT,	true },
	{ "BEGAN",	"began_ns",		COLUMN_TIME,	true },
	{ "CHANGED",	"changed_bytes",	COLUMN_BYTES,	true },
	{ "REASON",	"reason",		COLUMN_TEXT,	true },
	{}
};

/* The device of a reply, as a table of one line. */
static int print_device(struct cli *cli, struct json_object *reply)
{
	_cleanup_json_ struct json_object *rows = NULL;

	if (cli->json) {
		output_json(reply, true);
		return 0;
	}
	rows = json_object_new_array();
	json_object_array_add(rows, json_object_get(json_object_object_get(reply, "device")));
	return output_table(cli, columns, rows);
}

int cmd_device_attach(struct cli *cli, int argc, char **argv)
{
	_cleanup_json_ struct json_object *reply = NULL;
	struct arg_number granularity = {};
	const struct arg_option options[] = {
		{ "granularity", ARG_SIZE, &granularity },
		{}
	};
	struct json_object *parameters;
	char **args;
	int r;

	r = args_parse(cli, argc, argv, options, 1, 1, &args);
	if (r >= 0)
		r = output_check(cli, columns);
	if (r < 0)
		return r;
	parameters = json_object_new_object();
	member_add_string(parameters, "device", args[0]);
	if (granularity.given)
		member_add_number(parameters, "granularity", granularity.value);
	r = cli_call(cli, "AttachDevice", parameters, &reply);
	return r < 0 ? r : print_device(cli, reply);
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

static const struct column description[] = {
	{ "DEVICE",	"device",	COLUMN_TEXT, false },
	{ "DISK",	"disk",		COLUMN_TEXT, false },
	{ "SIZE",	"size",		COLUMN_BYTES, false },
	{ "GRANULARITY", "granularity",	COLUMN_BYTES, false },
	{ "MAP",	"map_bytes",	COLUMN_BYTES, false },
	{ "BASE",	"base_bytes",	COLUMN_BYTES, false },
	{ "ATTACHED",	"attached",	COLUMN_TEXT, false },
	{ "REQUESTS",	"requests",	COLUMN_TEXT, false },
	{ "ZONE",	"zone_bytes",	COLUMN_BYTES, false },
	{ "STATE",	"state",	COLUMN_TEXT, false },
	{ "REASON",	"reason",	COLUMN_TEXT, false },
	{}
};

int cmd_device_describe(struct cli *cli, int argc, char **argv)
{
	_cleanup_json_ struct json_object *reply = NULL;
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
	r = cli_call(cli, "DescribeDevice", parameters, &reply);
	if (r < 0)
		return r;
	if (cli->json) {
		output_json(reply, true);
		return 0;
	}
	return output_object(cli, description, reply);
}

/* Calls a method whose only parameter is the device. */
static int call_with_device(struct cli *cli, int argc, char **argv, const struct column *shown,
			    const char *method, struct json_object **ret_reply)
{
	struct json_object *parameters;
	char **args;
	int r;

	r = args_parse(cli, argc, argv, NULL, 1, 1, &args);
	if (r >= 0)
		r = output_check(cli, shown);
	if (r < 0)
		return r;
	parameters = json_object_new_object();
	member_add_string(parameters, "device", args[0]);
	return cli_call(cli, method, parameters, ret_reply);
}

int cmd_device_renew(struct cli *cli, int argc, char **argv)
{
	_cleanup_json_ struct json_object *reply = NULL;
	int r = call_with_device(cli, argc, argv, columns, "RenewGeneration", &reply);

	return r < 0 ? r : print_device(cli, reply);
}

static const struct column writers[] = {
	{ "CGROUP",	"path",		COLUMN_TEXT, false },
	{ "BYTES",	"bytes",	COLUMN_BYTES, false },
	{ "WRITES",	"bios",		COLUMN_COUNT, false },
	{ "ID",		"cgroup",	COLUMN_COUNT, true },
	{}
};

int cmd_device_writers(struct cli *cli, int argc, char **argv)
{
	_cleanup_json_ struct json_object *reply = NULL;
	struct json_object *rows, *other;
	int r = call_with_device(cli, argc, argv, writers, "ListWriters", &reply);

	if (r < 0)
		return r;
	if (cli->json) {
		output_json(reply, true);
		return 0;
	}
	rows = json_object_object_get(reply, "writers");
	other = json_object_object_get(reply, "other");
	json_object_object_add(other, "path", json_object_new_string("(other)"));
	json_object_array_add(rows, json_object_get(other));
	return output_table(cli, writers, rows);
}

int cmd_device_dirty(struct cli *cli, int argc, char **argv)
{
	_cleanup_json_ struct json_object *reply = NULL;
	struct json_object *parameters;
	uint64_t offset_bytes, length_bytes;
	char **args;
	int r;

	r = args_parse(cli, argc, argv, NULL, 3, 3, &args);
	if (r < 0)
		return r;
	if (parse_size(args[1], &offset_bytes) < 0)
		return cli_usage(cli, "'%s' is no offset", args[1]);
	if (parse_size(args[2], &length_bytes) < 0)
		return cli_usage(cli, "'%s' is no length", args[2]);
	parameters = json_object_new_object();
	member_add_string(parameters, "device", args[0]);
	member_add_number(parameters, "offset", offset_bytes);
	member_add_number(parameters, "length", length_bytes);
	r = cli_call(cli, "MarkDirty", parameters, &reply);
	if (r == 0 && cli->json)
		output_json(reply, true);
	return r;
}
