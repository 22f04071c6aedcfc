// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does a backup arrive whole at the other end of a pipe, or not at all?
 */
#include "t_cli_run.h"

static int shell(const char *format, ...) __attribute__((format(printf, 1, 2)));

static int shell(const char *format, ...)
{
	char command[1200];
	va_list ap;

	va_start(ap, format);
	vsnprintf(command, sizeof(command), format, ap);
	va_end(ap);
	return WEXITSTATUS(system(command));
}

/* What was printed becomes a file of that name. */
static void keep_stdout(const char *name)
{
	assert_int_equal(shell("mv %s %s", fake_path("stdout"), fake_path(name)), 0);
}

static off_t size_of(const char *name)
{
	struct stat st;

	assert_int_equal(stat(fake_path(name), &st), 0);
	return st.st_size;
}

static void send_full(const char *name)
{
	assert_int_equal(run("backup", "/dev/fake0", "-"), 0);
	keep_stdout(name);
}

static void send_since(const char *name, unsigned int since)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", since);
	assert_int_equal(run("backup", "/dev/fake0", "-", "--since", text), 0);
	keep_stdout(name);
}

static int receive(const char *stream, const char *target)
{
	return run("restore", fake_path(stream), fake_path(target), "--json");
}

/* The image is the snapshot that was sent last, and a backup as any other. */
static void is_image(const char *name)
{
	assert_true(same_files(fake_path(name), fake_path("image")));
	assert_int_equal(run("verify", fake_path(name)), 0);
}

static void a_stream_becomes_an_image(void **state)
{
	(void)state;
	fake_write(70000, 200000, 'a');
	send_full("s");
	/* what is zeros is not sent */
	assert_true(size_of("s") < FAKE_SIZE_BYTES);
	assert_int_equal(fake->live, 0);
	assert_int_equal(receive("s", "b"), 0);
	assert_string_equal(out_member(NULL, "checked"), "true");
	is_image("b");
	/* it can be brought up to date in any way */
	fake_write(5000, 10, 'y');
	assert_int_equal(run("backup", "/dev/fake0", fake_path("b"), "--since", "image"), 0);
	is_image("b");
	/* and replaced by another whole one */
	fake_write(1000000, 10, 'z');
	send_full("s");
	assert_int_equal(receive("s", "b"), 0);
	is_image("b");
	assert_int_equal(shell("test -z \"$(ls %s | grep part)\"", fake->dir), 0);
}

static void changes_bring_it_up_to_date(void **state)
{
	unsigned int since;

	(void)state;
	fake_write(70000, 2000000, 'a');
	send_full("s");
	assert_int_equal(receive("s", "b"), 0);
	since = fake->snapshot_since;
	fake_write(100000, 70000, 'b');
	fake_write(900000, 100000, 0);		/* zeros are holes again */
	fake_write(FAKE_SIZE_BYTES - 10, 10, 'e');
	send_since("s1", since);
	assert_true(size_of("s1") < 400000);
	assert_int_equal(receive("s1", "b"), 0);
	is_image("b");
	/* once more does no harm */
	assert_int_equal(receive("s1", "b"), 0);
	is_image("b");
	/* a list that goes further back does, too */
	fake_write(500000, 10, 'c');
	send_since("s2", since);
	assert_int_equal(receive("s2", "b"), 0);
	is_image("b");
	/* what the image already has of later would stay */
	assert_int_equal(receive("s1", "b"), 7);
	assert_string_equal(out_member("error", "name"), "SinceTooNew");
	is_image("b");
	/* what goes on from later than the image lacks something */
	fake_write(600000, 10, 'd');
	send_full("s3");
	since = fake->snapshot_since;
	fake_write(700000, 10, 'e');
	send_since("s4", since);
	assert_int_equal(receive("s4", "b"), 7);
	assert_string_equal(out_member("error", "name"), "SinceTooNew");
	assert_int_equal(run("verify", fake_path("b")), 0);
}

static void another_device_is_refused(void **state)
{
	unsigned int since;

	(void)state;
	send_full("s");
	assert_int_equal(receive("s", "b"), 0);
	since = fake->snapshot_since;
	strcpy(fake->device, "/dev/fake1");
	send_since("s1", since);
	assert_int_equal(receive("s1", "b"), 7);
	strcpy(fake->device, "/dev/fake0");
	strcpy(fake->generation, "99999999-2222-3333-4444-555555555555");
	send_since("s1", since);
	assert_int_equal(receive("s1", "b"), 7);
	assert_string_equal(out_member("error", "name"), "GenerationChanged");
	/* nothing to bring up to date */
	assert_int_equal(receive("s1", "none"), 5);
	assert_int_equal(run("verify", fake_path("b")), 0);
}

