/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What do the verbs of the command share?
 *
 * Functions return 0 or a negative errno; those that run a verb may return an exit
 * status, too, where there is a result but no good one.  A function that has told the user
 * why it failed, through cli_fail() and its sisters, returns -ECANCELED; the
 * exit status follows from the error's name, by one table in error.c.
 */
#ifndef _BPFSNAP_CLI_H
#define _BPFSNAP_CLI_H

#include <fcntl.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "client.h"

#ifndef BPFSNAP_VERSION
#define BPFSNAP_VERSION "0.1"
#endif

enum cli_exit {
	EXIT_OK			= 0,
	EXIT_FAILED		= 1,
	EXIT_USAGE		= 2,
	EXIT_UNREACHABLE	= 3,
	EXIT_DENIED		= 4,
	EXIT_NOT_FOUND		= 5,
	EXIT_BUSY		= 6,
	EXIT_INVALID		= 7,	/* snapshot invalid, uncertain, not verified */
};

/**
 * struct cli - one run of the command
 * @socket_path: of the daemon; NULL for the default
 * @columns: of tables, NULL for the default ones
 * @json: print JSON documents
 * @bytes: print sizes as bytes
 * @no_headings: print tables without headings
 * @raw: print tables without alignment, and with blanks in cells as \x20
 * @error: the first error: {"name":…, "reason":…, …}
 * @command: the entry that is run
 */
struct cli {
	const char *socket_path;
	const char *columns;
	bool json;
	bool bytes;
	bool no_headings;
	bool raw;
	struct json_object *error;
	const struct cli_command *command;
};

/**
 * struct cli_command - one entry of the table of verbs
 * @noun: first word
 * @verb: second word, NULL if the noun stands alone
 * @fn: does it; @argv[0] is the last word of the verb's name
 * @args: for the usage line
 * @help: one sentence, then further lines for the verb's own --help; NULL to show none
 */
struct cli_command {
	const char *noun;
	const char *verb;
	int (*fn)(struct cli *cli, int argc, char **argv);
	const char *args;
	const char *help;
};

/* Runs a command line, and returns the exit status. */
int cli_main(int argc, char **argv);

/* The table, ended by an entry without a noun. */
const struct cli_command *cli_commands(void);

/* The entry of a noun and, if that has verbs, a verb; NULL if there is none. */
const struct cli_command *cli_find(const char *noun, const char *verb);

int cmd_device_attach(struct cli *cli, int argc, char **argv);
int cmd_device_detach(struct cli *cli, int argc, char **argv);
int cmd_device_list(struct cli *cli, int argc, char **argv);
int cmd_device_describe(struct cli *cli, int argc, char **argv);
int cmd_device_renew(struct cli *cli, int argc, char **argv);
int cmd_device_writers(struct cli *cli, int argc, char **argv);
int cmd_device_dirty(struct cli *cli, int argc, char **argv);
int cmd_epoch_advance(struct cli *cli, int argc, char **argv);
int cmd_epoch_list(struct cli *cli, int argc, char **argv);
int cmd_snapshot_create(struct cli *cli, int argc, char **argv);
int cmd_snapshot_list(struct cli *cli, int argc, char **argv);
int cmd_snapshot_extend(struct cli *cli, int argc, char **argv);
int cmd_snapshot_destroy(struct cli *cli, int argc, char **argv);
int cmd_checkpoint_list(struct cli *cli, int argc, char **argv);
int cmd_checkpoint_commit(struct cli *cli, int argc, char **argv);
int cmd_checkpoint_remove(struct cli *cli, int argc, char **argv);
int cmd_changes(struct cli *cli, int argc, char **argv);
int cmd_backup(struct cli *cli, int argc, char **argv);
int cmd_restore(struct cli *cli, int argc, char **argv);
int cmd_verify(struct cli *cli, int argc, char **argv);
int cmd_call(struct cli *cli, int argc, char **argv);
int cmd_info(struct cli *cli, int argc, char **argv);
int cmd_version(struct cli *cli, int argc, char **argv);
int cmd_metrics(struct cli *cli, int argc, char **argv);
int cmd_top(struct cli *cli, int argc, char **argv);
int cmd_events(struct cli *cli, int argc, char **argv);
int cmd_doctor(struct cli *cli, int argc, char **argv);

/**
 * cli_fail - tell why, on stderr, and remember the first error for stdout
 * @name: of the error, without an interface; see the table in error.c
 * @members: further members of the error, consumed; or NULL
 * @reason: a sentence
 *
 * Return: -ECANCELED.
 */
int cli_fail(struct cli *cli, const char *name, struct json_object *members,
	     const char *reason, ...) __attribute__((format(printf, 4, 5)));

/* The same for a system call that failed with @r on @object, a path. */
int cli_fail_errno(struct cli *cli, int r, const char *operation, const char *object);

/* The same for a wrong command line. */
int cli_usage(struct cli *cli, const char *reason, ...) __attribute__((format(printf, 2, 3)));

/* A line on stderr, that is no error. */
void cli_warn(const char *text, ...) __attribute__((format(printf, 1, 2)));

/* The exit status that belongs to an error's name. */
enum cli_exit cli_exit_of(const char *name);

/* Prints the error document on stdout if there is an error and --json. */
void cli_print_error(struct cli *cli);

/**
 * cli_call - call a method of the daemon, over a connection of its own
 * @method: name; without a dot it is one of io.bpfsnap
 * @parameters: consumed; or NULL
 * @ret_reply: its parameters, to be put; or NULL to ignore them
 *
 * Return: 0, or -ECANCELED after having told why.
 */
int cli_call(struct cli *cli, const char *method, struct json_object *parameters,
	     struct json_object **ret_reply);

/* The same with a stream of replies; what @on_reply returns comes back as it is. */
int cli_call_more(struct cli *cli, const char *method, struct json_object *parameters,
		  bpfsnap_reply_fn on_reply, void *data);

/* As cli_call(), but with nothing told: -EREMOTEIO or what went wrong. */
int cli_try_call(struct cli *cli, const char *method, struct json_object *parameters,
		 struct json_object **ret_reply);

/* json_object members by type; false if absent, null or of another type. */
bool member_string(struct json_object *object, const char *key, const char **ret);
bool member_number(struct json_object *object, const char *key, uint64_t *ret);

/* Adds a member, and nothing if it has no value. */
void member_add_string(struct json_object *object, const char *key, const char *value);
void member_add_number(struct json_object *object, const char *key, uint64_t value);

static inline void json_putp(struct json_object **p)
{
	json_object_put(*p);
}

static inline void freep(void *p)
{
	free(*(void **)p);
}

static inline void closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#define _cleanup_(f)	__attribute__((cleanup(f)))
#define _cleanup_json_	_cleanup_(json_putp)
#define _cleanup_free_	_cleanup_(freep)
#define _cleanup_close_	_cleanup_(closep)
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#endif /* _BPFSNAP_CLI_H */
