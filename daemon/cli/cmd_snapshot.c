// SPDX-License-Identifier: GPL-2.0-only
/*
 * What do "snapshot create", "snapshot list" and "snapshot destroy" do?
 */
#include <limits.h>

#include "args.h"
#include "output.h"

static const struct column columns[] = {
	{ "SNAPSHOT",	"snapshot",	COLUMN_TEXT, false },
	{ "DEVICE",	"device",	COLUMN_TEXT, false },
	{ "IMAGE",	"image",	COLUMN_TEXT, false },
	{ "SIZE",	"size",		COLUMN_BYTES, false },
	{ "SINCE",	"since",	COLUMN_COUNT, false },
	{ "STATE",	"state",	COLUMN_TEXT, false },
	{ "ERROR",	"error",	COLUMN_TEXT, false },
	{ "FAILURE",	"failure",	COLUMN_TEXT, true },
	{ "FAILED",	"failed_ns",	COLUMN_TIME, true },
	{ "COPIED",	"copied_bytes",	COLUMN_BYTES, false },
	{ "STORED",	"stored_bytes",	COLUMN_BYTES, true },
	{ "LIMIT",	"limit_bytes",	COLUMN_BYTES, true },
	{ "MEMORY",	"memory_bytes",	COLUMN_BYTES, true },
	{ "CREATED",	"created_ns",	COLUMN_TIME, false },
	{ "HOLD",	"hold_ns",	COLUMN_DURATION, true },
	{ "FROZEN",	"frozen_ns",	COLUMN_DURATION, true },
	{ "GENERATION",	"generation",	COLUMN_TEXT,	true },
	{ "REASON",	"reason",	COLUMN_TEXT,	true },
	{ "GATE",	"gate_bios",	COLUMN_COUNT,	true },
	{ "TRACK",	"track_bios",	COLUMN_COUNT,	true },
	{ "OFFSET",	"disk_offset",	COLUMN_BYTES,	true },
	{ "INDEX",	"index_bytes",	COLUMN_BYTES,	true },
	{ "DROPPED",	"dropped_discards", COLUMN_COUNT, true },
	{ "WRITABLE",	"writable",	COLUMN_TEXT,	true },
	{}
};

static void add_members(struct json_object *row, struct json_object *from)
{
	json_object_object_foreach(from, key, value)
		json_object_object_add(row, key, json_object_get(value));
}

/* One row for each device, with the members of its snapshot. */
static void add_rows(struct json_object *rows, struct json_object *snapshot)
{
	struct json_object *devices = json_object_object_get(snapshot, "devices");

	if (!json_object_is_type(devices, json_type_array))
		return;
	for (size_t i = 0; i < json_object_array_length(devices); i++) {
		struct json_object *device = json_object_array_get_idx(devices, i);
		struct json_object *row = json_object_new_object();

		add_members(row, snapshot);
		if (json_object_is_type(device, json_type_object))
			add_members(row, device);
		json_object_array_add(rows, row);
	}
}

