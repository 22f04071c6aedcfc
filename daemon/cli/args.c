// SPDX-License-Identifier: GPL-2.0-only
/*
 * How is a command line taken apart?
 */
#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <strings.h>

#include "args.h"
#include "output.h"
#include "pieces.h"

enum { MAX_OPTIONS = 24 };

int parse_number(const char *text, uint64_t *ret)
{
	uint64_t value = 0;

	if (!*text)
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		if (value > ((uint64_t)INT64_MAX - (*text - '0')) / 10)
			return -EINVAL;
		value = value * 10 + (*text - '0');
	}
	*ret = value;
	return 0;
}

int parse_size(const char *text, uint64_t *ret_bytes)
{
	static const char units[] = "KMGT";
	size_t digits = strspn(text, "0123456789");
	char letter = text[digits] & ~0x20;	/* upper case; of a space nothing is left */
	const char *unit = letter ? strchr(units, letter) : NULL;
	unsigned int shift = 0;
	uint64_t value;
	char number[24];

	if (digits >= sizeof(number))
		return -EINVAL;
	memcpy(number, text, digits);
	number[digits] = 0;
	if (parse_number(number, &value))
		return -EINVAL;
	if (text[digits]) {
		if (!unit || (text[digits + 1] && strcasecmp(text + digits + 1, "iB")))
			return -EINVAL;
		shift = 10 * (unit - units + 1);
	}
	if (value > (uint64_t)INT64_MAX >> shift)
		return -EINVAL;
	*ret_bytes = value << shift;
	return 0;
}

int check_jobs(struct cli *cli, const struct arg_number *jobs, unsigned int *ret)
{
	if (!jobs->value || jobs->value > PIECES_JOBS_MAX)
		return cli_usage(cli, "--jobs is 1 to %d", PIECES_JOBS_MAX);
	*ret = jobs->value;
	return 0;
}

void add_since(struct json_object *parameters, const char *since)
{
	uint64_t epoch;

	if (parse_number(since, &epoch) == 0)
		member_add_number(parameters, "since", epoch);
	else
		member_add_string(parameters, "checkpoint", since);
}

static const char short_options[] = "+:Jnrbo:h";

/* Global options; the target is chosen by the letter. */
static const struct option globals[] = {
	{ "json",	no_argument,		NULL, 'J' },
	{ "noheadings",	no_argument,		NULL, 'n' },
	{ "raw",	no_argument,		NULL, 'r' },
	{ "bytes",	no_argument,		NULL, 'b' },
	{ "output",	required_argument,	NULL, 'o' },
	{ "progress",	required_argument,	NULL, 'P' },
	{ "socket",	required_argument,	NULL, 's' },
	{ "help",	no_argument,		NULL, 'h' },
	{ "version",	no_argument,		NULL, 'V' },
};

static int take_progress(struct cli *cli, const char *mode)
{
	static const char *const modes[] = {
		[PROGRESS_AUTO] = "auto", [PROGRESS_JSON] = "json", [PROGRESS_NONE] = "none",
	};

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		if (!strcmp(modes[i], mode)) {
			progress_set_mode(i);
			return 1;
		}
	}
	return cli_usage(cli, "--progress is auto, json or none");
}

/* Return: 1 if it was one, 0 if not, -ECANCELED after having told that it is wrong. */
static int take_global(struct cli *cli, int letter)
{
	switch (letter) {
	case 'J':
		cli->json = true;
		return 1;
	case 'n':
		cli->no_headings = true;
		return 1;
	case 'r':
		cli->raw = true;
		return 1;
	case 'b':
		cli->bytes = true;
		return 1;
	case 'o':
		cli->columns = optarg;
		return 1;
	case 's':
		cli->socket_path = optarg;
		return 1;
	case 'P':
		return take_progress(cli, optarg);
	}
	return 0;
}

static int refuse_option(struct cli *cli, int letter, char **argv)
{
	const char *word = argv[optind - 1];

	if (letter == ':')
		return cli_usage(cli, "option '%s' needs a value", word);
	if (optopt && !strncmp(word, "--", 2))
		return cli_usage(cli, "option '%s' takes no value", word);
	if (optopt)
		return cli_usage(cli, "unknown option '-%c'", optopt);
	return cli_usage(cli, "unknown or ambiguous option '%s'", word);
}

