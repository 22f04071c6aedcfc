// SPDX-License-Identifier: GPL-2.0-only
/*
 * What may the word be that the user has begun?
 *
 * The usage lines of the verbs are the grammar: an option that they don't name is not
 * offered, and their words in capitals say what a value is.  Names come from the daemon,
 * so that only those are offered that there are.
 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "complete.h"

enum {
	PATIENCE_S	= 2,	/* nobody waits longer for a key */
	WORD_BYTES	= 64,
};

/**
 * struct line - what stands before the word
 * @command: the entry that it names, NULL if it is not complete
 * @noun: the first word of it, or NULL
 * @nr_values: words after the verb that are no options
 * @value: the first of these, or NULL
 * @expects: what the option before takes, "" for nothing
 */
struct line {
	const struct cli_command *command;
	const char *noun;
	int nr_values;
	const char *value;
	char expects[WORD_BYTES];
};

static const char *const global_flags[] = {
	"--json", "--bytes", "--noheadings", "--raw", "--help", "--version",
};

static const struct {
	const char *name;
	const char *value;
} global_options[] = {
	{ "-o", "LIST" },
	{ "--output", "LIST" },
	{ "--socket", "FILE" },
	{ "--progress", "auto|json|none" },
};

/* The next word of a usage line, without its brackets; false at the end. */
static bool next_token(const char **at, char *ret, bool *ret_closed)
{
	size_t length, skip;

	*at += strspn(*at, " [");
	length = strcspn(*at, " ");
	if (!length)
		return false;
	skip = length;
	*ret_closed = false;
	while (length && (*at)[length - 1] == ']') {
		length--;
		*ret_closed = true;
	}
	snprintf(ret, WORD_BYTES, "%.*s", (int)length, *at);
	*at += skip;
	return true;
}

/* What an option takes: its word in the usage line, "" for a flag; false if there is none. */
static bool find_option(const struct cli_command *command, const char *name, char *ret_value)
{
	const char *at = command ? command->args : "";
	char token[WORD_BYTES];
	bool closed;

	for (size_t i = 0; i < ARRAY_SIZE(global_options); i++) {
		if (!strcmp(global_options[i].name, name)) {
			snprintf(ret_value, WORD_BYTES, "%s", global_options[i].value);
			return true;
		}
	}
	while (next_token(&at, token, &closed)) {
		if (strcmp(token, name))
			continue;
		*ret_value = 0;
		if (!closed)
			next_token(&at, ret_value, &closed);
		return true;
	}
	return false;
}

/* The nth value of a verb that is not an option's; the last may be repeated. */
static bool find_value(const struct cli_command *command, int n, char *ret)
{
	const char *at = command->args;
	char token[WORD_BYTES];
	bool closed;

	while (next_token(&at, token, &closed)) {
		size_t length = strlen(token);

		if (*token == '-') {
			if (!closed)
				next_token(&at, token, &closed);
			continue;
		}
		if (length > 3 && !strcmp(token + length - 3, "...")) {
			token[length - 3] = 0;
			n = 0;
		}
		if (n-- == 0) {
			memcpy(ret, token, sizeof(token));
			return true;
		}
	}
	return false;
}

static void read_line(struct cli *cli, int nr, char **words, struct line *ret)
{
	struct line line = {};

	for (int i = 0; i < nr; i++) {
		const char *word = words[i];

		if (!strcmp(word, "="))		/* bash makes a word of it */
			continue;
		if (*line.expects) {
			*line.expects = 0;
			if (!strcmp(words[i - 1], "--socket"))
				cli->socket_path = word;
		} else if (*word == '-') {
			if (!find_option(line.command, word, line.expects))
				*line.expects = 0;
		} else if (!line.noun) {
			line.noun = word;
			line.command = cli_find(word, NULL);
		} else if (!line.command) {
			line.command = cli_find(line.noun, word);
			if (!line.command)
				line.noun = "";		/* of which there are no verbs */
		} else {
			line.value = line.value ?: word;
			line.nr_values++;
		}
	}
	*ret = line;
}

static void offer(const char *prefix, const char *word)
{
	if (!strncmp(word, prefix, strlen(prefix)))
		puts(word);
}

static void offer_members(struct cli *cli, const char *prefix, const char *method, const char *list,
			  const char *key)
{
	_cleanup_json_ struct json_object *reply = NULL;
	struct json_object *rows;
	const char *name;

	if (cli_try_call(cli, method, NULL, &reply) < 0)
		return;
	rows = json_object_object_get(reply, list);
	for (size_t i = 0; json_object_is_type(rows, json_type_array) &&
			   i < json_object_array_length(rows); i++)
		if (member_string(json_object_array_get_idx(rows, i), key, &name))
			offer(prefix, name);
}

static void offer_checkpoints(struct cli *cli, const char *prefix, const char *device)
{
	_cleanup_json_ struct json_object *reply = NULL;
	struct json_object *parameters = json_object_new_object(), *rows;
	const char *name;

	member_add_string(parameters, "device", device);
	if (cli_try_call(cli, "ListCheckpoints", parameters, &reply) < 0)
		return;
	rows = json_object_object_get(reply, "checkpoints");
	for (size_t i = 0; json_object_is_type(rows, json_type_array) &&
			   i < json_object_array_length(rows); i++)
		if (member_string(json_object_array_get_idx(rows, i), "name", &name))
			offer(prefix, name);
}

