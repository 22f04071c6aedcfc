// SPDX-License-Identifier: GPL-2.0-only
/*
 * How does "changes" print a change list?
 *
 * Nothing is printed before the whole list is there and known to be right.
 */
#include <errno.h>
#include <inttypes.h>
#include <langinfo.h>
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "changes.h"
#include "output.h"
#include "picture.h"

static const char *json_text(struct json_object *object)
{
	return json_object_to_json_string_ext(object, JSON_C_TO_STRING_SPACED |
					      JSON_C_TO_STRING_NOSLASHESCAPE);
}

static void print_extent(const struct extent *extent, bool details)
{
	printf("{ \"offset\": %" PRIu64 ", \"length\": %" PRIu64, extent->offset_bytes,
	       extent->length_bytes);
	if (details && extent->epoch)
		printf(", \"epoch\": %" PRIu64 ", \"discarded\": %s", extent->epoch,
		       extent->discarded ? "true" : "false");
	printf(" }");
}

/* Millions of extents are printed one by one, not built as objects. */
static void print_json(const struct changes *changes, bool details)
{
	_cleanup_json_ struct json_object *device = json_object_new_string(changes->device);
	_cleanup_json_ struct json_object *generation =
		json_object_new_string(changes->generation);
	_cleanup_json_ struct json_object *reason =
		changes->reason ? json_object_new_string(changes->reason) : NULL;

	printf("{ \"device\": %s, ", json_text(device));
	printf("\"disk_offset\": %" PRIu64 ", \"size\": %" PRIu64 ", \"granularity\": %" PRIu64 ", ",
	       changes->disk_offset_bytes, changes->size_bytes, changes->granularity_bytes);
	printf("\"generation\": %s, ", json_text(generation));
	printf("\"since\": %" PRIu64 ", \"epoch\": %" PRIu64 ", \"state\": \"%s\", ",
	       changes->since, changes->epoch, changes->uncertain ? "uncertain" : "ok");
	printf("\"reason\": %s, ", json_text(reason));
	if (changes->next_bytes == UINT64_MAX)
		printf("\"next\": null, ");
	else
		printf("\"next\": %" PRIu64 ", ", changes->next_bytes);
	printf("\"extents\": [");
	for (size_t i = 0; i < changes->nr; i++) {
		printf("%s\n  ", i ? "," : "");
		print_extent(&changes->extents[i], details);
	}
	printf("%s] }\n", changes->nr ? "\n" : "");
}

static void print_text(const struct changes *changes, bool details)
{
	for (size_t i = 0; i < changes->nr; i++) {
		const struct extent *e = &changes->extents[i];

		printf("%" PRIu64 " %" PRIu64, e->offset_bytes, e->length_bytes);
		if (details && e->epoch)
			printf(" %" PRIu64 "%s", e->epoch, e->discarded ? " discarded" : "");
		printf("\n");
	}
}

/* Offsets are exact, whatever --bytes says. */
static const struct column columns[] = {
	{ "OFFSET",	"offset",	COLUMN_COUNT, false },
	{ "LENGTH",	"length",	COLUMN_COUNT, false },
	{ "EPOCH",	"epoch",	COLUMN_COUNT, true },
	{ "DISCARDED",	"discarded",	COLUMN_TEXT, true },
	{}
};

static int print_table(struct cli *cli, const struct changes *changes)
{
	_cleanup_json_ struct json_object *rows = json_object_new_array();

	for (size_t i = 0; i < changes->nr; i++) {
		const struct extent *e = &changes->extents[i];
		struct json_object *row = json_object_new_object();

		member_add_number(row, "offset", e->offset_bytes);
		member_add_number(row, "length", e->length_bytes);
		if (e->epoch)
			member_add_number(row, "epoch", e->epoch);
		json_object_object_add(row, "discarded", json_object_new_boolean(e->discarded));
		json_object_array_add(rows, row);
	}
	return output_table(cli, columns, rows);
}

static void print(const struct cli *cli, const struct changes *changes, const char *format,
		  bool details)
{
	if (cli->json || !strcmp(format, "json"))
		print_json(changes, details);
	else if (!strcmp(format, "map"))
		changes_print_map(changes);
	else if (!strcmp(format, "bmap"))
		changes_print_bmap(changes);
	else
		print_text(changes, details);
}

static bool is_format(const char *format)
{
	return !strcmp(format, "text") || !strcmp(format, "json") || !strcmp(format, "map") ||
	       !strcmp(format, "bmap");
}

