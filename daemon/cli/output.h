/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How do answers look on a terminal?
 */
#ifndef _BPFSNAP_CLI_OUTPUT_H
#define _BPFSNAP_CLI_OUTPUT_H

#include "cli.h"

enum column_kind {
	COLUMN_TEXT,
	COLUMN_COUNT,
	COLUMN_BYTES,		/* human size, or bytes with --bytes */
	COLUMN_TIME,		/* ns since 1970 */
	COLUMN_DURATION,	/* ns */
};

/**
 * struct column - one column of a table; arrays of it end with an empty one
 * @name: heading, and name for --output
 * @key: member of each row's object
 * @kind: of the member
 * @hidden: only shown if --output names it, or of an object if it is there
 */
struct column {
	const char *name;
	const char *key;
	enum column_kind kind;
	bool hidden;
};

/**
 * output_table - print rows as a table, one line each
 * @rows: array of objects
 *
 * Return: 0; -ECANCELED after having told that --output names no column.
 */
int output_table(struct cli *cli, const struct column *columns, struct json_object *rows);

/* Has an option been given that only makes sense for a table? */
bool cli_wants_table(const struct cli *cli);

/**
 * output_check - would output_table() print it?
 *
 * For verbs that do something: a name that is wrong must be found before.  Return: as there.
 */
int output_check(struct cli *cli, const struct column *columns);

/*
 * Prints the members of one object, a line "NAME: value" each, or, with options that only
 * make sense for a table, as one.  Return: as output_table().
 */
int output_object(struct cli *cli, const struct column *columns, struct json_object *object);

/* Prints a document, with or without line breaks, and a newline. */
void output_json(struct json_object *document, bool pretty);

enum progress_mode {
	PROGRESS_AUTO,		/* for people, on a terminal, once the work takes over a second */
	PROGRESS_JSON,		/* for programs: a line of JSON at the start, the end and meanwhile */
	PROGRESS_NONE,
};

/* For all work of this run. */
void progress_set_mode(enum progress_mode mode);

/**
 * struct progress - what stderr is told while work goes on
 * @what: is done
 * @total_bytes: of the work
 * @done_bytes: of it, as last told
 * @start_ns, @shown_ns: CLOCK_MONOTONIC, of the begin and of the last line
 */
struct progress {
	const char *what;
	uint64_t total_bytes;
	uint64_t done_bytes;
	uint64_t start_ns;
	uint64_t shown_ns;
};

/* Starts, shows and wipes the line. */
void progress_start(struct progress *progress, const char *what, uint64_t total_bytes);
void progress_show(struct progress *progress, uint64_t done_bytes);
void progress_end(struct progress *progress);

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t now_ns(void);

/* Columns of the terminal; COLUMNS of the environment first, 80 where there is neither. */
unsigned int output_width(void);

/* "1.5G" for 1610612736; binary units. */
void human_size(char *ret, size_t room_bytes, uint64_t bytes);

/* "2026-11-30T13:37:00+0100", local time, for nanoseconds since 1970. */
void output_time(char *ret, size_t room_bytes, uint64_t ns);

#endif /* _BPFSNAP_CLI_OUTPUT_H */
