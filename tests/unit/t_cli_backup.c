// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is a backup image what the snapshot was, whatever happens on the way?
 */
#include "t_cli_run.h"
#include <sys/file.h>

#include "copy.h"
#include "sidecar.h"

/* Faults, at calls between files of the command (ld --wrap). */
static enum { NO_FAULT, KILL_COMPLETE, KILL_PATCH, TERM_COPY, LATE_WRITE } fault;
static int patches;

int __real_sidecar_write(const char *image_path, const struct sidecar *sidecar);
int __wrap_sidecar_write(const char *image_path, const struct sidecar *sidecar);
int __real_copy_patch(struct copy *copy, int from_fd, int to_fd, uint64_t offset, uint64_t length);
int __wrap_copy_patch(struct copy *copy, int from_fd, int to_fd, uint64_t offset, uint64_t length);
int __real_copy_new(struct copy *copy, int from_fd, int to_fd, uint64_t offset, uint64_t length);
int __wrap_copy_new(struct copy *copy, int from_fd, int to_fd, uint64_t offset, uint64_t length);

int __wrap_sidecar_write(const char *image_path, const struct sidecar *sidecar)
{
	if (fault == KILL_COMPLETE && sidecar->state == SIDECAR_COMPLETE)
		raise(SIGKILL);
	return __real_sidecar_write(image_path, sidecar);
}

int __wrap_copy_patch(struct copy *copy, int from_fd, int to_fd, uint64_t offset, uint64_t length)
{
	if (fault == KILL_PATCH && ++patches == 2)
		raise(SIGKILL);
	if (fault == TERM_COPY)
		raise(SIGTERM);
	if (fault == LATE_WRITE)	/* what the change list lacks */
		return 0;
	return __real_copy_patch(copy, from_fd, to_fd, offset, length);
}

int __wrap_copy_new(struct copy *copy, int from_fd, int to_fd, uint64_t offset, uint64_t length)
{
	if (fault == TERM_COPY)
		raise(SIGTERM);
	return __real_copy_new(copy, from_fd, to_fd, offset, length);
}

static int start(void **state)
{
	fault = NO_FAULT;
	return fake_start(state);
}

static struct sidecar read_sidecar(void)
{
	struct sidecar sidecar;
	const char *reason;

	assert_int_equal(sidecar_read(fake_path("b"), &sidecar, &reason), 0);
	return sidecar;
}

static int full(void)
{
	return run("backup", "/dev/fake0", fake_path("b"), "--json", "--verify");
}

static int incremental(void)
{
	return run("backup", "/dev/fake0", fake_path("b"), "--since", "image", "--json");
}

static int count_files(const char *pattern)
{
	char command[256], text[32] = "";
	FILE *f;

	snprintf(command, sizeof(command), "ls %s | grep -c -- '%s'", fake->dir, pattern);
	f = popen(command, "r");
	assert_non_null(fgets(text, sizeof(text), f));
	pclose(f);
	return atoi(text);
}

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

static void image_in_use_is_refused(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(full(), 0);
	fd = open(fake_path("b"), O_RDONLY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_SH), 0);
	assert_int_equal(incremental(), 6);
	assert_string_equal(out_member("error", "name"), "ImageBusy");
	assert_int_equal(full(), 6);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(run("restore", fake_path("b"), fake_path("target")), 6);
	assert_int_equal(fake->created, 1);
	close(fd);
	assert_int_equal(incremental(), 0);
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

static void wrong_updates_are_refused(void **state)
{
	(void)state;
	assert_int_equal(incremental(), 5);	/* there is no image */
	fake_write(0, 10, 1);
	assert_int_equal(full(), 0);
	fake_write(65536, 10, 1);

	assert_int_equal(run("backup", "/dev/fake0", fake_path("b"), "--since", "2", "-J"), 7);
	assert_string_equal(out_member("error", "name"), "SinceTooNew");
	strcpy(fake->uncertain, "lost some");
	assert_int_equal(incremental(), 7);
	assert_string_equal(out_member("error", "name"), "Uncertain");
	strcpy(fake->uncertain, "");
	fake->size_bytes -= 512;
	assert_int_equal(incremental(), 7);
	assert_string_equal(out_member("error", "name"), "SizeChanged");
	fake->size_bytes += 512;
	strcpy(fake->device, "/dev/fake1");
	assert_int_equal(incremental(), 7);
	assert_string_equal(out_member("error", "name"), "ImageInvalid");
	strcpy(fake->device, "/dev/fake0");
	fake->generation[0] = '9';
	assert_int_equal(incremental(), 7);
	assert_string_equal(out_member("error", "name"), "GenerationChanged");
	fake->generation[0] = '1';
	assert_int_equal(fake->created, 1);	/* all that without a snapshot */

	strcpy(fake->image_error, "storage full");
	assert_int_equal(incremental(), 7);
	assert_string_equal(out_member("error", "name"), "SnapshotFailed");
	strcpy(fake->image_error, "");
	assert_int_equal(fake->live, 0);
	assert_int_equal(read_sidecar().state, SIDECAR_COMPLETE);

	strcpy(fake->uncertain, "lost some");
	assert_int_equal(run("backup", "/dev/fake0", fake_path("b"), "--since", "image",
			     "--accept-uncertain"), 0);
	assert_true(read_sidecar().uncertain);
	strcpy(fake->uncertain, "");
	assert_int_equal(run("backup", "/dev/fake0", fake_path("b"), "--since", "image",
			     "--verify"), 0);
	assert_false(read_sidecar().uncertain);

	assert_int_equal(truncate(fake_path("b"), 4096), 0);
	assert_int_equal(incremental(), 7);
}

/* An older snapshot must not be patched in with a list that starts after it. */
static void older_snapshot_is_refused(void **state)
{
	(void)state;
	fake->live = 1;
	fake->snapshot_since = 1;
	fake_copy_file(fake_path("origin"), fake_path("image"));
	fake->epoch = 2;
	fake_write(0, 10, 1);
	fake_copy_file(fake_path("image"), fake_path("old"));
	assert_int_equal(full(), 0);
	fake->snapshot_since = 1;
	fake_copy_file(fake_path("old"), fake_path("image"));
	assert_int_equal(run("backup", "/dev/fake0", fake_path("b"), "--since", "image",
			     "--snapshot", "snap-1", "-J"), 7);
	assert_string_equal(out_member("error", "name"), "SinceTooNew");
	assert_int_equal(run("backup", "/dev/fake0", fake_path("b"), "--since", "1",
			     "--snapshot", "snap-1", "--verify"), 0);
	assert_true(same_files(fake_path("b"), fake_path("old")));
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
	assert_int_equal(run("restore", fake_path("b"), fake_path("target"), "--force"), 0);
}

int main(void)
{
#define with_fake(f)	cmocka_unit_test_setup_teardown(f, start, fake_stop)
	const struct CMUnitTest tests[] = {
		with_fake(full_is_the_snapshot),
		with_fake(incremental_is_the_snapshot),
		with_fake(crash_is_repaired),
		with_fake(crash_of_full_leaves_no_sidecar),
		with_fake(image_in_use_is_refused),
		with_fake(signal_puts_in_order),
		with_fake(wrong_updates_are_refused),
		with_fake(older_snapshot_is_refused),
		with_fake(verify_finds_what_the_list_lacked),
		with_fake(failed_destroy_is_told),
		with_fake(restore_is_the_image),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
