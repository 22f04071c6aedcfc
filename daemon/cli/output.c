// SPDX-License-Identifier: GPL-2.0-only
/*
 * How do answers look on a terminal?
 */
#include <errno.h>
#include <inttypes.h>
#include <libsmartcols.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <time.h>

#include "output.h"

enum {
	CELL_BYTES	= 64,	/* of a formatted number or time */
	MAX_COLUMNS	= 32,
};

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

unsigned int output_width(void)
{
	enum { OTHERWISE = 80, MOST = 1000 };
	const char *columns = getenv("COLUMNS");
	unsigned long wanted = columns ? strtoul(columns, NULL, 10) : 0;
	struct winsize size;

	if (wanted > 0 && wanted <= MOST)
		return (unsigned int)wanted;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col)
		return size.ws_col;
	return OTHERWISE;
}

void human_size(char *ret, size_t room_bytes, uint64_t bytes)
{
	static const char units[] = "BKMGTPE";
	unsigned int unit = 0;
	double value = bytes;

	while (value >= 1024 && units[unit + 1]) {
		value /= 1024;
		unit++;
	}
	if (value == (uint64_t)value)
		snprintf(ret, room_bytes, "%" PRIu64 "%c", (uint64_t)value, units[unit]);
	else
		snprintf(ret, room_bytes, "%.1f%c", value, units[unit]);
}

void output_time(char *ret, size_t room_bytes, uint64_t ns)
{
	time_t seconds = ns / 1000000000;
	struct tm tm;

	if (!localtime_r(&seconds, &tm) || !strftime(ret, room_bytes, "%Y-%m-%dT%H:%M:%S%z", &tm))
		snprintf(ret, room_bytes, "%" PRIu64, ns);
}

static const uint64_t MINUTE_NS = 60ull * 1000000000, HOUR_NS = 3600ull * 1000000000;

static void format_duration(char *ret, size_t room_bytes, uint64_t ns)
{
	if (ns < 1000000)
		snprintf(ret, room_bytes, "%.1fus", ns / 1e3);
	else if (ns < 1000000000)
		snprintf(ret, room_bytes, "%.1fms", ns / 1e6);
	else if (ns < MINUTE_NS * 2)
		snprintf(ret, room_bytes, "%.2fs", ns / 1e9);
	else if (ns < HOUR_NS * 2)
		snprintf(ret, room_bytes, "%um%02us", (unsigned int)(ns / MINUTE_NS),
			 (unsigned int)(ns % MINUTE_NS / 1000000000));
	else if (ns < HOUR_NS * 48)
		snprintf(ret, room_bytes, "%uh%02um", (unsigned int)(ns / HOUR_NS),
			 (unsigned int)(ns % HOUR_NS / MINUTE_NS));
	else
		snprintf(ret, room_bytes, "%ud%02uh", (unsigned int)(ns / HOUR_NS / 24),
			 (unsigned int)(ns / HOUR_NS % 24));
}

/* Text of a cell, in @room or in the object. */
static const char *cell_text(const struct cli *cli, const struct column *column,
			     struct json_object *row, char *room)
{
	struct json_object *value = json_object_object_get(row, column->key);
	uint64_t number;

	if (!value)
		return "-";
	if (column->kind == COLUMN_TEXT || !member_number(row, column->key, &number))
		return json_object_get_string(value);
	switch (column->kind) {
	case COLUMN_BYTES:
		if (!cli->bytes) {
			human_size(room, CELL_BYTES, number);
			break;
		}
		/* fall through */
	case COLUMN_TEXT:
	case COLUMN_COUNT:
		snprintf(room, CELL_BYTES, "%" PRIu64, number);
		break;
	case COLUMN_TIME:
		output_time(room, CELL_BYTES, number);
		break;
	case COLUMN_DURATION:
		format_duration(room, CELL_BYTES, number);
		break;
	}
	return room;
}

