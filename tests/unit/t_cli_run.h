/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How does a test run the command, and read what it printed?
 */
#ifndef _T_CLI_RUN_H
#define _T_CLI_RUN_H

#include "t_cli_fake.h"

static char out_text[65536], err_text[65536];

static inline void slurp(const char *path, char *text)
{
	FILE *f = fopen(path, "r");
	size_t n = f ? fread(text, 1, 65535, f) : 0;

	text[n] = 0;
	if (f)
		fclose(f);
}

/* Runs the command; its exit status, or 128 + the signal that ended it. */
#define run(...)	run_words((const char *[]) { "bpfsnap", __VA_ARGS__, NULL })

static inline int run_words(const char **words)
{
	char out_path[256], err_path[256];
	int argc = 0, status;
	pid_t pid;

	while (words[argc])
		argc++;
	strcpy(out_path, fake_path("stdout"));
	strcpy(err_path, fake_path("stderr"));
	fflush(NULL);
	pid = fork();
	if (!pid) {
		if (!freopen(out_path, "w", stdout) || !freopen(err_path, "w", stderr))
			_exit(99);
		exit(cli_main(argc, (char **)words));
	}
	waitpid(pid, &status, 0);
	slurp(out_path, out_text);
	slurp(err_path, err_text);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* A member of the JSON document on stdout, as text; "(none)" if there is none. */
static inline const char *out_member(const char *outer, const char *key)
{
	static char text[256];
	struct json_object *document = json_tokener_parse(out_text), *object = document;

	if (outer)
		object = json_object_object_get(document, outer);
	snprintf(text, sizeof(text), "%s", json_object_object_get_ex(object, key, NULL) ?
		 json_object_get_string(json_object_object_get(object, key)) ?: "null" : "(none)");
	json_object_put(document);
	return text;
}

static inline bool same_files(const char *a, const char *b)
{
	char command[600];

	snprintf(command, sizeof(command), "cmp -s %s %s", a, b);
	return system(command) == 0;
}

#endif /* _T_CLI_RUN_H */
