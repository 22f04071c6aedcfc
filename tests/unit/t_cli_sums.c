// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is damage found, and is all of an image looked at, by however many at once?
 */
#include "t_cli_run.h"

#include "copy.h"
#include "crc32c.h"
#include "pieces.h"
#include "sums.h"

enum { MIB = 1 << 20 };

static void known_checksums(void **state)
{
	static unsigned char data[5000];
	uint32_t seed = 1;

	(void)state;
	assert_int_equal(crc32c(0, "", 0), 0);
	assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
	assert_int_equal(crc32c_plain(0, "123456789", 9), 0xe3069283);
	/* of RFC 3720: 32 bytes of zeros */
	assert_int_equal(crc32c(0, data, 32), 0x8a9136aa);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (seed = seed * 1103515245 + 12345) >> 16;
	for (size_t start = 0; start < 9; start++) {
		for (size_t length = 0; length < 4000; length += 61) {
			uint32_t whole = crc32c(0, data + start, length);
			size_t cut = length / 3;

			assert_int_equal(crc32c_plain(0, data + start, length), whole);
			assert_int_equal(crc32c(crc32c(0, data + start, cut), data + start + cut,
						length - cut), whole);
		}
	}
}

static unsigned char visits[1000];

static int visit(void *data, uint64_t start, uint64_t stop)
{
	(void)data;
	assert_true(start < stop && stop <= sizeof(visits));
	assert_true(start / 7 == (stop - 1) / 7);
	for (uint64_t i = start; i < stop; i++)
		__atomic_fetch_add(&visits[i], 1, __ATOMIC_RELAXED);
	return 0;
}

static void each_byte_is_worked_on_once(void **state)
{
	(void)state;
	for (unsigned int jobs = 0; jobs < 12; jobs++) {
		for (uint64_t start = 0; start < 20; start += 3) {
			memset(visits, 0, sizeof(visits));
			assert_int_equal(pieces_run(jobs, 7, start, 900 + start, visit, NULL), 0);
			for (uint64_t i = 0; i < sizeof(visits); i++)
				assert_int_equal(visits[i], i >= start && i < 900 + start);
		}
	}
	assert_int_equal(pieces_run(4, 7, 5, 5, visit, NULL), 0);
}

/* Two pieces end the work, the higher one at once and the lower one late. */
static int end_twice(void *data, uint64_t start, uint64_t stop)
{
	(void)data;
	(void)stop;
	if (start == 7 * 10) {
		usleep(20000);
		return 10;
	}
	return start == 7 * 11 ? 11 : 0;
}

static void the_lowest_result_counts(void **state)
{
	(void)state;
	for (unsigned int jobs = 1; jobs < 9; jobs++)
		assert_int_equal(pieces_run(jobs, 7, 0, 900, end_twice, NULL), 10);
}

/* Enough for threads; the last chunk is short, some are holes. */
static const uint64_t LARGE_BYTES = 37ull * MIB + 512;

static int make_large(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, LARGE_BYTES), 0);
	for (int i = 0; i < 37; i += 3)
		assert_int_equal(pwrite(fd, &i, sizeof(i), i * (off_t)MIB + 1234), sizeof(i));
	assert_int_equal(pwrite(fd, "end", 3, LARGE_BYTES - 3), 3);
	return fd;
}

static void copies_by_several_are_right(void **state)
{
	int from = make_large(fake_path("from"));

	(void)state;
	for (unsigned int jobs = 1; jobs <= 8; jobs *= 2) {
		struct copy copy = { .jobs = jobs };
		_cleanup_(sums_done) struct sums sums = {}, again = {};
		int to = open(fake_path("to"), O_RDWR | O_CREAT | O_TRUNC, 0600);
		struct stat st;
		uint64_t offset;

		assert_int_equal(ftruncate(to, LARGE_BYTES), 0);
		assert_int_equal(sums_make(LARGE_BYTES, &sums), 0);
		copy.seen = sums_take;
		copy.seen_data = &sums;
		assert_int_equal(copy_new(&copy, from, to, 0, LARGE_BYTES), 0);
		assert_int_equal(copy.done_bytes, LARGE_BYTES);
		assert_true(same_files(fake_path("from"), fake_path("to")));
		assert_int_equal(fstat(to, &st), 0);
		assert_true(st.st_blocks * 512 < 2 * MIB);		/* holes stay holes */
		/* what was taken on the way is what is there */
		assert_int_equal(sums_make(LARGE_BYTES, &again), 0);
		assert_int_equal(sums_renew(&again, to, 0, LARGE_BYTES), 0);
		assert_memory_equal(sums.crc, again.crc, sums.nr * sizeof(*sums.crc));
		copy = (struct copy) { .jobs = jobs };
		assert_int_equal(sums_compare(&sums, &copy, to, &offset), 0);
		assert_int_equal(pwrite(to, "?", 1, 30 * (off_t)MIB + 99), 1);
		assert_int_equal(pwrite(to, "?", 1, 12 * (off_t)MIB), 1);
		copy = (struct copy) { .jobs = jobs };
		assert_int_equal(sums_compare(&sums, &copy, to, &offset), 1);
		assert_int_equal(offset, 12 * MIB);
		copy = (struct copy) { .jobs = jobs };
		assert_int_equal(copy_compare(&copy, from, to, LARGE_BYTES, &offset), 1);
		assert_int_equal(offset, 12 * MIB);
		close(to);
	}
	close(from);
}

