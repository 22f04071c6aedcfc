/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How is a command line taken apart?
 */
#ifndef _BPFSNAP_CLI_ARGS_H
#define _BPFSNAP_CLI_ARGS_H

#include "cli.h"

enum arg_kind {
	ARG_FLAG,	/* no value; target: bool */
	ARG_STRING,	/* target: const char *, not empty */
	ARG_NUMBER,	/* target: struct arg_number, decimal */
	ARG_SIZE,	/* target: struct arg_number, bytes with an optional K, M, G or T (1024) */
};

struct arg_number {
	bool given;
	uint64_t value;
};

/**
 * struct arg_option - one option of a verb
 * @name: long name without dashes; "b|batch" has a letter too, in front of a global one
 * @kind: what follows, and what @target points to
 * @target: set if the option is there, untouched otherwise
 */
struct arg_option {
	const char *name;
	enum arg_kind kind;
	void *target;
};

/**
 * args_parse - parse the options of a verb and the global ones, in any order
 * @argc, @argv: argv[0] is skipped; argv is permuted
 * @options: of the verb, ended by one without a name; NULL for none
 * @min, @max: number of other arguments
 * @ret_args: the other arguments, a part of @argv
 *
 * Return: the number of other arguments, or -ECANCELED after having told what
 * is wrong.
 */
int args_parse(struct cli *cli, int argc, char **argv, const struct arg_option *options,
	       int min, int max, char ***ret_args);

/**
 * args_globals - parse the options in front of the noun
 * @ret_help, @ret_version: --help or --version was there
 *
 * Return: index of the noun, or -ECANCELED after having told what is wrong.
 */
int args_globals(struct cli *cli, int argc, char **argv, bool *ret_help, bool *ret_version);

/* --jobs: 0, or -ECANCELED after having told what is wrong. */
int check_jobs(struct cli *cli, const struct arg_number *jobs, unsigned int *ret);

/* Strictly decimal, at most INT64_MAX: 0, or -EINVAL. */
int parse_number(const char *text, uint64_t *ret);

/* The same with an optional suffix K, KiB, M, MiB, G, GiB, T, TiB. */
int parse_size(const char *text, uint64_t *ret_bytes);

/* Adds --since, "since" if it is a number and "checkpoint" if not. */
void add_since(struct json_object *parameters, const char *since);

#endif /* _BPFSNAP_CLI_ARGS_H */
