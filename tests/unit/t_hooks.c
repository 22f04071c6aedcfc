// SPDX-License-Identifier: GPL-2.0-only
/*
 * Are commands run around a freeze in order, within their time, and does one that fails
 * do what is configured?
 */
#include "unit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "hooks.h"

static const char *const devices[] = { "/dev/vda1", "/dev/vdb" };
static char log_path[64], text[4096];

static int setup(void **state)
{
	int fd;

	strcpy(log_path, "/tmp/bpfsnap-t_hooks.XXXXXX");
	fd = mkstemp(log_path);
	assert_true(fd >= 0);
	close(fd);
	setenv("HOOKS_SECRET", "of the daemon alone", 1);
	return 0;
}

static int teardown(void **state)
{
	return unlink(log_path);
}

/* A command that writes into the log. */
static char *say(const char *command)
{
	char *full;

	assert_true(asprintf(&full, "{ %s; } >>%s", command, log_path) > 0);
	return full;
}

static const char *said(void)
{
	FILE *file = fopen(log_path, "r");

	assert_non_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	return text;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int before(struct config *config, struct fault *fault)
{
	return hooks_before(config, devices, 2, fault);
}

static void test_order_and_environment(void **state)
{
	struct config config = { .timeout_s = 10 };
	struct fault fault = { 0 };

	assert_int_equal(hooks_before(NULL, devices, 2, &fault), 0);
	hooks_after(NULL, devices, 2, true);
	config.before_freeze.text[config.before_freeze.nr++] = say("echo 1 $BPFSNAP_PHASE");
	config.before_freeze.text[config.before_freeze.nr++] = say("echo 2 $BPFSNAP_DEVICES $HOOKS_SECRET");
	config.after_thaw.text[config.after_thaw.nr++] = say("false");
	config.after_thaw.text[config.after_thaw.nr++] = say("echo 3 $BPFSNAP_PHASE $BPFSNAP_RESULT");
	assert_int_equal(before(&config, &fault), 0);
	assert_int_equal(fault.reason, REASON_NONE);
	hooks_after(&config, devices, 2, true);
	assert_string_equal(said(), "1 before-freeze\n2 /dev/vda1 /dev/vdb\n3 after-thaw taken\n");
	config_done(&config);
}

static void test_refuse(void **state)
{
	struct config config = { .timeout_s = 10, .on_failure = CONFIG_FAILURE_REFUSE };
	struct fault fault = { 0 };

	config.before_freeze.text[config.before_freeze.nr++] = say("exit 3");
	config.before_freeze.text[config.before_freeze.nr++] = say("echo not reached");
	config.after_thaw.text[config.after_thaw.nr++] = say("echo $BPFSNAP_RESULT");
	assert_int_equal(before(&config, &fault), -ECANCELED);
	assert_string_equal(reason_name(fault.reason), "io.bpfsnap.HookFailed");
	assert_non_null(strstr(fault_text(&fault), "ended with status 3"));
	assert_string_equal(said(), "failed\n");
	fault_done(&fault);
	config_done(&config);
}

static void test_continue(void **state)
{
	struct config config = { .timeout_s = 10, .on_failure = CONFIG_FAILURE_CONTINUE };
	struct fault fault = { 0 };

	config.before_freeze.text[config.before_freeze.nr++] = say("kill -9 $$");
	config.before_freeze.text[config.before_freeze.nr++] = say("echo reached");
	assert_int_equal(before(&config, &fault), 0);
	assert_int_equal(fault.reason, REASON_NONE);
	assert_string_equal(said(), "reached\n");
	config_done(&config);
}

/* What the command started is killed with it, and a second one gets no time of its own. */
static void test_deadline(void **state)
{
	struct config config = { .timeout_s = 3, .on_failure = CONFIG_FAILURE_CONTINUE };
	struct fault fault = { 0 };
	int64_t begin_ms;
	int pid = 0;

	config.before_freeze.text[config.before_freeze.nr++] = say("sleep 60 & echo $!; wait");
	config.before_freeze.text[config.before_freeze.nr++] = say("sleep 60");
	begin_ms = now_ms();
	assert_int_equal(before(&config, &fault), 0);
	assert_in_range(now_ms() - begin_ms, 3000, 5999);
	assert_int_equal(sscanf(said(), "%d", &pid), 1);
	for (int i = 0; i < 1000 && kill(pid, 0) == 0; i++) {
		char path[64], state_letter = 0;
		FILE *file;

		/* Whoever adopted it may not have reaped it. */
		snprintf(path, sizeof(path), "/proc/%d/stat", pid);
		file = fopen(path, "r");
		if (!file || fscanf(file, "%*d %*s %c", &state_letter) != 1 || state_letter == 'Z') {
			if (file)
				fclose(file);
			break;
		}
		fclose(file);
		usleep(10000);
		assert_true(i < 999);
	}
	config.timeout_s = 1;
	config.on_failure = CONFIG_FAILURE_REFUSE;
	assert_int_equal(before(&config, &fault), -ECANCELED);
	assert_non_null(strstr(fault_text(&fault), "did not end in time"));
	fault_done(&fault);
	config_done(&config);
}

/* The daemon blocks and ignores signals; its commands must not. */
static void test_signals(void **state)
{
	struct config config = { .timeout_s = 10 };
	struct fault fault = { 0 };
	unsigned long long blocked, ignored;
	sigset_t term;

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	signal(SIGPIPE, SIG_IGN);
	/* What whoever started the tests ignores is not the daemon's. */
	signal(SIGHUP, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	signal(SIGQUIT, SIG_DFL);
	config.before_freeze.text[config.before_freeze.nr++] =
		say("grep -E 'Sig(Blk|Ign)' /proc/self/status | tr -d '\\t\\n'");
	assert_int_equal(before(&config, &fault), 0);
	/* Two are the C library's own. */
	assert_int_equal(sscanf(said(), "SigBlk:%llxSigIgn:%llx", &blocked, &ignored), 2);
	assert_int_equal(blocked, 0);
	assert_int_equal(ignored & 0x7fffffff, 0);
	sigprocmask(SIG_UNBLOCK, &term, NULL);
	config_done(&config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_order_and_environment, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refuse, setup, teardown),
		cmocka_unit_test_setup_teardown(test_continue, setup, teardown),
		cmocka_unit_test_setup_teardown(test_deadline, setup, teardown),
		cmocka_unit_test_setup_teardown(test_signals, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
