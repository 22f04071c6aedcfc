// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does a wrong command line end with status 2, and each error with its own?
 */
#include "t_cli_run.h"
#include "args.h"

static void wrong_lines_end_with_2(void **state)
{
	(void)state;
	assert_int_equal(run_words((const char *[]) { "bpfsnap", NULL }), 2);
	assert_int_equal(run("frobnicate"), 2);
	assert_int_equal(run("device"), 2);
	assert_int_equal(run("device", "frobnicate"), 2);
	assert_int_equal(run("device", "attach"), 2);
	assert_int_equal(run("device", "attach", ""), 2);
	assert_int_equal(run("device", "attach", "a", "b"), 2);
	assert_int_equal(run("device", "attach", "a", "--granularity"), 2);
	assert_int_equal(run("device", "attach", "a", "--granularity", "4X"), 2);
	assert_int_equal(run("device", "attach", "a", "--granularity=-1"), 2);
	assert_int_equal(run("device", "attach", "a", "--nonsense"), 2);
	assert_int_equal(run("device", "attach", "a", "-x"), 2);
	assert_int_equal(run("device", "list", "a"), 2);
	assert_int_equal(run("device", "list", "-o", "NOPE"), 2);
	assert_int_equal(run("--json=1", "device", "list"), 2);
	assert_int_equal(run("snapshot", "create"), 2);
	assert_int_equal(run("snapshot", "create", "a", "--timeout", "1s"), 2);
	assert_int_equal(run("snapshot", "create", "a", "--storage", ""), 2);
	assert_int_equal(run("checkpoint", "remove", "a"), 2);
	assert_int_equal(run("changes", "a"), 2);
	assert_int_equal(run("changes", "a", "--since", "1", "--max", "0"), 2);
	assert_int_equal(run("backup", "a"), 2);
	assert_int_equal(run("backup", "a", "b", "--snapshot", "x", "--keep"), 2);
	assert_int_equal(run("backup", "a", "b", "--accept-uncertain"), 2);
	assert_int_equal(run("call", "X", "[]"), 2);
	assert_int_equal(run("call", "X", "{"), 2);
	assert_string_equal(out_text, "");
	assert_ptr_equal(strchr(err_text, '\n'), err_text + strlen(err_text) - 1);
}

static void errors_are_documents(void **state)
{
	(void)state;
	assert_int_equal(run("device", "attach", "--json"), 2);
	assert_string_equal(out_member("error", "name"), "Usage");
	strcpy(fake->fail_method, "io.bpfsnap.ListDevices");
	strcpy(fake->fail_error, "io.bpfsnap.NotAttached");
	assert_int_equal(run("-J", "device", "list"), 5);
	assert_string_equal(out_member("error", "name"), "NotAttached");
	assert_string_equal(out_member("error", "device"), "/dev/fake0");
	assert_string_equal(out_member("error", "reason"), "it was told to fail");
	assert_string_equal(err_text, "bpfsnap: it was told to fail\n");
	assert_int_equal(run("device", "list"), 5);
	assert_string_equal(out_text, "");
	strcpy(fake->fail_error, "org.varlink.service.PermissionDenied");
	assert_int_equal(run("device", "list"), 4);
	strcpy(fake->fail_error, "io.bpfsnap.SnapshotBusy");
	assert_int_equal(run("device", "list"), 6);
	strcpy(fake->fail_error, "io.bpfsnap.EpochOutOfRange");
	assert_int_equal(run("device", "list"), 7);
	strcpy(fake->fail_error, "com.example.Unheard");
	assert_int_equal(run("device", "list"), 1);
}

static void bad_peers_are_told(void **state)
{
	(void)state;
	assert_int_equal(run("device", "list", "--socket", "/nonexistent/sock"), 3);
	fake->hang_up = true;
	assert_int_equal(run("device", "list"), 3);
	fake->hang_up = false;
	fake->garbage = true;
	assert_int_equal(run("device", "list"), 1);
	assert_int_equal(run("--json", "changes", "/dev/fake0", "--since", "1"), 1);
	assert_string_equal(out_member("error", "name"), "BadReply");
}

static void answers_are_printed(void **state)
{
	(void)state;
	assert_int_equal(run("device", "list", "-n", "-b", "-o", "size,device,map"), 0);
	assert_non_null(strstr(out_text, "3081728 /dev/fake0 "));
	assert_int_equal(run("device", "list", "--json"), 0);
	assert_non_null(strstr(out_text, "3081728"));
	assert_int_equal(run("--help"), 0);
	assert_int_equal(run("changes", "--help"), 0);
	assert_non_null(strstr(out_text, "--generation"));
	assert_int_equal(run("--version"), 0);
	assert_int_equal(run("info"), 0);
	assert_non_null(strstr(out_text, "9.9"));
	assert_int_equal(run("call", "ListDevices"), 0);
	assert_int_equal(run("call", "Nope"), 5);
}