/* Whichever byte of the file of checksums changes, it is of no use. */
static void damaged_checksums_are_refused(void **state)
{
	_cleanup_(sums_done) struct sums sums = {};
	struct sums read = {};
	const char *reason;
	struct stat st;
	int fd;

	(void)state;
	assert_int_equal(sums_make(LARGE_BYTES, &sums), 0);
	strcpy(sums.snapshot, "snap-1");
	for (size_t i = 0; i < sums.nr; i++)
		sums.crc[i] = i * 77;
	assert_int_equal(sums_read(fake_path("i"), &read, &reason), -ENOENT);
	assert_int_equal(sums_write(fake_path("i"), &sums), 0);
	assert_int_equal(sums_read(fake_path("i"), &read, &reason), 0);
	assert_int_equal(read.size_bytes, LARGE_BYTES);
	assert_string_equal(read.snapshot, "snap-1");
	assert_memory_equal(read.crc, sums.crc, sums.nr * sizeof(*sums.crc));
	sums_done(&read);
	fd = open(fake_path("i" SUMS_SUFFIX), O_RDWR);
	assert_int_equal(fstat(fd, &st), 0);
	for (off_t at = 0; at < st.st_size; at++) {
		unsigned char byte;

		assert_int_equal(pread(fd, &byte, 1, at), 1);
		byte ^= 1 << at % 8;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		assert_int_equal(sums_read(fake_path("i"), &read, &reason), -EBADMSG);
		byte ^= 1 << at % 8;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	}
	for (off_t size = st.st_size - 1; size >= 0; size -= 3) {
		assert_int_equal(ftruncate(fd, size), 0);
		assert_int_equal(sums_read(fake_path("i"), &read, &reason), -EBADMSG);
	}
	close(fd);
}

/* What a disk does: content changes, and nobody wrote. */
static void rot(const char *name, off_t offset)
{
	struct timespec times[2];
	struct stat st;
	char byte;
	int fd = open(fake_path(name), O_RDWR);

	assert_int_equal(fstat(fd, &st), 0);
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	assert_int_equal(pread(fd, &byte, 1, offset), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, offset), 1);
	assert_int_equal(futimens(fd, times), 0);
	close(fd);
}

static void rot_is_found(void **state)
{
	(void)state;
	fake_write(2 * MIB, 100000, 'x');
	assert_int_equal(run("backup", "/dev/fake0", fake_path("b")), 0);
	assert_int_equal(run("verify", fake_path("b"), "--json"), 0);
	assert_string_equal(out_member(NULL, "state"), "verified");
	/* an update renews what it touches, and nothing else */
	fake_write(5000, 10, 'y');
	assert_int_equal(run("backup", "/dev/fake0", fake_path("b"), "--since", "image"), 0);
	assert_int_equal(run("verify", fake_path("b"), "--json"), 0);
	rot("b", 2 * MIB + 77);
	assert_int_equal(run("verify", fake_path("b"), "--json"), 7);
	assert_string_equal(out_member("error", "name"), "ImageDamaged");
	assert_string_equal(out_member("error", "offset"), "2097152");
	/* nothing is written from a damaged image, unless that is accepted */
	close(open(fake_path("target"), O_WRONLY | O_CREAT, 0600));
	assert_int_equal(run("restore", fake_path("b"), fake_path("target"), "--json"), 7);
	assert_string_equal(out_member("error", "name"), "ImageDamaged");
	assert_int_equal(run("restore", fake_path("b"), fake_path("target"), "--accept-image"), 0);
	assert_non_null(strstr(err_text, "damaged"));
}

