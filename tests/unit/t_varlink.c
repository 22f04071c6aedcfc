// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where do messages end, and which texts are refused?
 */
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "strict.h"
#include "varlink.h"

static int frame(struct varlink_framer *f, const char *buf, size_t len, size_t *ret_len, char *ret_end)
{
	return varlink_frame(f, buf, len, ret_len, ret_end);
}

static void test_frame_nul(void **state)
{
	static const char two[] = "{\"method\":\"a.B\"}\0{\"method\":\"a.C\"}";	/* ends with a NUL too */
	struct varlink_framer f = { 0 };
	size_t len;
	char end;

	assert_int_equal(frame(&f, two, 10, &len, &end), 0);
	assert_int_equal(frame(&f, two, sizeof(two), &len, &end), 1);
	assert_int_equal(len, 16);
	assert_int_equal(end, '\0');
	assert_int_equal(frame(&f, two + 17, sizeof(two) - 17, &len, &end), 1);
	assert_int_equal(len, 16);
}

static void test_frame_newline(void **state)
{
	static const char text[] = "\n\r\n{\n\"a\": \"}\\\"\n\"\n}\n{}\n";
	struct varlink_framer f = { 0 };
	size_t len;
	char end;

	assert_int_equal(frame(&f, text, strlen(text), &len, &end), 1);
	assert_int_equal(end, '\n');
	assert_int_equal(len, strlen(text) - 4);
	assert_int_equal(frame(&f, text + len + 1, 3, &len, &end), 1);
	assert_int_equal(len, 2);
}

static void test_frame_bytewise(void **state)
{
	static const char text[] = "{\"a\":[1,{\"b\":\"\\\\\"}]}\n";
	struct varlink_framer f = { 0 };
	size_t len;
	char end;

	for (size_t i = 0; i < strlen(text); i++)
		assert_int_equal(frame(&f, text, i, &len, &end), 0);
	assert_int_equal(frame(&f, text, strlen(text), &len, &end), 1);
	assert_int_equal(len, strlen(text) - 1);
}

static void test_frame_too_long(void **state)
{
	size_t room = VARLINK_MESSAGE_MAX_BYTES + 1, len;
	char *text = malloc(room), end;
	struct varlink_framer f = { 0 };

	memset(text, 'x', room);
	assert_int_equal(frame(&f, text, room - 1, &len, &end), 0);
	assert_int_equal(frame(&f, text, room, &len, &end), -EMSGSIZE);
	f = (struct varlink_framer){ 0 };
	text[room - 1] = '\0';
	assert_int_equal(frame(&f, text, room, &len, &end), 1);
	assert_int_equal(len, VARLINK_MESSAGE_MAX_BYTES);
	free(text);
}

static int strict(const char *text)
{
	char *exact = malloc(strlen(text) + 1);	/* so that reading beyond is seen */
	int r;

	memcpy(exact, text, strlen(text) + 1);
	exact = realloc(exact, strlen(text) ?: 1);
	r = strict_check(exact, strlen(text));
	free(exact);
	return r;
}

