// SPDX-License-Identifier: GPL-2.0-only
/*
 * Do configuration files mean what bpfsnapd.conf(5) says, and is what they should not
 * say told with file and line?
 */
#include "unit.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"

static char root[64];
static char reports[4096];
static unsigned int nr_errors;

static void report(const char *path, unsigned int line, bool is_error, const char *text, void *data)
{
	size_t have = strlen(reports);

	assert_ptr_equal(data, root);
	nr_errors += is_error;
	snprintf(reports + have, sizeof(reports) - have, "%s:%u: %s\n", path + strlen(root), line, text);
}

static int setup(void **state)
{
	strcpy(root, "/tmp/bpfsnap-t_config.XXXXXX");
	assert_non_null(mkdtemp(root));
	return 0;
}

static int teardown(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", root);
	return system(command);
}

static void put(const char *path, const char *text, size_t length_bytes)
{
	char full[256];
	FILE *file;

	snprintf(full, sizeof(full), "%s%s", root, path);
	for (char *slash = full + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		mkdir(full, 0755);
		*slash = '/';
	}
	file = fopen(full, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, length_bytes, file), length_bytes);
	assert_int_equal(fclose(file), 0);
}

#define PUT(path, text)	put(path, text, strlen(text))

static int load(struct config *config)
{
	reports[0] = '\0';
	nr_errors = 0;
	return config_load(root, report, root, config);
}

static void test_nothing(void **state)
{
	struct config config;

	assert_int_equal(load(&config), 0);
	assert_null(config.socket_path);
	assert_null(config.storage_dir);
	assert_int_equal(config.timeout_s, 30);
	assert_int_equal(config.on_failure, CONFIG_FAILURE_REFUSE);
	assert_string_equal(reports, "");
	config_done(&config);
}

static void test_first_file_counts(void **state)
{
	struct config config;

	PUT("/usr/lib/bpfsnap/bpfsnapd.conf", "[Daemon]\nStorage=/lib\nModule=/m\n");
	assert_int_equal(load(&config), 0);
	assert_string_equal(config.storage_dir, "/lib");
	config_done(&config);
	PUT("/etc/bpfsnap/bpfsnapd.conf", "# ours\n[Daemon]\n  Storage = /etc \t\r\n;Module=/no\n");
	assert_int_equal(load(&config), 0);
	assert_string_equal(config.storage_dir, "/etc");
	assert_null(config.module_path);
	config_done(&config);
}

static void test_dropins(void **state)
{
	struct config config;

	PUT("/etc/bpfsnap/bpfsnapd.conf", "[Daemon]\nStorage=/0\nSocket=/0\n");
	PUT("/usr/lib/bpfsnap/bpfsnapd.conf.d/20.conf", "[Daemon]\nStorage=/20\n");
	PUT("/run/bpfsnap/bpfsnapd.conf.d/30.conf", "[Daemon]\nStorage=/30-run\n");
	PUT("/etc/bpfsnap/bpfsnapd.conf.d/10.conf", "[Daemon]\nStorage=/10\n[Quiesce]\nBeforeFreeze=a\n");
	/* These are no drop-ins: a copy that an editor left, and a hidden file. */
	PUT("/etc/bpfsnap/bpfsnapd.conf.d/99.conf~", "[Daemon]\nStorage=/99\n");
	PUT("/etc/bpfsnap/bpfsnapd.conf.d/.conf", "[Daemon]\nStorage=/98\n");
	assert_int_equal(load(&config), 0);
	assert_string_equal(config.storage_dir, "/30-run");
	assert_string_equal(config.socket_path, "/0");
	config_done(&config);
	/* One in /etc takes the place of one of the same name. */
	PUT("/etc/bpfsnap/bpfsnapd.conf.d/30.conf", "");
	assert_int_equal(load(&config), 0);
	assert_string_equal(config.storage_dir, "/20");
	assert_int_equal(config.before_freeze.nr, 1);
	config_done(&config);
	/* An empty value gives the default back, and empties a list. */
	PUT("/etc/bpfsnap/bpfsnapd.conf.d/40.conf",
	    "[Daemon]\nStorage=\n[Quiesce]\nBeforeFreeze=\nBeforeFreeze=b  c\nBeforeFreeze=d\n");
	assert_int_equal(load(&config), 0);
	assert_null(config.storage_dir);
	assert_int_equal(config.before_freeze.nr, 2);
	assert_string_equal(config.before_freeze.text[0], "b  c");
	assert_string_equal(config.before_freeze.text[1], "d");
	config_done(&config);
}

static void test_unknown(void **state)
{
	struct config config;

	PUT("/etc/bpfsnap/bpfsnapd.conf",
	    "Storage=/1\n[Demon]\nStorage=/2\n\n[Daemon]\nStorrage=/3\nTimeoutSec=3\nStorage=/4\n");
	assert_int_equal(load(&config), 0);
	assert_int_equal(nr_errors, 0);
	assert_string_equal(config.storage_dir, "/4");
	assert_string_equal(reports,
		"/etc/bpfsnap/bpfsnapd.conf:1: Storage= is before any [Section]; ignored\n"
		"/etc/bpfsnap/bpfsnapd.conf:2: unknown section [Demon]; ignored\n"
		"/etc/bpfsnap/bpfsnapd.conf:6: unknown key Storrage= in section [Daemon]; ignored\n"
		"/etc/bpfsnap/bpfsnapd.conf:7: unknown key TimeoutSec= in section [Daemon]; ignored\n");
	config_done(&config);
}

