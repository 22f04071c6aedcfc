// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is a sidecar that is not wholly right refused?
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "sidecar.h"

static const char good[] =
	"{\"format\":2,\"device\":\"/dev/vda1\",\"disk_offset\":512,\"size\":1048576,"
	"\"generation\":\"g-1\",\"since\":7,\"snapshot\":\"s:{\\\"1\",\"state\":\"complete\","
	"\"image_inode\":1,\"image_mtime_ns\":2,\"image_ctime_ns\":3,\"created_ns\":5}";

static int parse(const char *text, size_t length)
{
	/* exactly as much memory as text: the sanitizer sees a read beyond it */
	char *copy = malloc(length ?: 1);
	struct sidecar sidecar;
	const char *reason;
	int r;

	memcpy(copy, text, length);
	r = sidecar_parse(copy, length, &sidecar, &reason);
	free(copy);
	return r;
}

/* The good text with one part replaced. */
static int with(const char *from, const char *to)
{
	char text[1024];
	const char *at = strstr(good, from);

	assert_non_null(at);
	snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - good), good, to, at + strlen(from));
	return parse(text, strlen(text));
}

static void good_is_taken(void **state)
{
	struct sidecar s;
	const char *reason;

	(void)state;
	assert_int_equal(sidecar_parse(good, strlen(good), &s, &reason), 0);
	assert_string_equal(s.device, "/dev/vda1");
	assert_string_equal(s.generation, "g-1");
	assert_string_equal(s.snapshot, "s:{\"1");
	assert_int_equal(s.size_bytes, 1048576);
	assert_int_equal(s.disk_offset_bytes, 512);
	assert_int_equal(s.since, 7);
	assert_int_equal(s.state, SIDECAR_COMPLETE);
	assert_int_equal(s.created_ns, 5);
	assert_int_equal(with("complete", "patching"), 0);
	assert_int_equal(with("5}", "5}\n"), 0);
	assert_int_equal(with("5}", "5,\"later\":{\"a\":1}}"), 0);
}

static void every_truncation_is_refused(void **state)
{
	(void)state;
	for (size_t length = 0; length < strlen(good); length++)
		assert_int_equal(parse(good, length), -EBADMSG);
}

static void garbage_is_refused(void **state)
{
	(void)state;
	assert_int_equal(parse("\0\0\0", 3), -EBADMSG);
	assert_int_equal(parse("[]", 2), -EBADMSG);
	assert_int_equal(parse("{}", 2), -EBADMSG);
	assert_int_equal(parse("null", 4), -EBADMSG);
	assert_int_equal(parse(good, sizeof(good)), -EBADMSG);	/* with its NUL */
	assert_int_equal(with("5}", "5}x"), -EBADMSG);
	assert_int_equal(with("5}", "5}{}"), -EBADMSG);
	assert_int_equal(with("5}", "5,\"a\":[[[[[[1]]]]]]}"), -EBADMSG);
}

static void wrong_members_are_refused(void **state)
{
	static const char *const bad[][2] = {
		{ "2,\"dev", "\"2\",\"dev" }, { ":512", ":-512" },
		{ "\"disk_offset\":512,", "" }, { "\"image_inode\":1,", "" },
		{ ":2,\"image_c", ":\"2\",\"image_c" }, { "\"image_ctime_ns\":3,", "" }, { "\"/dev/vda1\"", "1" }, { "/dev/vda1", "" },
		{ "/dev/vda1", "a\\u0000b" }, { "1048576", "0" }, { "1048576", "-1" },
		{ "1048576", "1.5" }, { "1048576", "99999999999999999999999" },
		{ "1048576", "true" }, { "\"g-1\"", "null" }, { ":7", ":0" }, { ":7", ":-7" },
		{ ":7", ":2147483648" }, { ":7", ":\"7\"" }, { ":7", ":7e0" },
		{ "\"complete\"", "1" }, { "complete", "Complete" }, { "complete", "" },
		{ ":5", ":-5" }, { "\"since\":7,", "" }, { "\"state\"", "\"stat\"" },
		{ "5}", "5,\"uncertain\":1}" },
		{ "\"since\":7", "\"since\":9,\"since\":7" },
		{ "5}", "5,\"device\":\"/dev/vdb\"}" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(with(bad[i][0], bad[i][1]), -EBADMSG);
	assert_int_equal(with("\"format\":2", "\"format\":1"), -EPROTONOSUPPORT);
}

static void written_is_read(void **state)
{
	char dir[] = "/tmp/t_cli_sidecar.XXXXXX", image[64];
	struct sidecar a = { .device = "/dev/\"odd\n", .size_bytes = 1ull << 50,
			     .disk_offset_bytes = 7, .image_inode = 8,
			     .image_mtime_ns = 9, .image_ctime_ns = 10,
			     .generation = "g", .since = 65535, .snapshot = "s",
			     .state = SIDECAR_PATCHING, .created_ns = INT64_MAX,
			     .uncertain = true }, b = {};
	const char *reason;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(image, sizeof(image), "%s/image", dir);
	assert_int_equal(sidecar_read(image, &b, &reason), -ENOENT);
	assert_int_equal(sidecar_write(image, &a), 0);
	assert_int_equal(sidecar_read(image, &b, &reason), 0);
	assert_string_equal(a.device, b.device);
	assert_true(a.size_bytes == b.size_bytes && a.since == b.since && a.state == b.state &&
		    a.disk_offset_bytes == b.disk_offset_bytes &&
		    a.image_inode == b.image_inode && a.image_mtime_ns == b.image_mtime_ns &&
		    a.image_ctime_ns == b.image_ctime_ns && a.created_ns == b.created_ns && a.uncertain == b.uncertain);
	assert_int_equal(sidecar_remove(image), 0);
	assert_int_equal(sidecar_remove(image), 0);
	assert_int_equal(rmdir(dir), 0);	/* nothing is left over */
	assert_int_equal(sidecar_write(image, &a), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_is_taken),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(garbage_is_refused),
		cmocka_unit_test(wrong_members_are_refused),
		cmocka_unit_test(written_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