/* Names the columns that there are, so that nobody has to look them up. */
static int refuse_column(struct cli *cli, const struct column *columns, const char *name,
			 size_t length)
{
	_cleanup_free_ char *names = NULL;
	size_t names_len = 0;
	FILE *f = open_memstream(&names, &names_len);

	if (!f)
		return cli_fail_errno(cli, -ENOMEM, "format", "table");
	for (const struct column *c = columns; c->name; c++)
		fprintf(f, "%s%s", c == columns ? "" : ",", c->name);
	fclose(f);
	return cli_usage(cli, "--output: there is no column '%.*s' among %s", (int)length, name,
			 names);
}

/* Which columns, in which order: the number of them.  "+A,B" adds to the default ones. */
static int choose(struct cli *cli, const struct column *columns, const struct column **ret)
{
	const char *names = cli->columns;
	int n = 0;

	for (const struct column *c = columns; c->name && (!names || *names == '+'); c++) {
		if (!c->hidden)
			ret[n++] = c;
	}
	if (!names)
		return n;
	for (names += *names == '+';; names++) {
		size_t length = strcspn(names, ",");
		const struct column *c = columns;

		while (c->name && (strlen(c->name) != length || strncasecmp(c->name, names, length)))
			c++;
		if (!c->name)
			return refuse_column(cli, columns, names, length);
		if (n == MAX_COLUMNS)
			return cli_usage(cli, "--output: too many columns");
		ret[n++] = c;
		names += length;
		if (!*names)
			return n;
	}
}

int output_check(struct cli *cli, const struct column *columns)
{
	const struct column *shown[MAX_COLUMNS];
	int n = cli->json ? 0 : choose(cli, columns, shown);

	return n < 0 ? n : 0;
}

bool cli_wants_table(const struct cli *cli)
{
	return cli->columns || cli->raw || cli->no_headings;
}

static void free_table(struct libscols_table **table)
{
	scols_unref_table(*table);
}

int output_table(struct cli *cli, const struct column *columns, struct json_object *rows)
{
	_cleanup_(free_table) struct libscols_table *table = NULL;
	const struct column *shown[MAX_COLUMNS];
	size_t nr_rows = json_object_is_type(rows, json_type_array) ?
			 json_object_array_length(rows) : 0;
	int n = choose(cli, columns, shown);

	if (n < 0)
		return n;
	scols_init_debug(0);
	table = scols_new_table();
	if (!table)
		return cli_fail_errno(cli, -ENOMEM, "format", "table");
	scols_table_enable_noheadings(table, cli->no_headings);
	scols_table_enable_raw(table, cli->raw);
	for (int i = 0; i < n; i++) {
		int flags = shown[i]->kind == COLUMN_COUNT || shown[i]->kind == COLUMN_BYTES ?
			    SCOLS_FL_RIGHT : 0;

		if (!scols_table_new_column(table, shown[i]->name, 0, flags))
			return cli_fail_errno(cli, -ENOMEM, "format", "table");
	}
	for (size_t row = 0; row < nr_rows; row++) {
		struct libscols_line *line = scols_table_new_line(table, NULL);
		char room[CELL_BYTES];

		for (int i = 0; line && i < n; i++)
			scols_line_set_data(line, i,
					    cell_text(cli, shown[i],
						      json_object_array_get_idx(rows, row), room));
	}
	scols_print_table(table);
	return 0;
}

int output_object(struct cli *cli, const struct column *columns, struct json_object *object)
{
	int width = 0;

	if (cli_wants_table(cli)) {
		_cleanup_json_ struct json_object *rows = json_object_new_array();

		json_object_array_add(rows, json_object_get(object));
		return output_table(cli, columns, rows);
	}
	for (const struct column *c = columns; c->name; c++) {
		int length = strlen(c->name);

		width = length > width ? length : width;
	}
	for (; columns->name; columns++) {
		char room[CELL_BYTES];

		if (columns->hidden && !json_object_object_get(object, columns->key))
			continue;
		printf("%s:%*s %s\n", columns->name, width - (int)strlen(columns->name), "",
		       cell_text(cli, columns, object, room));
	}
	return 0;
}

void output_json(struct json_object *document, bool pretty)
{
	int flags = JSON_C_TO_STRING_NOSLASHESCAPE | JSON_C_TO_STRING_SPACED;

	puts(json_object_to_json_string_ext(document,
					    flags | (pretty ? JSON_C_TO_STRING_PRETTY : 0)));
}