static void test_wrong(void **state)
{
	struct config config;

	PUT("/usr/lib/bpfsnap/bpfsnapd.conf.d/x.conf",
	    "[Daemon]\nStorage=here\nwhat\n[Quiesce\nOnFailure=refuse\n[Quiesce]\nOnFailure=maybe\n"
	    "TimeoutSec=0\nTimeoutSec=-1\nTimeoutSec=1min\nTimeoutSec=4294967297\nTimeoutSec= 3600");
	assert_int_equal(load(&config), -EINVAL);
	assert_int_equal(nr_errors, 8);
	assert_null(config.storage_dir);
	assert_int_equal(config.timeout_s, 3600);
	assert_non_null(strstr(reports, "/usr/lib/bpfsnap/bpfsnapd.conf.d/x.conf:2: Storage=here: "
				        "a path must begin with /\n"));
	assert_non_null(strstr(reports, "x.conf:3: 'what' is neither [Section] nor Key=value\n"));
	assert_non_null(strstr(reports, "x.conf:4: '[Quiesce' has no ] at its end\n"));
	assert_non_null(strstr(reports, "x.conf:7: OnFailure=maybe: must be refuse or continue\n"));
	assert_non_null(strstr(reports, "x.conf:11: TimeoutSec=4294967297: "));
	config_done(&config);
}

static void test_no_text(void **state)
{
	static char large[CONFIG_FILE_MAX_BYTES + 1];
	char full[128];
	struct config config;

	put("/etc/bpfsnap/bpfsnapd.conf", "[Daemon]\0\nStorage=/1\n", 21);
	assert_int_equal(load(&config), -EINVAL);
	assert_non_null(strstr(reports, "bpfsnapd.conf:0: has a NUL byte in it"));
	config_done(&config);
	memset(large, '#', sizeof(large));
	put("/etc/bpfsnap/bpfsnapd.conf", large, sizeof(large));
	assert_int_equal(load(&config), -EINVAL);
	assert_non_null(strstr(reports, "is larger than a megabyte"));
	config_done(&config);
	put("/etc/bpfsnap/bpfsnapd.conf", large, sizeof(large) - 1);
	assert_int_equal(load(&config), 0);
	config_done(&config);
	/* A directory is no file, and a link to nowhere is none at all. */
	snprintf(full, sizeof(full), "%s/etc/bpfsnap/bpfsnapd.conf", root);
	unlink(full);
	assert_int_equal(mkdir(full, 0755), 0);
	assert_int_equal(load(&config), -EINVAL);
	assert_non_null(strstr(reports, "can't be read: Is a directory"));
	config_done(&config);
	assert_int_equal(rmdir(full), 0);
	assert_int_equal(symlink("/nowhere", full), 0);
	assert_int_equal(load(&config), 0);
	config_done(&config);
}

static void test_too_many_commands(void **state)
{
	struct config config;
	char text[CONFIG_COMMANDS_MAX * 20 + 64] = "[Quiesce]\n";

	for (int i = 0; i <= CONFIG_COMMANDS_MAX; i++)
		strcat(text, "AfterThaw=true\n");
	PUT("/etc/bpfsnap/bpfsnapd.conf", text);
	assert_int_equal(load(&config), -EINVAL);
	assert_int_equal(config.after_thaw.nr, CONFIG_COMMANDS_MAX);
	assert_int_equal(nr_errors, 1);
	config_done(&config);
}

/* What is printed can be read, and says the same. */
static void test_print(void **state)
{
	char first[1024] = "", second[1024] = "", full[128];
	struct config config;
	FILE *file;

	PUT("/etc/bpfsnap/bpfsnapd.conf", "[Daemon]\nStorage=/a b\n[Quiesce]\nAfterThaw=x = 'y'\n"
	    "AfterThaw=z\nOnFailure=continue\nTimeoutSec=7\n");
	assert_int_equal(load(&config), 0);
	file = fmemopen(first, sizeof(first), "w");
	config_print(&config, file);
	fclose(file);
	config_done(&config);
	PUT("/printed", first);
	snprintf(full, sizeof(full), "%s/printed", root);
	assert_int_equal(config_load_file(full, report, root, &config), 0);
	assert_int_equal(config.after_thaw.nr, 2);
	assert_string_equal(config.after_thaw.text[0], "x = 'y'");
	assert_int_equal(config.timeout_s, 7);
	file = fmemopen(second, sizeof(second), "w");
	config_print(&config, file);
	fclose(file);
	config_done(&config);
	assert_string_equal(first, second);
	assert_int_equal(config_load_file(root, report, root, &config), -EINVAL);
	config_done(&config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_first_file_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dropins, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unknown, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_text, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_many_commands, setup, teardown),
		cmocka_unit_test_setup_teardown(test_print, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
