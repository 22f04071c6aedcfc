// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is a backup image what the snapshot was, whatever happens on the way?
 */
#include "t_cli_faults.h"

static void full_is_the_snapshot(void **state)
{
	struct stat st;

	(void)state;
	fake_write(100000, 5000, 'x');
	fake_write(FAKE_SIZE_BYTES - 3, 3, 'y');
	assert_int_equal(full(), 0);
	assert_true(same_files(fake_path("b"), fake_path("origin")));
	assert_int_equal(stat(fake_path("b"), &st), 0);
	assert_true(st.st_blocks * 512 < FAKE_SIZE_BYTES / 4);
	assert_string_equal(out_member(NULL, "read_back"), "true");
	assert_string_equal(out_member(NULL, "copied_bytes"), "9728");	/* 2 blocks, 3 sectors */
	assert_int_equal(fake->live, 0);
	assert_int_equal(read_sidecar().since, 1);
	assert_int_equal(read_sidecar().state, SIDECAR_COMPLETE);
	assert_int_equal(count_files("part"), 0);
	assert_int_equal(run("backup", "/dev/fake0", fake_path("b"), "--keep"), 0);
	assert_non_null(strstr(out_text, "read back: -\n"));
	assert_int_equal(fake->live, 1);
	assert_int_equal(run("backup", "/dev/fake0", fake_path("b"), "--snapshot", "snap-1"), 0);
	assert_int_equal(fake->live, 1);
	assert_int_equal(run("backup", "/dev/fake0", fake_path("b"), "--snapshot", "nope"), 5);
	assert_int_equal(run("backup", "/dev/other", fake_path("b"), "--snapshot", "snap-1"), 5);
}

/* Rounds of random writes: each update must equal a full copy. */
static void incremental_is_the_snapshot(void **state)
{
	(void)state;
	srand(1);
	assert_int_equal(full(), 0);
	for (int round = 0; round < 12; round++) {
		for (int i = rand() % 8; i; i--) {
			uint64_t offset = rand() % (FAKE_SIZE_BYTES - 1);
			uint64_t length = 1 + rand() % 200000;

			if (length > FAKE_SIZE_BYTES - offset)
				length = FAKE_SIZE_BYTES - offset;
			fake_write(offset, length, rand() % 3 ? rand() : 0);
		}
		assert_int_equal(incremental(), 0);
		assert_true(same_files(fake_path("b"), fake_path("origin")));
		assert_int_equal(read_sidecar().since, fake->epoch - 1);
	}
	assert_int_equal(fake->live, 0);
	/* an earlier epoch, or a checkpoint, is as good */
	fake_write(0, 10, 7);
	assert_int_equal(run("backup", "/dev/fake0", fake_path("b"), "--since", "2", "--verify"), 0);
	assert_int_equal(run("backup", "/dev/fake0", fake_path("b"), "--since", "cp", "--verify"), 0);
}

static void crash_is_repaired(void **state)
{
	const int faults[] = { KILL_COMPLETE, KILL_PATCH };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		uint32_t since;

		assert_int_equal(full(), 0);
		since = read_sidecar().since;
		fake_write(70000, 10, 'a');
		fake_write(700000, 10, 'b');
		fault = faults[i];
		assert_int_equal(incremental(), 128 + SIGKILL);
		fault = NO_FAULT;
		fake->live = 0;		/* nobody destroyed it */
		assert_int_equal(read_sidecar().state, SIDECAR_PATCHING);
		assert_int_equal(read_sidecar().since, since);
		assert_int_equal(run("restore", fake_path("b"), fake_path("target")), 7);

		fake_write(1000000, 10, 'c');
		fake_write(700000, 10, 0);
		assert_int_equal(incremental(), 0);
		assert_int_equal(read_sidecar().state, SIDECAR_COMPLETE);
		assert_true(same_files(fake_path("b"), fake_path("origin")));
	}
}

/* The old sidecar must never be found beside the new image. */
static void crash_of_full_leaves_no_sidecar(void **state)
{
	struct sidecar sidecar;
	const char *reason;

	(void)state;
	assert_int_equal(full(), 0);
	fake_write(0, 10, 1);
	fault = KILL_COMPLETE;
	assert_int_equal(full(), 128 + SIGKILL);
	assert_int_equal(sidecar_read(fake_path("b"), &sidecar, &reason), -ENOENT);
	assert_true(same_files(fake_path("b"), fake_path("origin")));
}

static void signal_puts_in_order(void **state)
{
	(void)state;
	fault = TERM_COPY;
	assert_int_equal(run("backup", "/dev/fake0", fake_path("b"), "--json",
			     "--checkpoint", "cp"), 1);
	assert_string_equal(out_member("error", "name"), "Interrupted");
	assert_int_equal(fake->created, 1);
	assert_int_equal(fake->live, 0);
	assert_int_equal(fake->checkpoints, 0);
	assert_int_equal(count_files("^b"), 0);
	fault = NO_FAULT;
	assert_int_equal(full(), 0);
	fake_write(0, 10, 1);
	fault = TERM_COPY;
	assert_int_equal(incremental(), 1);
	assert_int_equal(fake->live, 0);
	assert_int_equal(read_sidecar().state, SIDECAR_PATCHING);
	fault = NO_FAULT;
	assert_int_equal(incremental(), 0);
	assert_true(same_files(fake_path("b"), fake_path("origin")));
}

static void verify_finds_what_the_list_lacked(void **state)
{
	(void)state;
	assert_int_equal(full(), 0);
	fake_write(70000, 10, 'a');
	fault = LATE_WRITE;
	assert_int_equal(run("backup", "/dev/fake0", fake_path("b"), "--since", "image",
			     "--verify", "--json"), 7);
	fault = NO_FAULT;
	assert_string_equal(out_member("error", "name"), "VerificationFailed");
	assert_string_equal(out_member("error", "offset"), "70000");
	assert_int_equal(fake->live, 0);
	assert_int_equal(incremental(), 7);	/* no sidecar any more */
	assert_int_equal(full(), 0);
}