/* Cut anywhere, a stream is no backup: no image takes its name. */
static void a_cut_stream_leaves_nothing(void **state)
{
	off_t size;

	(void)state;
	fake_write(70000, 200000, 'a');
	send_full("s");
	size = size_of("s");
	for (off_t cut = 0; cut < size; cut += cut < 700 ? 83 : 19973) {
		assert_int_equal(shell("head -c %ld %s >%s", (long)cut, fake_path("s"),
				       fake_path("cut")), 0);
		assert_int_not_equal(receive("cut", "b"), 0);
		assert_int_equal(shell("test -e %s", fake_path("b")), 1);
		assert_int_equal(shell("ls %s | grep -q part", fake->dir), 1);
	}
	assert_int_equal(shell("cp %s %s; echo >>%s", fake_path("s"), fake_path("long"),
			       fake_path("long")), 0);
	assert_int_equal(receive("long", "b"), 7);
	assert_string_equal(out_member("error", "name"), "ImageDamaged");
	assert_int_equal(shell("test -e %s", fake_path("b")), 1);
}

/* Whatever bit changes behind the head, it is noticed. */
static void a_damaged_stream_is_refused(void **state)
{
	off_t size, head;
	int fd;

	(void)state;
	fake_write(70000, 5000, 'a');
	send_full("s");
	size = size_of("s");
	assert_int_equal(shell("head -n 2 %s >%s", fake_path("s"), fake_path("head")), 0);
	head = size_of("head");
	fd = open(fake_path("s"), O_RDWR);
	for (off_t at = head; at < size; at += at < head + 64 ? 3 : 9973) {
		unsigned char byte;

		assert_int_equal(pread(fd, &byte, 1, at), 1);
		byte ^= 1 << at % 8;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		assert_int_equal(receive("s", "b"), 7);
		assert_string_equal(out_member("error", "name"), "ImageDamaged");
		assert_int_equal(shell("test -e %s", fake_path("b")), 1);
		byte ^= 1 << at % 8;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	}
	close(fd);
	assert_int_equal(receive("s", "b"), 0);
	is_image("b");
}

/* An update that was cut is refused by all, and repaired by the same stream. */
static void a_cut_update_is_repaired(void **state)
{
	unsigned int since;
	off_t size;

	(void)state;
	fake_write(70000, 200000, 'a');
	send_full("s");
	assert_int_equal(receive("s", "b"), 0);
	since = fake->snapshot_since;
	fake_write(100000, 300000, 'b');
	fake_write(2000000, 300000, 'c');
	send_since("s1", since);
	size = size_of("s1");
	for (off_t cut = 500; cut < size; cut += 90001) {
		assert_int_equal(shell("head -c %ld %s >%s", (long)cut, fake_path("s1"),
				       fake_path("cut")), 0);
		assert_int_equal(receive("cut", "b"), 7);
		assert_int_equal(run("verify", fake_path("b"), "--json"), 7);
		assert_string_equal(out_member("error", "name"), "ImageIncomplete");
	}
	assert_int_equal(receive("s1", "b"), 0);
	is_image("b");
}

static void what_makes_no_sense_is_refused(void **state)
{
	(void)state;
	assert_int_equal(run("backup", "/dev/fake0", "-", "--verify"), 2);
	assert_int_equal(run("backup", "/dev/fake0", "-", "--since", "image"), 2);
	strcpy(fake->uncertain, "missed");
	assert_int_equal(run("backup", "/dev/fake0", "-", "--since", "1"), 7);
	assert_int_equal(fake->live, 0);
	assert_int_equal(run("backup", "/dev/fake0", "-", "--since", "1", "--accept-uncertain"), 0);
	assert_int_equal(fake->live, 0);
	*fake->uncertain = 0;
	/* an image that ends too early is no stream with an end */
	fake->cut_image = 4096;
	assert_int_not_equal(run("backup", "/dev/fake0", "-"), 0);
	assert_int_equal(fake->live, 0);
}

/* The reader of a pipe may be gone; the snapshot may not stay for that. */
static void a_broken_pipe_ends_in_order(void **state)
{
	int status;

	(void)state;
	fake_write(0, 2000000, 'a');
	fflush(NULL);
	if (fork() == 0) {
		int fds[2];

		assert_int_equal(pipe(fds), 0);
		dup2(fds[1], STDOUT_FILENO);
		close(fds[0]);
		close(fds[1]);
		if (!freopen("/dev/null", "w", stderr))
			_exit(99);
		_exit(cli_main(4, (char *[]) { "bpfsnap", "backup", "/dev/fake0", "-", NULL }) == 0);
	}
	wait(&status);
	assert_int_equal(status, 0);
	assert_int_equal(fake->live, 0);
}

int main(void)
{
#define with_fake(f)	cmocka_unit_test_setup_teardown(f, fake_start, fake_stop)
	const struct CMUnitTest tests[] = {
		with_fake(a_stream_becomes_an_image),
		with_fake(changes_bring_it_up_to_date),
		with_fake(another_device_is_refused),
		with_fake(a_cut_stream_leaves_nothing),
		with_fake(a_damaged_stream_is_refused),
		with_fake(a_cut_update_is_repaired),
		with_fake(what_makes_no_sense_is_refused),
		with_fake(a_broken_pipe_ends_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