static void test_strict(void **state)
{
	static const struct {
		const char *text;
		int result;
	} cases[] = {
		{ "{}", 0 },
		{ " { \"a\" : [ 1 , -2, 0, 1.5e+3, 2E7, true, false, null, \"\\u00e4\\n\" ] } ", 0 },
		{ "9223372036854775807", 0 },
		{ "-9223372036854775808", 0 },
		{ "9223372036854775808", -ERANGE },
		{ "-9223372036854775809", -ERANGE },
		{ "18446744073709551616", -ERANGE },
		{ "99999999999999999999999999999999999999", -ERANGE },
		{ "", -EBADMSG },
		{ "{", -EBADMSG },
		{ "{}x", -EBADMSG },
		{ "{} {}", -EBADMSG },
		{ "{'a':1}", -EBADMSG },
		{ "{\"a\":'b'}", -EBADMSG },
		{ "{\"a\":NaN}", -EBADMSG },
		{ "{\"a\":Infinity}", -EBADMSG },
		{ "{\"a\":-}", -EBADMSG },
		{ "{\"a\":01}", -EBADMSG },
		{ "{\"a\":+1}", -EBADMSG },
		{ "{\"a\":1.}", -EBADMSG },
		{ "{\"a\":.5}", -EBADMSG },
		{ "{\"a\":1e}", -EBADMSG },
		{ "{\"a\":1,}", -EBADMSG },
		{ "[1,]", -EBADMSG },
		{ "[1", -EBADMSG },
		{ "{\"a\"}", -EBADMSG },
		{ "{a:1}", -EBADMSG },
		{ "{\"a\":True}", -EBADMSG },
		{ "{\"a\":tru", -EBADMSG },
		{ "{\"a\":1/*c*/}", -EBADMSG },
		{ "{\"a\":\"\\u0000\"}", -EBADMSG },
		{ "{\"a\":\"\\u00", -EBADMSG },
		{ "{\"a\":\"\\x\"}", -EBADMSG },
		{ "{\"a\":\"\\", -EBADMSG },
		{ "{\"a\":\"\t\"}", -EBADMSG },
		{ "{\"\\u0061\":1}", -EBADMSG },
		{ "{\"a\":1,\"b\":2,\"a\":3}", -EEXIST },
		{ "{\"a\":{\"a\":1}}", 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int r = strict(cases[i].text);

		if (r != cases[i].result)
			fail_msg("%s: %d instead of %d", cases[i].text, r, cases[i].result);
	}
}

static void test_strict_limits(void **state)
{
	char text[4096] = "";

	for (int i = 0; i < STRICT_DEPTH_MAX; i++)
		text[i] = '[', text[2 * STRICT_DEPTH_MAX - 1 - i] = ']';
	assert_int_equal(strict(text), 0);
	memset(text, '[', sizeof(text) - 1);
	assert_int_equal(strict(text), -E2BIG);

	strcpy(text, "{");
	for (int i = 0; i <= STRICT_KEYS_MAX; i++)
		sprintf(text + strlen(text), "%s\"k%d\":0", i ? "," : "", i);
	strcat(text, "}");
	assert_int_equal(strict(text), -E2BIG);
}

static void test_parse(void **state)
{
	static const char good[] = "{\"method\":\"a.B\",\"parameters\":{\"x\":1},\"more\":true}";
	static const char *const bad[] = {
		"[]", "1", "{}", "{\"method\":1}", "{\"method\":\"a.B\",\"parameters\":[]}",
		"{\"method\":\"a.B\",\"more\":1}", "{\"method\":\"a.B\",\"oneway\":\"yes\"}",
		"{\"method\":\"a.B\",\"other\":1}", "{\"method\":\"a.B\",\"more\":true,\"oneway\":true}",
		"{\"method\":\"a.\xff\"}", "{\"method\":\"a.B\"}{}",
	};
	struct varlink_request request;

	assert_int_equal(varlink_parse(good, strlen(good), &request), 0);
	assert_string_equal(request.method, "a.B");
	assert_true(request.more);
	assert_false(request.oneway);
	assert_int_equal(json_object_get_int(json_object_object_get(request.parameters, "x")), 1);
	varlink_request_done(&request);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (varlink_parse(bad[i], strlen(bad[i]), &request) != -EBADMSG)
			fail_msg("taken: %s", bad[i]);
	/* Cut off anywhere, it is no request. */
	for (size_t i = 0; i < strlen(good); i++)
		assert_true(varlink_parse(good, i, &request) < 0);
}

static void test_split(void **state)
{
	assert_int_equal(varlink_split("io.bpfsnap.ListDevices"), 10);
	assert_int_equal(varlink_split("nothing"), 0);
	assert_int_equal(varlink_split("a."), 0);
}

static void check_encoded(struct json_object *message, char end, const char *expected)
{
	size_t len;
	char *text;

	assert_int_equal(varlink_encode(message, end, &text, &len), 0);
	assert_int_equal(len, strlen(expected) + 1);
	assert_memory_equal(text, expected, len - 1);
	assert_int_equal(text[len - 1], end);
	free(text);
	json_object_put(message);
}

static void test_encode(void **state)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "text", json_object_new_string("a/b\n\"ä\""));
	check_encoded(varlink_reply(o, true), '\n',
		      "{\"parameters\":{\"text\":\"a/b\\n\\\"ä\\\"\"},\"continues\":true}");
	check_encoded(varlink_reply(NULL, false), '\0', "{\"parameters\":{}}");
	check_encoded(varlink_error("a.E", NULL), '\0', "{\"error\":\"a.E\",\"parameters\":{}}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frame_nul),
		cmocka_unit_test(test_frame_newline),
		cmocka_unit_test(test_frame_bytewise),
		cmocka_unit_test(test_frame_too_long),
		cmocka_unit_test(test_strict),
		cmocka_unit_test(test_strict_limits),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_encode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
