/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What do the configuration files say?
 *
 * bpfsnapd.conf is the first that exists in /etc/bpfsnap, /run/bpfsnap and
 * /usr/lib/bpfsnap.  After it come the drop-ins, *.conf in bpfsnapd.conf.d of all
 * three, in the order of their names; of several with one name, the one in the first
 * of these directories counts.  What is read later replaces what was read earlier;
 * lists grow, and an empty value empties them.
 */
#ifndef BPFSNAP_CONFIG_H
#define BPFSNAP_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum {
	CONFIG_FILE_MAX_BYTES	= 1 << 20,
	CONFIG_FILES_MAX	= 256,
	CONFIG_COMMANDS_MAX	= 64,
};

/** enum config_failure - what becomes of a snapshot when a command before it fails */
enum config_failure {
	CONFIG_FAILURE_REFUSE,
	CONFIG_FAILURE_CONTINUE,
};

/**
 * struct config_commands - shell commands, in the order in which they are run
 * @text: each; owned
 */
struct config_commands {
	char *text[CONFIG_COMMANDS_MAX];
	size_t nr;
};

/**
 * struct config - what is set, NULL where nothing is; see bpfsnapd.conf(5)
 * @timeout_s: for all commands before a freeze together, and again for those after it
 */
struct config {
	char *socket_path;
	char *storage_dir;
	char *module_path;
	char *pins_dir;
	char *group;
	struct config_commands before_freeze;
	struct config_commands after_thaw;
	unsigned int timeout_s;
	enum config_failure on_failure;
};

/**
 * config_report_fn - is told of a line that was not understood, or a file that was not read
 * @line: 0 if it is about the whole file
 * @is_error: a value is wrong or a file can't be read; else a name is unknown, and the line ignored
 */
typedef void (*config_report_fn)(const char *path, unsigned int line, bool is_error,
				 const char *text, void *data);

/**
 * config_load - read all files
 * @root: put before each directory, "" for the system's own
 *
 * Return: 0; -EINVAL if an error was reported, all else was read nevertheless; -ENOMEM.
 * @ret_config is to be given to config_done() in each case.
 */
int config_load(const char *root, config_report_fn report, void *data, struct config *ret_config);

/** config_load_file - the same with one file, and no drop-ins */
int config_load_file(const char *path, config_report_fn report, void *data,
		     struct config *ret_config);

void config_done(struct config *config);

/** config_print - all keys with what they are set to, as a file that can be read again */
void config_print(const struct config *config, FILE *out);

#endif /* BPFSNAP_CONFIG_H */