/* Block devices that are a disk of @disks or a partition of one; NULL for all. */
static void offer_devices(const char *prefix, struct json_object *disks)
{
	DIR *dir = opendir("/sys/class/block");
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char path[300];
		const char *name;
		bool is_known = !disks;

		if (entry->d_name[0] == '.')
			continue;
		for (size_t i = 0; !is_known && i < json_object_array_length(disks); i++) {
			if (!member_string(json_object_array_get_idx(disks, i), "device", &name) ||
			    strncmp(name, "/dev/", 5))
				continue;
			snprintf(path, sizeof(path), "/sys/class/block/%s/%s", name + 5,
				 entry->d_name);
			is_known = !strcmp(name + 5, entry->d_name) || access(path, F_OK) == 0;
		}
		snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
		if (is_known)
			offer(prefix, path);
	}
	if (dir)
		closedir(dir);
}

static void offer_device(struct cli *cli, const char *prefix, const struct cli_command *command)
{
	_cleanup_json_ struct json_object *reply = NULL;
	struct json_object *disks = NULL;
	bool is_any = !command || !strcmp(command->noun, "restore") ||
		      (command->verb && (!strcmp(command->verb, "attach") ||
					 !strcmp(command->verb, "describe")));

	if (!is_any && cli_try_call(cli, "ListDevices", NULL, &reply) == 0)
		disks = json_object_object_get(reply, "devices");
	offer_devices(prefix, json_object_is_type(disks, json_type_array) ? disks : NULL);
}

static void offer_methods(struct cli *cli, const char *prefix)
{
	_cleanup_json_ struct json_object *reply = NULL;
	struct json_object *parameters = json_object_new_object();
	const char *text, *at;

	member_add_string(parameters, "interface", BPFSNAP_INTERFACE);
	if (cli_try_call(cli, "org.varlink.service.GetInterfaceDescription", parameters, &reply) < 0 ||
	    !member_string(reply, "description", &text))
		return;
	for (at = text; (at = strstr(at, "\nmethod ")); at++) {
		char name[WORD_BYTES];

		if (sscanf(at, " method %63[A-Za-z0-9]", name) == 1)
			offer(prefix, name);
	}
}

/* "text|json" are words as they are, "EPOCH|CHECKPOINT" kinds of them. */
static void offer_value(struct cli *cli, const struct line *line, const char *kinds,
			const char *prefix)
{
	while (*kinds) {
		size_t length = strcspn(kinds, "|");
		char kind[WORD_BYTES];

		snprintf(kind, sizeof(kind), "%.*s", (int)length, kinds);
		if (!strcmp(kind, "DEV"))
			offer_device(cli, prefix, line->command);
		else if (!strcmp(kind, "CHECKPOINT") || !strcmp(kind, "NAME"))
			offer_checkpoints(cli, prefix, line->value);
		else if (!strcmp(kind, "ID"))
			offer_members(cli, prefix, "ListSnapshots", "snapshots", "snapshot");
		else if (!strcmp(kind, "UUID"))
			offer_members(cli, prefix, "ListDevices", "devices", "generation");
		else if (!strcmp(kind, "METHOD"))
			offer_methods(cli, prefix);
		else if (!strcmp(kind, "FILE") || !strcmp(kind, "IMAGE"))
			puts(COMPLETE_FILES);
		else if (!strcmp(kind, "DIR"))
			puts(COMPLETE_DIRS);
		else if (*kind >= 'a' && *kind <= 'z')
			offer(prefix, kind);
		kinds += length + (kinds[length] == '|');
	}
}

static void offer_options(const struct cli_command *command, const char *prefix)
{
	const char *at = command ? command->args : "";
	char token[WORD_BYTES];
	bool closed;

	while (next_token(&at, token, &closed))
		if (!strncmp(token, "--", 2))
			offer(prefix, token);
	for (size_t i = 0; i < ARRAY_SIZE(global_flags); i++)
		offer(prefix, global_flags[i]);
	for (size_t i = 0; i < ARRAY_SIZE(global_options); i++)
		if (!strncmp(global_options[i].name, "--", 2))
			offer(prefix, global_options[i].name);
}

static void offer_verbs(const char *noun, const char *prefix)
{
	const char *before = "";

	for (const struct cli_command *c = cli_commands(); c->noun; c++) {
		if (!c->help || (noun && strcmp(c->noun, noun)))
			continue;
		if (noun)
			offer(prefix, c->verb ?: "");
		else if (strcmp(before, c->noun))
			offer(prefix, c->noun);
		before = c->noun;
	}
}

int cmd_complete(struct cli *cli, int argc, char **argv)
{
	const char *word = argc > 1 ? argv[argc - 1] : "";
	char kinds[WORD_BYTES];
	struct line line;

	alarm(PATIENCE_S);
	if (!strcmp(word, "="))
		word = "";
	if (argc > 1 && !strcmp(argv[1], "--")) {
		argc--;
		argv++;
	}
	read_line(cli, argc - 2, argv + 1, &line);
	if (*line.expects)
		offer_value(cli, &line, line.expects, word);
	else if (*word == '-')
		offer_options(line.command, word);
	else if (!line.command)
		offer_verbs(line.noun, word);
	else if (find_value(line.command, line.nr_values, kinds))
		offer_value(cli, &line, kinds, word);
	return 0;
}