static void changes_are_listed(void **state)
{
	(void)state;
	fake->epoch = 4;
	fake_write(65536, 10, 1);
	fake_write(65536 * 2, 10, 1);
	fake_write(65536 * 47, 10, 1);
	assert_int_equal(run("changes", "/dev/fake0", "--since", "3"), 0);
	assert_string_equal(out_text, "65536 131072\n3080192 1536\n");
	assert_int_equal(run("changes", "/dev/fake0", "--since", "4"), 0);
	assert_string_equal(out_text, "");
	assert_int_equal(run("changes", "/dev/fake0", "--since", "daily", "--max", "1"), 0);
	assert_string_equal(out_text, "65536 131072\n");
	assert_non_null(strstr(err_text, "--start 3080192"));
	fake->overlap = true;
	assert_int_equal(run("changes", "/dev/fake0", "--since", "3"), 1);
	assert_string_equal(out_text, "");
	fake->overlap = false;
	strcpy(fake->uncertain, "count");
	/* a script that looks at the status alone must not take it for a good one */
	assert_int_equal(run("changes", "/dev/fake0", "--since", "3"), 7);
	assert_string_equal(out_text, "65536 131072\n3080192 1536\n");
	assert_int_equal(run("changes", "/dev/fake0", "--since", "3", "--json"), 7);
	assert_string_equal(out_member(NULL, "state"), "uncertain");
	assert_string_equal(out_member(NULL, "reason"), "count");
	assert_string_equal(out_member(NULL, "next"), "null");
	assert_string_equal(out_member(NULL, "size"), "3081728");
	assert_non_null(strstr(err_text, "uncertain"));
}

/* A stream of replies is one list, or none. */
static void streams_are_whole(void **state)
{
	bool *const faults[] = { &fake->early_end, &fake->mixed_generation, &fake->mixed_offset };

	(void)state;
	fake->epoch = 4;
	fake_write(65536, 10, 1);
	fake_write(65536 * 47, 10, 1);
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		*faults[i] = true;
		assert_int_equal(run("changes", "/dev/fake0", "--since", "3", "--json"), 1);
		assert_string_equal(out_member("error", "name"), "BadReply");
		*faults[i] = false;
		assert_int_equal(run("changes", "/dev/fake0", "--since", "3", "--json"), 0);
	}
	fake->late_uncertain = true;
	assert_int_equal(run("changes", "/dev/fake0", "--since", "3", "--json"), 7);
	assert_string_equal(out_member(NULL, "state"), "uncertain");
}

static void numbers_are_strict(void **state)
{
	uint64_t n;

	(void)state;
	assert_int_equal(parse_number("9223372036854775807", &n), 0);
	assert_true(n == INT64_MAX);
	assert_int_equal(parse_number("9223372036854775808", &n), -EINVAL);
	assert_int_equal(parse_number("", &n), -EINVAL);
	assert_int_equal(parse_number(" 1", &n), -EINVAL);
	assert_int_equal(parse_number("+1", &n), -EINVAL);
	assert_int_equal(parse_number("0x1", &n), -EINVAL);
	assert_int_equal(parse_size("64K", &n), 0);
	assert_true(n == 65536);
	assert_int_equal(parse_size("1miB", &n), 0);
	assert_true(n == 1 << 20);
	assert_int_equal(parse_size("K", &n), -EINVAL);
	assert_int_equal(parse_size("1Kx", &n), -EINVAL);
	assert_int_equal(parse_size("4 ", &n), -EINVAL);
	assert_int_equal(parse_size("4 iB", &n), -EINVAL);
	assert_int_equal(parse_size("9999999T", &n), -EINVAL);
	assert_int_equal(parse_size("00000000000000000000000001", &n), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(wrong_lines_end_with_2, fake_start, fake_stop),
		cmocka_unit_test_setup_teardown(errors_are_documents, fake_start, fake_stop),
		cmocka_unit_test_setup_teardown(bad_peers_are_told, fake_start, fake_stop),
		cmocka_unit_test_setup_teardown(answers_are_printed, fake_start, fake_stop),
		cmocka_unit_test_setup_teardown(changes_are_listed, fake_start, fake_stop),
		cmocka_unit_test_setup_teardown(streams_are_whole, fake_start, fake_stop),
		cmocka_unit_test(numbers_are_strict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