int cmd_snapshot_create(struct cli *cli, int argc, char **argv)
{
	_cleanup_json_ struct json_object *reply = NULL, *rows = NULL;
	const char *storage = NULL, *checkpoint = NULL;
	struct arg_number timeout_ms = {}, limit = {}, memory = {}, low = {}, grow_ms = {};
	bool writable = false, set_aside = false;
	const struct arg_option options[] = {
		{ "storage",	ARG_STRING,	&storage },
		{ "set-aside",	ARG_FLAG,	&set_aside },
		{ "timeout",	ARG_NUMBER,	&timeout_ms },
		{ "checkpoint",	ARG_STRING,	&checkpoint },
		{ "limit",	ARG_SIZE,	&limit },
		{ "memory",	ARG_SIZE,	&memory },
		{ "low",	ARG_SIZE,	&low },
		{ "grow",	ARG_NUMBER,	&grow_ms },
		{ "writable",	ARG_FLAG,	&writable },
		{}
	};
	struct json_object *parameters, *devices;
	char **args;
	int n, r;

	n = args_parse(cli, argc, argv, options, 1, INT_MAX, &args);
	r = n < 0 ? n : output_check(cli, columns);
	if (r < 0)
		return r;
	devices = json_object_new_array();
	for (int i = 0; i < n; i++)
		json_object_array_add(devices, json_object_new_string(args[i]));
	parameters = json_object_new_object();
	json_object_object_add(parameters, "devices", devices);
	member_add_string(parameters, "storage", storage);
	if (timeout_ms.given)
		member_add_number(parameters, "timeout_ms", timeout_ms.value);
	member_add_string(parameters, "checkpoint", checkpoint);
	if (limit.given)
		member_add_number(parameters, "limit", limit.value);
	if (memory.given)
		member_add_number(parameters, "memory", memory.value);
	if (low.given)
		member_add_number(parameters, "low", low.value);
	if (grow_ms.given)
		member_add_number(parameters, "grow_ms", grow_ms.value);
	if (set_aside)
		json_object_object_add(parameters, "set_aside", json_object_new_boolean(true));
	if (writable)
		json_object_object_add(parameters, "writable", json_object_new_boolean(true));
	r = cli_call(cli, "CreateSnapshot", parameters, &reply);
	if (r < 0)
		return r;
	if (cli->json) {
		output_json(reply, true);
		return 0;
	}
	rows = json_object_new_array();
	add_rows(rows, json_object_object_get(reply, "snapshot"));
	return output_table(cli, columns, rows);
}

int cmd_snapshot_list(struct cli *cli, int argc, char **argv)
{
	_cleanup_json_ struct json_object *reply = NULL, *rows = NULL;
	struct json_object *snapshots;
	char **args;
	int r;

	r = args_parse(cli, argc, argv, NULL, 0, 0, &args);
	if (r == 0)
		r = cli_call(cli, "ListSnapshots", NULL, &reply);
	if (r < 0)
		return r;
	if (cli->json) {
		output_json(reply, true);
		return 0;
	}
	rows = json_object_new_array();
	snapshots = json_object_object_get(reply, "snapshots");
	for (size_t i = 0; json_object_is_type(snapshots, json_type_array) &&
			   i < json_object_array_length(snapshots); i++)
		add_rows(rows, json_object_array_get_idx(snapshots, i));
	return output_table(cli, columns, rows);
}

int cmd_snapshot_extend(struct cli *cli, int argc, char **argv)
{
	_cleanup_json_ struct json_object *reply = NULL;
	const char *device = NULL;
	const struct arg_option options[] = {
		{ "device",	ARG_STRING,	&device },
		{}
	};
	struct json_object *parameters;
	uint64_t limit_bytes;
	char **args;
	int r;

	r = args_parse(cli, argc, argv, options, 2, 2, &args);
	if (r < 0)
		return r;
	if (parse_size(args[1], &limit_bytes) < 0)
		return cli_usage(cli, "%s: no size", args[1]);
	parameters = json_object_new_object();
	member_add_string(parameters, "snapshot", args[0]);
	member_add_string(parameters, "device", device);
	member_add_number(parameters, "limit", limit_bytes);
	r = cli_call(cli, "ExtendStorage", parameters, &reply);
	if (r == 0 && cli->json)
		output_json(reply, true);
	return r;
}

int cmd_snapshot_destroy(struct cli *cli, int argc, char **argv)
{
	_cleanup_json_ struct json_object *reply = NULL;
	bool force = false;
	const struct arg_option options[] = {
		{ "force",	ARG_FLAG,	&force },
		{}
	};
	struct json_object *parameters;
	char **args;
	int r;

	r = args_parse(cli, argc, argv, options, 1, 1, &args);
	if (r < 0)
		return r;
	parameters = json_object_new_object();
	member_add_string(parameters, "snapshot", args[0]);
	if (force)
		json_object_object_add(parameters, "force", json_object_new_boolean(true));
	r = cli_call(cli, "DestroySnapshot", parameters, &reply);
	if (r == 0 && cli->json)
		output_json(reply, true);
	return r;
}