static char letter_of(const struct arg_option *option)
{
	return option->name[1] == '|' ? option->name[0] : 0;
}

static const char *name_of(const struct arg_option *option)
{
	return option->name + (letter_of(option) ? 2 : 0);
}

static int take_option(struct cli *cli, const struct arg_option *option)
{
	struct arg_number *number = option->target;
	int r = 0;

	switch (option->kind) {
	case ARG_FLAG:
		*(bool *)option->target = true;
		return 0;
	case ARG_STRING:
		if (!*optarg)
			return cli_usage(cli, "--%s is empty", name_of(option));
		*(const char **)option->target = optarg;
		return 0;
	case ARG_NUMBER:
		r = parse_number(optarg, &number->value);
		break;
	case ARG_SIZE:
		r = parse_size(optarg, &number->value);
		break;
	}
	if (r < 0)
		return cli_usage(cli, "--%s: '%s' is no %s", name_of(option), optarg,
				 option->kind == ARG_SIZE ? "size" : "number");
	number->given = true;
	return 0;
}

int args_globals(struct cli *cli, int argc, char **argv, bool *ret_help, bool *ret_version)
{
	struct option table[ARRAY_SIZE(globals) + 1] = {};
	int letter;

	memcpy(table, globals, sizeof(globals));
	opterr = 0;
	optind = 0;
	while ((letter = getopt_long(argc, argv, short_options, table, NULL)) != -1) {
		int r = take_global(cli, letter);

		if (r < 0)
			return r;
		if (r > 0)
			continue;
		if (letter == 'h')
			*ret_help = true;
		else if (letter == 'V')
			*ret_version = true;
		else
			return refuse_option(cli, letter, argv);
	}
	return optind;
}

/* The verb's letters, and the global ones that it does not take for itself. */
static void add_letters(const struct arg_option *options, int n, char *ret)
{
	*ret++ = ':';
	for (int i = 0; i < n; i++) {
		if (!letter_of(&options[i]))
			continue;
		*ret++ = letter_of(&options[i]);
		if (options[i].kind != ARG_FLAG)
			*ret++ = ':';
	}
	for (const char *c = short_options + 2; *c; c++) {
		bool is_taken = false;

		for (int i = 0; i < n; i++)
			is_taken |= letter_of(&options[i]) == *c;
		if (*c == ':' || is_taken)
			continue;
		*ret++ = *c;
		if (c[1] == ':')
			*ret++ = ':';
	}
	*ret = 0;
}

static const struct arg_option *find_letter(const struct arg_option *options, int n, int letter)
{
	for (int i = 0; i < n; i++) {
		if (letter == 256 + i || (letter && letter_of(&options[i]) == letter))
			return &options[i];
	}
	return NULL;
}

int args_parse(struct cli *cli, int argc, char **argv, const struct arg_option *options,
	       int min, int max, char ***ret_args)
{
	struct option table[MAX_OPTIONS + ARRAY_SIZE(globals) + 1] = {};
	char letters[2 * MAX_OPTIONS + sizeof(short_options)];
	int letter, at = -1, n = 0, r;

	for (; options && options[n].name; n++) {
		table[n].name = name_of(&options[n]);
		table[n].has_arg = options[n].kind == ARG_FLAG ? no_argument : required_argument;
		table[n].val = 256 + n;
	}
	memcpy(table + n, globals, sizeof(globals));
	add_letters(options, n, letters);
	opterr = 0;
	optind = 0;
	while ((letter = getopt_long(argc, argv, letters, table, &at)) != -1) {
		/* long names of the command's options keep their meaning */
		const struct arg_option *option = at >= n ? NULL : find_letter(options, n, letter);

		at = -1;
		r = option ? take_option(cli, option) : take_global(cli, letter);
		if (r < 0)
			return r;
		if (!option && !r)
			return refuse_option(cli, letter, argv);
	}
	if (argc - optind < min)
		return cli_usage(cli, "too few arguments");
	if (argc - optind > max)
		return cli_usage(cli, "too many arguments: '%s'", argv[optind + max]);
	for (int i = optind; i < argc; i++) {
		if (!*argv[i])
			return cli_usage(cli, "an argument is empty");
	}
	*ret_args = argv + optind;
	return argc - optind;
}
