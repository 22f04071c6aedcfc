// SPDX-License-Identifier: GPL-2.0-only
/*
 * Do the copies equal their sources, byte by byte?  Against memcpy().
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "copy.h"

enum { SIZE = 3 * COPY_BUFFER_BYTES + 5 * 512 + 7 };

static char *source, *target, *result;

static int new_file(const char *data, size_t length)
{
	char path[] = "/var/tmp/t_cli_copy.XXXXXX";
	int fd = mkstemp(path), direct;

	assert_true(fd >= 0);
	if (data)
		assert_int_equal(pwrite(fd, data, length, 0), length);
	else
		assert_int_equal(ftruncate(fd, length), 0);
	assert_int_equal(fsync(fd), 0);
	/* as copy_open() would open it */
	direct = fcntl(fd, F_GETFL) | O_DIRECT;
	fcntl(fd, F_SETFL, data == source ? direct : direct & ~O_DIRECT);
	unlink(path);
	return fd;
}

static void check(int fd, const char *expected)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, SIZE);
	assert_int_equal(pread(fd, result, SIZE, 0), SIZE);
	assert_memory_equal(result, expected, SIZE);
}

/* Data, zeros, and blocks that are zero but for their last byte. */
static int fill(void **state)
{
	(void)state;
	srand(7);
	source = calloc(1, SIZE);
	target = malloc(SIZE);
	result = malloc(SIZE);
	memset(target, 'T', SIZE);
	for (int i = 0; i < 40; i++) {
		size_t offset = rand() % SIZE, length = rand() % 30000;

		if (length > SIZE - offset)
			length = SIZE - offset;
		memset(source + offset, rand() | 1, length);
	}
	memset(source + 100 * 4096, 0, 8 * 4096);
	source[102 * 4096 - 1] = 1;
	source[SIZE - 1] = 1;
	return 0;
}

static int drain(void **state)
{
	(void)state;
	free(source);
	free(target);
	free(result);
	return 0;
}

static void new_copy_is_equal_and_sparse(void **state)
{
	int from = new_file(source, SIZE), to = new_file(NULL, SIZE);
	struct copy copy = {};
	struct stat st;

	(void)state;
	assert_int_equal(copy_new(&copy, from, to, 0, SIZE), 0);
	check(to, source);
	assert_int_equal(copy.done_bytes, SIZE);
	assert_int_equal(fstat(to, &st), 0);
	assert_true(copy.written_bytes < SIZE / 2);
	assert_true(st.st_blocks * 512 <= (off_t)copy.written_bytes + COPY_BLOCK_BYTES);
	close(from);
	close(to);
}

static void patches_are_exact(void **state)
{
	int from = new_file(source, SIZE);

	(void)state;
	for (int i = 0; i < 60; i++) {
		int to = new_file(target, SIZE);
		char *expected = malloc(SIZE);
		struct copy copy = {};

		memcpy(expected, target, SIZE);
		for (int k = 0; k < 3; k++) {
			size_t offset = rand() % SIZE, length = 1 + rand() % (SIZE - offset);

			if (i % 2) {	/* as of a partition that starts anywhere */
				offset = offset / 512 * 512;
				length = length > 9 * 512 ? length / 512 * 512 : 512;
				if (length > SIZE - offset)
					length = SIZE - offset;
			}
			memcpy(expected + offset, source + offset, length);
			assert_int_equal(copy_patch(&copy, from, to, offset, length), 0);
		}
		check(to, expected);
		free(expected);
		close(to);
	}
	close(from);
}

static void holes_are_written_over(void **state)
{
	int sparse = new_file(NULL, SIZE), from = new_file(source, SIZE);
	int to = new_file(target, SIZE), same = new_file(source, SIZE);
	struct copy copy = {};
	uint64_t offset;

	(void)state;
	assert_int_equal(copy_new(&copy, from, sparse, 0, SIZE), 0);
	assert_int_equal(copy_expand(&copy, sparse, to, SIZE), 0);
	check(to, source);
	assert_int_equal(copy_compare(&copy, to, same, SIZE, &offset), 0);
	close(sparse);
	close(from);
	close(to);
	close(same);
}

static void differences_are_found(void **state)
{
	static const size_t places[] = { 0, 1, 4095, COPY_BUFFER_BYTES - 1, COPY_BUFFER_BYTES,
					 SIZE - 1 };
	int from = new_file(source, SIZE);

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		struct copy copy = {};
		uint64_t offset;
		int to;

		memcpy(result, source, SIZE);
		result[places[i]] ^= 4;
		to = new_file(result, SIZE);
		assert_int_equal(copy_compare(&copy, from, to, SIZE, &offset), 1);
		assert_int_equal(offset, places[i]);
		close(to);
	}
	close(from);
}

static void short_sources_are_told(void **state)
{
	int from = new_file(source, SIZE - 600), to = new_file(NULL, SIZE);
	struct copy copy = {};
	uint64_t offset;

	(void)state;
	assert_int_equal(copy_new(&copy, from, to, 0, SIZE), -ENODATA);
	assert_int_equal(copy_compare(&copy, from, from, SIZE, &offset), -ENODATA);
	assert_int_equal(copy_patch(&copy, from, to, UINT64_MAX - 5, 10), -EOVERFLOW);
	close(from);
	close(to);
}

static int stop_at_second(void *data, uint64_t done_bytes)
{
	(void)data;
	return done_bytes > COPY_BUFFER_BYTES ? -EINTR : 0;
}

static void progress_can_end_the_work(void **state)
{
	int from = new_file(source, SIZE), to = new_file(NULL, SIZE);
	struct copy copy = { .progress = stop_at_second };

	(void)state;
	assert_int_equal(copy_new(&copy, from, to, 0, SIZE), -EINTR);
	assert_int_equal(copy.done_bytes, 2 * COPY_BUFFER_BYTES);
	close(from);
	close(to);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new_copy_is_equal_and_sparse),
		cmocka_unit_test(patches_are_exact),
		cmocka_unit_test(holes_are_written_over),
		cmocka_unit_test(differences_are_found),
		cmocka_unit_test(short_sources_are_told),
		cmocka_unit_test(progress_can_end_the_work),
	};

	return cmocka_run_group_tests(tests, fill, drain);
}
