// SPDX-License-Identifier: GPL-2.0-only
/*
 * What does "top" show, and for how long?
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>

#include "args.h"
#include "output.h"
#include "signals.h"
#include "top.h"

enum {
	DELAY_MS	= 2000,
	DELAY_MS_MIN	= 100,
	DELAY_MS_MAX	= 3600 * 1000,
	SCREEN_ROWS	= 24,	/* where the terminal does not tell */
};

static const struct column devices[] = {
	{ "DEVICE",	"device",		COLUMN_TEXT, false },
	{ "CHANGED/S",	"changed_bytes_per_s",	COLUMN_BYTES, false },
	{ "WRITTEN/S",	"written_bytes_per_s",	COLUMN_BYTES, false },
	{ "WRITES/S",	"writes_per_s",		COLUMN_COUNT, false },
	{ "WAITED%",	"diverted_percent",	COLUMN_COUNT, false },
	{ "EPOCH",	"epoch_changed_bytes",	COLUMN_BYTES, false },
	{ "STATE",	"state",		COLUMN_TEXT, false },
	{}
};

static const struct column writers[] = {
	{ "DEVICE",	"device",		COLUMN_TEXT, false },
	{ "WRITTEN/S",	"written_bytes_per_s",	COLUMN_BYTES, false },
	{ "WRITES/S",	"writes_per_s",		COLUMN_COUNT, false },
	{ "CGROUP",	"path",			COLUMN_TEXT, false },
	{ "ID",		"cgroup",		COLUMN_TEXT, true },
	{}
};

static const struct column snapshots[] = {
	{ "SNAPSHOT",	"snapshot",		COLUMN_TEXT, false },
	{ "DEVICE",	"device",		COLUMN_TEXT, false },
	{ "COPIED/S",	"copied_bytes_per_s",	COLUMN_BYTES, false },
	{ "MEMORY",	"memory_bytes",		COLUMN_BYTES, false },
	{ "STORED",	"stored_bytes",		COLUMN_BYTES, false },
	{ "ROOM",	"room_bytes",		COLUMN_BYTES, false },
	{ "FULL IN",	"full_in_ns",		COLUMN_DURATION, false },
	{ "STATE",	"state",		COLUMN_TEXT, false },
	{ "IMAGE",	"image",		COLUMN_TEXT, true },
	{}
};

static const struct {
	const char *name;
	const struct column *columns;
} parts[] = {
	{ "devices", devices },
	{ "writers", writers },
	{ "snapshots", snapshots },
};

/**
 * struct top - one run
 * @part: the only table that is wanted, or NULL
 * @left: looks to be shown, 0 for no end
 * @has_screen: the terminal is redrawn
 */
struct top {
	struct cli *cli;
	const char *part;
	uint64_t delay_ms;
	uint64_t left;
	bool has_screen;
	struct termios cooked;
	struct json_object *documents;
};

static void begin_screen(struct top *top)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &top->cooked) == 0) {
		raw = top->cooked;
		raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	}
	fputs("\033[?1049h\033[?25l", stdout);
}

static void end_screen(struct top *top)
{
	fputs("\033[?25h\033[?1049l", stdout);
	tcsetattr(STDIN_FILENO, TCSANOW, &top->cooked);
}

static size_t screen_rows(void)
{
	struct winsize size;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row ? size.ws_row :
	       SCREEN_ROWS;
}

/* Waits until the next look is due: false if the user wants no more. */
static bool await(const struct top *top, uint64_t until_ns)
{
	for (;;) {
		struct pollfd in = { .fd = top->has_screen ? STDIN_FILENO : -1, .events = POLLIN };
		uint64_t now = now_ns();
		char key;

		if (signals_caught())
			return false;
		if (now >= until_ns)
			return true;
		if (poll(&in, 1, (int)((until_ns - now) / 1000000 + 1)) <= 0)
			continue;
		if (read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q')
			return false;
		if (key == ' ')
			return true;
	}
}

static void print_clock(const struct top *top)
{
	time_t now = time(NULL);
	char text[32];
	struct tm tm;

	if (localtime_r(&now, &tm) && strftime(text, sizeof(text), "%H:%M:%S", &tm))
		printf("bpfsnap top %s, every %g s%s\n\n", text, top->delay_ms / 1e3,
		       top->has_screen ? ", q ends" : "");
}

/* Only so many rows that the last table is still to be seen. */
static void cut(struct json_object *rows, size_t most)
{
	size_t nr = json_object_array_length(rows);

	if (nr > most)
		json_object_array_del_idx(rows, most, nr - most);
}

static int show(struct top *top, struct json_object *document)
{
	size_t room = screen_rows();
	int r = 0;

	if (top->cli->json) {
		json_object_array_add(top->documents, json_object_get(document));
		return 0;
	}
	if (top->has_screen)
		fputs("\033[H\033[J", stdout);
	if (!top->part)
		print_clock(top);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(parts); i++) {
		struct json_object *rows = json_object_object_get(document, parts[i].name);

		if (top->part && strcmp(top->part, parts[i].name))
			continue;
		if (!top->part && i && !json_object_array_length(rows))
			continue;
		if (top->has_screen)
			cut(rows, room / ARRAY_SIZE(parts));
		r = output_table(top->cli, parts[i].columns, rows);
		if (!top->part)
			puts("");
	}
	fflush(stdout);
	return r;
}