/* A signal must not save the sidecar of an image that is known to be wrong. */
static void signal_does_not_hide_a_difference(void **state)
{
	(void)state;
	assert_int_equal(full(), 0);
	fake_write(70000, 10, 'a');
	fault = LATE_WRITE_TERM;
	assert_int_equal(run("backup", "/dev/fake0", fake_path("b"), "--since", "image",
			     "--verify", "--json"), 7);
	fault = NO_FAULT;
	assert_string_equal(out_member("error", "name"), "VerificationFailed");
	assert_int_equal(count_files("bpfsnap.json"), 0);
}

/* Once made from an uncertain list, an image stays uncertain until it is compared. */
static void accepted_doubt_is_remembered(void **state)
{
	(void)state;
	assert_int_equal(full(), 0);
	strcpy(fake->uncertain, "lost some");
	assert_int_equal(run("backup", "/dev/fake0", fake_path("b"), "--since", "image",
			     "--accept-uncertain", "-J"), 0);
	assert_string_equal(out_member(NULL, "state"), "uncertain");
	strcpy(fake->uncertain, "");
	assert_int_equal(incremental(), 0);
	assert_string_equal(out_member(NULL, "state"), "uncertain");
	assert_non_null(strstr(out_member(NULL, "reason"), "earlier"));
	assert_int_equal(run("backup", "/dev/fake0", fake_path("b"), "--since", "image",
			     "--verify", "-J"), 0);
	assert_string_equal(out_member(NULL, "state"), "verified");
}

/* An earlier "since" than the image's is what a repair must begin with. */
static void crash_keeps_the_earlier_since(void **state)
{
	(void)state;
	assert_int_equal(full(), 0);
	fake_write(0, 10, 1);
	assert_int_equal(incremental(), 0);
	assert_int_equal(read_sidecar().since, 2);
	fake_write(700000, 10, 2);
	fault = KILL_PATCH;
	assert_int_equal(run("backup", "/dev/fake0", fake_path("b"), "--since", "1"),
			 128 + SIGKILL);
	fault = NO_FAULT;
	assert_int_equal(read_sidecar().state, SIDECAR_PATCHING);
	assert_int_equal(read_sidecar().since, 1);
}

static void what_is_gone_is_not_left_over(void **state)
{
	(void)state;
	fake->lost_destroy = true;
	assert_int_equal(full(), 0);
	assert_null(strstr(err_text, "left over"));
	assert_int_equal(fake->live, 0);
}

static void failed_destroy_is_told(void **state)
{
	(void)state;
	strcpy(fake->fail_method, "io.bpfsnap.DestroySnapshot");
	strcpy(fake->fail_error, "io.bpfsnap.SnapshotBusy");
	assert_int_equal(full(), 6);
	assert_non_null(strstr(err_text, "left over"));
	assert_true(same_files(fake_path("b"), fake_path("origin")));
	strcpy(fake->fail_method, "io.bpfsnap.CreateSnapshot");
	strcpy(fake->fail_error, "io.bpfsnap.CheckpointExists");
	fake->checkpoints = 1;
	assert_int_equal(run("backup", "/dev/fake0", fake_path("c"), "--checkpoint", "cp"), 6);
	assert_int_equal(fake->checkpoints, 1);	/* not ours */
}

static void restore_is_the_image(void **state)
{
	int fd;

	(void)state;
	fake_write(100000, 5000, 'x');
	fake_write(FAKE_SIZE_BYTES - 3, 3, 'y');
	assert_int_equal(full(), 0);
	assert_int_equal(run("restore", fake_path("b"), fake_path("target")), 5);
	fd = open(fake_path("target"), O_WRONLY | O_CREAT, 0600);
	for (int i = 0; i < 100; i++)
		assert_int_equal(write(fd, "garbage", 7), 7);
	close(fd);
	assert_int_equal(run("restore", fake_path("b"), fake_path("target"), "--json"), 0);
	assert_string_equal(out_member(NULL, "read_back"), "true");
	assert_true(same_files(fake_path("b"), fake_path("target")));
	assert_int_equal(run("restore", fake_path("b"), fake_path("b")), 2);
	assert_int_equal(run("restore", fake_path("b"), "/dev/null"), 1);
	unlink(fake_path("b" SIDECAR_SUFFIX));
	assert_int_equal(run("restore", fake_path("b"), fake_path("target")), 7);
	assert_int_equal(run("restore", fake_path("b"), fake_path("target"), "--force"), 7);
	assert_int_equal(run("restore", fake_path("b"), fake_path("target"), "--accept-image"), 0);
	assert_non_null(strstr(err_text, "no sidecar"));
}

int main(void)
{
#define with_fake(f)	cmocka_unit_test_setup_teardown(f, start, fake_stop)
	const struct CMUnitTest tests[] = {
		with_fake(full_is_the_snapshot),
		with_fake(incremental_is_the_snapshot),
		with_fake(crash_is_repaired),
		with_fake(crash_of_full_leaves_no_sidecar),
		with_fake(signal_puts_in_order),
		with_fake(signal_does_not_hide_a_difference),
		with_fake(accepted_doubt_is_remembered),
		with_fake(crash_keeps_the_earlier_since),
		with_fake(verify_finds_what_the_list_lacked),
		with_fake(what_is_gone_is_not_left_over),
		with_fake(failed_destroy_is_told),
		with_fake(restore_is_the_image),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
