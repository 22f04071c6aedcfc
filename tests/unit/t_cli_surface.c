// SPDX-License-Identifier: GPL-2.0-only
/*
 * Do help, manual, completion and code speak of the same verbs, options and errors?
 */
#include "t_cli_run.h"

#include "args.h"

#define MANUAL		"docs/man/bpfsnap.8"
#define INTERFACE	"include/io.bpfsnap.varlink"

static const struct {
	const char *name;
	enum cli_exit status;
} errors[] = {
#define ERROR(name, status) { #name, status },
#include "errors.def"
#undef ERROR
};

static char manual[131072];

static int read_manual(void **state)
{
	FILE *f = fopen(MANUAL, "r");
	size_t n = f ? fread(manual, 1, sizeof(manual) - 1, f) : 0;

	if (f)
		fclose(f);
	manual[n] = 0;
	return n && n < sizeof(manual) - 1 ? fake_start(state) : -1;
}

/*
 * In place of the real one: complains of each option that the verb's usage line, its help
 * or the manual does not name, and ends the verb.
 */
int __wrap_args_parse(struct cli *cli, int argc, char **argv, const struct arg_option *options,
		      int min, int max, char ***ret_args);

int __wrap_args_parse(struct cli *cli, int argc, char **argv, const struct arg_option *options,
		      int min, int max, char ***ret_args)
{
	(void)argc;
	(void)argv;
	(void)min;
	(void)max;
	(void)ret_args;
	for (; options && options->name; options++) {
		bool has_letter = options->name[1] == '|';
		const char *name = options->name + 2 * has_letter;
		char word[64], roff[64];

		snprintf(word, sizeof(word), "--%s", name);
		if (!strstr(cli->command->help, word))
			fprintf(stderr, "LACK: help of %s\n", word);
		snprintf(roff, sizeof(roff), "Fl -%s", name);
		if (!strstr(manual, roff))
			fprintf(stderr, "LACK: %s of %s\n", MANUAL, word);
		if (has_letter)
			snprintf(word, sizeof(word), "-%c", options->name[0]);
		if (!strstr(cli->command->args, word))
			fprintf(stderr, "LACK: usage of %s\n", word);
	}
	return cli_fail(cli, "Usage", NULL, "looked at");
}

static void options_are_described(void **state)
{
	int n = 0;

	(void)state;
	for (const struct cli_command *c = cli_commands(); c->noun; c++) {
		const char *lack;

		if (!c->help)
			continue;
		if (c->verb)
			run(c->noun, c->verb);
		else
			run(c->noun);
		assert_non_null(strstr(err_text, "looked at"));
		lack = strstr(err_text, "LACK");
		if (lack)
			fail_msg("%s %s: %s", c->noun, c->verb ?: "", lack);
		n++;
	}
	assert_true(n > 15);
}

static void verbs_are_in_the_manual(void **state)
{
	(void)state;
	for (const struct cli_command *c = cli_commands(); c->noun; c++) {
		char item[128];

		snprintf(item, sizeof(item), ".It Cm %s%s%s", c->noun, c->verb ? " " : "", c->verb ?: "");
		if (c->help && !strstr(manual, item))
			fail_msg(MANUAL " lacks \"%s\"", item);
	}
}

static int status_of(const char *name, size_t length)
{
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++)
		if (strlen(errors[i].name) == length && !strncmp(errors[i].name, name, length))
			return errors[i].status;
	return -1;
}

/* Under EXIT STATUS: ".It N", then lines ".Li Name , Name ,". */
static void exit_statuses_are_those_of_the_manual(void **state)
{
	char *section = strdup(strstr(manual, ".Sh EXIT STATUS")), *rest, *line;
	size_t n = 0;
	int status = -1;

	(void)state;
	strstr(section, "\n.El")[1] = 0;
	for (rest = section; (line = strsep(&rest, "\n"));) {
		sscanf(line, ".It %d", &status);
		if (strncmp(line, ".Li ", 4))
			continue;
		for (char *at = line + 4; *at; n++) {
			size_t length = strcspn(at, " ");

			if (status_of(at, length) != status)
				fail_msg(MANUAL ": %.*s ends with %d, not %d", (int)length, at,
					 status_of(at, length), status);
			at += length;
			at += strspn(at, " ,.");
		}
	}
	assert_int_equal(n, ARRAY_SIZE(errors));	/* none twice, for each has one status */
	free(section);
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++)
		assert_int_equal(cli_exit_of(errors[i].name), errors[i].status);
	assert_int_equal(cli_exit_of("Unheard"), EXIT_FAILED);
}

static void all_errors_of_the_interface_are_known(void **state)
{
	FILE *f = fopen(INTERFACE, "r");
	char line[512], name[64];
	int n = 0;

	(void)state;
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "error %63[A-Za-z]", name) != 1)
			continue;
		if (status_of(name, strlen(name)) < 0)
			fail_msg("errors.def lacks %s", name);
		n++;
	}
	fclose(f);
	assert_true(n > 10);
}

/* What is offered for the last word, blanks between. */
static const char *offered(const char **words)
{
	assert_int_equal(run_words(words), 0);
	for (char *c = out_text; *c; c++)
		*c = *c == '\n' ? ' ' : *c;
	return out_text;
}

#define offer_for(...)	offered((const char *[]) { "bpfsnap", "complete", "--", __VA_ARGS__, NULL })

static void completion(void **state)
{
	(void)state;
	assert_string_equal(offer_for("sn"), "snapshot ");
	assert_string_equal(offer_for("snapshot", ""), "create list extend destroy ");
	assert_string_equal(offer_for("snapshot", "d"), "destroy ");
	assert_string_equal(offer_for("-J", "epoch", "ad"), "advance ");
	assert_string_equal(offer_for("-o", "snapshot", "che"), "checkpoint ");
	assert_string_equal(offer_for("changes", "/dev/x", "--format", ""), "text json map bmap ");
	assert_string_equal(offer_for("changes", "/dev/x", "--format", "=", "j"), "json ");
	assert_string_equal(offer_for("changes", "/dev/x", "--svg", "a"), "@files ");
	assert_string_equal(offer_for("backup", "/dev/x", ""), "@files ");
	assert_string_equal(offer_for("backup", "/dev/x", "i", "--since", "im"), "image ");
	assert_string_equal(offer_for("device", "dirty", "--n"), "--noheadings ");
	assert_string_equal(offer_for("--progress", "j"), "json ");
	assert_string_equal(offer_for("nonsense", ""), "");
	assert_string_equal(offer_for("device", "nonsense", ""), "");
	assert_string_equal(offer_for("device", "list", ""), "");
	assert_null(strstr(offer_for(""), "complete"));
	/* live names */
	fake->live = 1;
	assert_string_equal(offer_for("snapshot", "destroy", ""), "snap-1 ");
	assert_string_equal(offer_for("backup", "/dev/x", "i", "--snapshot", "snap"), "snap-1 ");
	/* another socket is asked if the line names one */
	assert_string_equal(offer_for("--socket", "/nonexistent", "snapshot", "destroy", ""), "");
	assert_string_equal(err_text, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_are_described),
		cmocka_unit_test(verbs_are_in_the_manual),
		cmocka_unit_test(exit_statuses_are_those_of_the_manual),
		cmocka_unit_test(all_errors_of_the_interface_are_known),
		cmocka_unit_test(completion),
	};

	return cmocka_run_group_tests(tests, read_manual, fake_stop);
}