/* An update of a rotten image must not bless what it did not touch. */
static void an_update_blesses_nothing(void **state)
{
	char command[600];

	(void)state;
	fake_write(2 * MIB, 100000, 'x');
	assert_int_equal(run("backup", "/dev/fake0", fake_path("b")), 0);
	rot("b", 2 * MIB + 77);
	/* as if nobody had changed the file's times */
	snprintf(command, sizeof(command),
		 "sed -i \"s/\\\"image_ctime_ns\\\": *[0-9]*/\\\"image_ctime_ns\\\":"
		 "$(stat -c %%.9Z %s | tr -d .)/\" %s.bpfsnap.json", fake_path("b"), fake_path("b"));
	assert_int_equal(system(command), 0);
	fake_write(5000, 10, 'y');
	assert_int_equal(run("backup", "/dev/fake0", fake_path("b"), "--since", "image"), 0);
	assert_int_equal(run("verify", fake_path("b")), 7);
}

static void checksums_of_another_backup_are_not_used(void **state)
{
	char command[600];

	(void)state;
	assert_int_equal(run("backup", "/dev/fake0", fake_path("b")), 0);
	snprintf(command, sizeof(command), "sed -i s/snap-1/snap-9/ %s.bpfsnap.json", fake_path("b"));
	assert_int_equal(system(command), 0);
	assert_int_equal(run("verify", fake_path("b"), "--json"), 7);
	assert_string_equal(out_member("error", "name"), "ImageInvalid");
	/* an update makes them anew, and says so */
	fake_write(5000, 10, 'y');
	assert_int_equal(run("backup", "/dev/fake0", fake_path("b"), "--since", "image"), 0);
	assert_non_null(strstr(err_text, "made anew"));
	assert_int_equal(run("verify", fake_path("b")), 0);
	unlink(fake_path("b" SUMS_SUFFIX));
	assert_int_equal(run("verify", fake_path("b")), 7);
	/* without them, a restore says what it does not know */
	close(open(fake_path("target"), O_WRONLY | O_CREAT, 0600));
	assert_int_equal(run("restore", fake_path("b"), fake_path("target"), "--json"), 0);
	assert_string_equal(out_member(NULL, "checked"), "false");
	assert_non_null(strstr(err_text, "no checksums"));
}

/* Lines of objects, the first at the beginning of the work and the last at its end. */
static void programs_are_told_of_progress(void **state)
{
	char *rest, *line;
	int n = 0;

	(void)state;
	assert_int_equal(run("backup", "/dev/fake0", fake_path("b"), "--progress", "json"), 0);
	for (rest = err_text; (line = strsep(&rest, "\n")) && *line; n++) {
		struct json_object *o = json_tokener_parse(line);
		uint64_t done, total;
		const char *what, *now;

		assert_true(member_string(o, "progress", &what) && member_string(o, "state", &now));
		assert_true(member_number(o, "done_bytes", &done));
		assert_true(member_number(o, "total_bytes", &total));
		assert_string_equal(what, "copy");
		assert_int_equal(total, FAKE_SIZE_BYTES);
		if (n == 0) {
			assert_string_equal(now, "begun");
			assert_int_equal(done, 0);
		}
		if (rest && !*rest) {
			assert_string_equal(now, "ended");
			assert_int_equal(done, total);
		}
		json_object_put(o);
	}
	assert_true(n >= 2);
	assert_int_equal(run("backup", "/dev/fake0", fake_path("b"), "--progress", "none"), 0);
	assert_string_equal(err_text, "");
	assert_int_equal(run("backup", "/dev/fake0", fake_path("b")), 0);	/* no terminal */
	assert_string_equal(err_text, "");
	assert_int_equal(run("backup", "/dev/fake0", fake_path("b"), "--progress", "loud"), 2);
	assert_int_equal(run("--progress", "loud", "info"), 2);
}

int main(void)
{
#define with_fake(f)	cmocka_unit_test_setup_teardown(f, fake_start, fake_stop)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_checksums),
		cmocka_unit_test(each_byte_is_worked_on_once),
		cmocka_unit_test(the_lowest_result_counts),
		with_fake(copies_by_several_are_right),
		with_fake(damaged_checksums_are_refused),
		with_fake(rot_is_found),
		with_fake(programs_are_told_of_progress),
		with_fake(an_update_blesses_nothing),
		with_fake(checksums_of_another_backup_are_not_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