static int print_heatmap(struct cli *cli, const struct changes *changes)
{
	const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");
	bool has_colour = isatty(STDOUT_FILENO) && !(no_colour && *no_colour) && term &&
			  strcmp(term, "dumb");
	int r = picture_print(changes, stdout, output_width(), !strcmp(nl_langinfo(CODESET), "UTF-8"),
			      has_colour);

	return r < 0 ? cli_fail_errno(cli, r, "draw", "picture") : 0;
}

/* Under its name only once it is whole. */
static int write_svg(struct cli *cli, const struct changes *changes, const char *path)
{
	_cleanup_free_ char *part = NULL;
	FILE *f;
	int r;

	if (!strcmp(path, "-")) {
		r = picture_svg(changes, stdout);
		return r < 0 ? cli_fail_errno(cli, r, "draw", "picture") : 0;
	}
	if (asprintf(&part, "%s.part", path) < 0)
		return cli_fail_errno(cli, -ENOMEM, "write", path);
	f = fopen(part, "we");
	if (!f)
		return cli_fail_errno(cli, -errno, "create", part);
	r = picture_svg(changes, f);
	if (ferror(f) && r == 0)
		r = -EIO;
	if (fclose(f) && r == 0)
		r = -errno;
	if (r == 0 && rename(part, path))
		r = -errno;
	if (r < 0) {
		unlink(part);
		return cli_fail_errno(cli, r, "write", path);
	}
	return 0;
}

int cmd_changes(struct cli *cli, int argc, char **argv)
{
	_cleanup_changes_ struct changes changes = {};
	const char *since = NULL, *generation = NULL, *format = NULL, *svg = NULL;
	bool details = false, heatmap = false;
	struct arg_number start = {}, max = {};
	const struct arg_option options[] = {
		{ "since",	ARG_STRING,	&since },
		{ "generation",	ARG_STRING,	&generation },
		{ "start",	ARG_SIZE,	&start },
		{ "max",	ARG_NUMBER,	&max },
		{ "details",	ARG_FLAG,	&details },
		{ "format",	ARG_STRING,	&format },
		{ "heatmap",	ARG_FLAG,	&heatmap },
		{ "svg",	ARG_STRING,	&svg },
		{}
	};
	struct json_object *parameters;
	bool is_picture, is_table;
	char **args;
	int r;

	r = args_parse(cli, argc, argv, options, 1, 1, &args);
	if (r < 0)
		return r;
	if (!since)
		return cli_usage(cli, "--since is missing");
	if (max.given && !max.value)
		return cli_usage(cli, "--max is 0");
	is_picture = heatmap || svg;
	if (is_picture && (format || max.given || start.given || cli->json))
		return cli_usage(cli, "a picture is of the whole device, and no list: no --format, "
				 "--start, --max or --json");
	is_table = !format && cli_wants_table(cli);
	if (is_table)
		r = output_check(cli, columns);
	if (r < 0)
		return r;
	format = format ?: "text";
	if (!is_format(format))
		return cli_usage(cli, "--format is text, json, map or bmap");
	/* A shape that is read as the whole device must not be a part of it. */
	if ((max.given || start.given) && (!strcmp(format, "map") || !strcmp(format, "bmap")))
		return cli_usage(cli, "--format %s takes no --start and no --max", format);
	parameters = json_object_new_object();
	member_add_string(parameters, "device", args[0]);
	add_since(parameters, since);
	member_add_string(parameters, "generation", generation);
	if (start.given)
		member_add_number(parameters, "start", start.value);
	if (max.given)
		member_add_number(parameters, "max", max.value);
	if (details || svg || is_table || !strcmp(format, "map"))
		json_object_object_add(parameters, "details", json_object_new_boolean(true));
	r = changes_query(cli, parameters, !max.given, &changes);
	if (r < 0)
		return r;

	if (is_table && !is_picture && !cli->json)
		r = print_table(cli, &changes);
	else if (!is_picture)
		print(cli, &changes, format, details);
	if (heatmap)
		r = print_heatmap(cli, &changes);
	if (svg && r == 0)
		r = write_svg(cli, &changes, svg);
	if (r < 0)
		return r;
	if (changes.next_bytes != UINT64_MAX && !cli->json && strcmp(format, "json"))
		cli_warn("there is more: go on with --start %" PRIu64, changes.next_bytes);
	if (changes.uncertain)
		cli_warn("%s: this list is uncertain, it may lack writes: %s", changes.device,
			 changes.reason ?: "no reason given");
	return changes.uncertain ? EXIT_INVALID : 0;
}