static int look(struct top *top, struct json_object **ret_reply, uint64_t *ret_ns)
{
	*ret_ns = now_ns();
	return cli_call(top->cli, "GetMetrics", NULL, ret_reply);
}

static int run(struct top *top)
{
	_cleanup_json_ struct json_object *before = NULL;
	uint64_t before_ns, due_ns;
	int r = look(top, &before, &before_ns);

	due_ns = before_ns;
	while (r == 0) {
		_cleanup_json_ struct json_object *after = NULL, *document = NULL;
		uint64_t after_ns, at_ns;

		due_ns += top->delay_ms * 1000000;
		if (due_ns < now_ns())	/* a suspended machine has nothing to catch up with */
			due_ns = now_ns();
		if (!await(top, due_ns))
			return 0;
		r = look(top, &after, &after_ns);
		if (r < 0)
			return r;
		document = top_compute(before, after, after_ns - before_ns);
		if (member_number(after, "time_ns", &at_ns))
			member_add_number(document, "time_ns", at_ns);
		member_add_number(document, "interval_ns", after_ns - before_ns);
		r = show(top, document);
		json_object_put(before);
		before = json_object_get(after);
		before_ns = after_ns;
		if (top->left && --top->left == 0)
			break;
	}
	return r;
}

static bool is_part(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (!strcmp(parts[i].name, name))
			return true;
	return false;
}

/* "2", "0.5": seconds */
static int parse_delay(const char *text, uint64_t *ret_ms)
{
	char *end;
	double seconds = strtod(text, &end);

	if (!*text || *end || !(seconds * 1000 >= DELAY_MS_MIN && seconds * 1000 <= DELAY_MS_MAX))
		return -EINVAL;
	*ret_ms = (uint64_t)(seconds * 1000 + 0.5);
	return 0;
}

int cmd_top(struct cli *cli, int argc, char **argv)
{
	struct top top = { .cli = cli, .delay_ms = DELAY_MS };
	_cleanup_json_ struct json_object *whole = NULL;
	struct arg_number count = {};
	const char *delay = NULL;
	bool batch = false;
	const struct arg_option options[] = {
		{ "b|batch",	ARG_FLAG,	&batch },
		{ "n|count",	ARG_NUMBER,	&count },
		{ "d|delay",	ARG_STRING,	&delay },
		{ "show",	ARG_STRING,	&top.part },
		{}
	};
	char **args;
	int r;

	r = args_parse(cli, argc, argv, options, 0, 0, &args);
	if (r < 0)
		return r;
	if (delay && parse_delay(delay, &top.delay_ms) < 0)
		return cli_usage(cli, "--delay is 0.1 to 3600 seconds");
	if (top.part && !is_part(top.part))
		return cli_usage(cli, "--show is devices, writers or snapshots");
	if (cli->columns && !top.part)
		return cli_usage(cli, "--output needs --show, to know of which table");
	if (count.given && !count.value)
		return cli_usage(cli, "--count is 0");
	top.left = count.given ? count.value : cli->json;	/* a document has an end */
	top.has_screen = !batch && !cli->json && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	top.documents = json_object_new_array();
	whole = json_object_new_object();
	json_object_object_add(whole, "samples", top.documents);
	signals_catch();
	if (top.has_screen)
		begin_screen(&top);
	r = run(&top);
	if (top.has_screen)
		end_screen(&top);
	if (r == 0 && cli->json)
		output_json(whole, true);
	return r;
}
