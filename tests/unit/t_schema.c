// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which interfaces are understood, and which values fit them?  And do the
 * daemon's tables of methods and errors agree with its interface file?
 */
#include "unit.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json_tokener.h>

#include "interface.h"
#include "reasons.h"
#include "schema.h"

static void test_good(void **state)
{
	static const char text[] =
		"# a comment\ninterface org.example.a-b\n"
		"type Point (x: int, y: ?float) # another\n"
		"type Colour (red, green)\n"
		"method Draw(points: []Point, names: ?[string]string, c: Colour, any: object,"
		" deep: (a: bool, b: [](c: string))) -> (ok: bool)\n"
		"method Nothing() -> ()\n"
		"error Bad (why: string)\n";
	struct schema *s;

	assert_int_equal(schema_parse(text, &s, NULL), 0);
	assert_string_equal(s->interface, "org.example.a-b");
	assert_int_equal(s->nr_members, 5);
	assert_non_null(schema_find(s, SCHEMA_MEMBER_METHOD, "Draw"));
	assert_null(schema_find(s, SCHEMA_MEMBER_ERROR, "Draw"));
	schema_free(s);
}

static void test_bad(void **state)
{
	static const char *const texts[] = {
		"", "interface", "interfaces a.b", "interface a.b\nmethod", "interface a.b\nmethod X",
		"interface a.b\nmethod X()", "interface a.b\nmethod X() -> (", "interface a.b\nfoo X()",
		"interface a.b\nmethod X(a) -> (b: int)x", "interface a.b\ntype T (a: int, b)",
		"interface a.b\ntype T (a: Unknown)", "interface a.b\ntype T (a: unknown)",
		"interface a.b\ntype T (a: int, a: int)", "interface a.b\ntype T ()\ntype T ()",
		"interface a.b\ntype T (a: ?)", "interface a.b\ntype T (a:",
		"interface a.b\ntype T (a: [][][][][][][][][][][][][][]int)",
	};
	struct schema *s;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (schema_parse(texts[i], &s, NULL) >= 0)
			fail_msg("taken: %s", texts[i]);
}

static void test_values(void **state)
{
	static const char text[] =
		"interface a.b\ntype P (x: int, y: ?int)\ntype C (red, green)\n"
		"method M(s: string, i: ?int, b: ?bool, l: ?[]string, p: ?P, ps: ?[]P, c: ?C,"
		" m: ?[string]int, o: ?object, f: ?float) -> ()\n";
	static const struct {
		const char *value;
		const char *wrong;	/* NULL if it fits */
	} cases[] = {
		{ "{\"s\":\"x\"}", NULL },
		{ "{\"s\":\"x\",\"i\":null}", NULL },
		{ "{\"s\":\"x\",\"i\":3,\"b\":true,\"l\":[\"a\"],\"p\":{\"x\":1},\"c\":\"red\","
		  "\"m\":{\"q\":1},\"o\":{\"z\":[]},\"f\":1.5,\"ps\":[{\"x\":1,\"y\":2}]}", NULL },
		{ "{}", "s" },
		{ "{\"s\":null}", "s" },
		{ "{\"s\":1}", "s" },
		{ "{\"s\":\"a\\u0000b\"}", "s" },
		{ "{\"s\":\"x\",\"t\":1}", "t" },
		{ "{\"s\":\"x\",\"i\":\"1\"}", "i" },
		{ "{\"s\":\"x\",\"i\":1.0}", "i" },
		{ "{\"s\":\"x\",\"i\":true}", "i" },
		{ "{\"s\":\"x\",\"b\":1}", "b" },
		{ "{\"s\":\"x\",\"l\":\"a\"}", "l" },
		{ "{\"s\":\"x\",\"l\":[1]}", "l" },
		{ "{\"s\":\"x\",\"l\":[null]}", "l" },
		{ "{\"s\":\"x\",\"p\":{}}", "x" },
		{ "{\"s\":\"x\",\"ps\":[{\"x\":1},{\"x\":1,\"z\":2}]}", "z" },
		{ "{\"s\":\"x\",\"c\":\"blue\"}", "c" },
		{ "{\"s\":\"x\",\"m\":{\"q\":\"1\"}}", "m" },
		{ "{\"s\":\"x\",\"o\":[]}", "o" },
		{ "{\"s\":\"x\",\"f\":\"1\"}", "f" },
	};
	const struct schema_member *m;
	struct schema *s;

	assert_int_equal(schema_parse(text, &s, NULL), 0);
	m = schema_find(s, SCHEMA_MEMBER_METHOD, "M");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct json_object *o = json_tokener_parse(cases[i].value);
		const char *name;
		int r;

		assert_non_null(o);
		r = schema_check(s, &m->in, o, &name);
		if (r != (cases[i].wrong ? -EINVAL : 0) || (r < 0 && strcmp(name, cases[i].wrong) != 0))
			fail_msg("%s: %d, %s", cases[i].value, r, name);
		json_object_put(o);
	}
	schema_free(s);
}

static const char *const methods[] = {
#define METHOD(interface, name, place, access, handler) interface "." #name,
#include "methods.def"
#undef METHOD
};

static bool is_in_tables(const char *interface, const struct schema_member *m)
{
	char name[128];

	snprintf(name, sizeof(name), "%s.%s", interface, m->name);
	for (size_t i = 0; m->kind == SCHEMA_MEMBER_METHOD && i < sizeof(methods) / sizeof(methods[0]); i++)
		if (strcmp(methods[i], name) == 0)
			return true;
	for (int i = REASON_NONE + 1; m->kind == SCHEMA_MEMBER_ERROR && i < REASON_MAX_; i++)
		if (strcmp(reason_name((enum reason)i), name) == 0)
			return true;
	return m->kind == SCHEMA_MEMBER_TYPE;
}

static const struct schema_member *find(struct schema *const *s, enum schema_member_kind kind,
					const char *name)
{
	const struct schema_member *m = NULL;

	for (int i = 0; i < 2 && !m; i++) {
		size_t len = strlen(s[i]->interface);

		if (strncmp(name, s[i]->interface, len) == 0 && name[len] == '.')
			m = schema_find(s[i], kind, name + len + 1);
	}
	return m;
}

static void test_tables(void **state)
{
	struct schema *s[2];

	assert_int_equal(schema_parse(interface_text, &s[0], NULL), 0);
	assert_int_equal(schema_parse(interface_service_text, &s[1], NULL), 0);
	assert_string_equal(s[0]->interface, INTERFACE_NAME);
	assert_string_equal(s[1]->interface, SERVICE_NAME);
	for (int i = 0; i < 2; i++)
		for (size_t j = 0; j < s[i]->nr_members; j++)
			if (!is_in_tables(s[i]->interface, &s[i]->members[j]))
				fail_msg("declared only: %s", s[i]->members[j].name);
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (!find(s, SCHEMA_MEMBER_METHOD, methods[i]))
			fail_msg("not declared: %s", methods[i]);
	for (int i = REASON_NONE + 1; i < REASON_MAX_; i++)
		if (!find(s, SCHEMA_MEMBER_ERROR, reason_name((enum reason)i)))
			fail_msg("not declared: %s", reason_name((enum reason)i));
	schema_free(s[0]);
	schema_free(s[1]);
}

/* What fault_*() makes must be what the interface declares. */
static void fits(struct schema *const *s, struct fault *f, enum reason reason)
{
	const struct schema_member *m;
	const char *name;

	assert_int_equal(f->reason, reason);
	m = find(s, SCHEMA_MEMBER_ERROR, reason_name(f->reason));
	if (schema_check(m == schema_find(s[0], m->kind, m->name) ? s[0] : s[1], &m->in,
			 f->parameters, &name) < 0)
		fail_msg("%s: %s", reason_name(f->reason), name);
	assert_true(strlen(fault_text(f)) > 0);
	fault_done(f);
}

static void make(struct fault *f, enum reason reason)
{
	static const char *const v = "value";

	switch (reason) {
	case REASON_NONE:
	case REASON_MAX_:
		break;
	case REASON_DEVICE_NOT_FOUND:
	case REASON_DEVICE_UNSUPPORTED:
	case REASON_DEVICE_BUSY:
	case REASON_DEVICE_CHANGED:
	case REASON_ALREADY_ATTACHED:
	case REASON_NOT_ATTACHED:
	case REASON_DRAIN_TIMEOUT:
	case REASON_FREEZE_FAILED:
		assert_true(fault_device(f, reason, v, "%s", v) < 0);
		break;
	case REASON_SNAPSHOT_NOT_FOUND:
	case REASON_SNAPSHOT_BUSY:
		assert_true(fault_snapshot(f, reason, v, "%s", v) < 0);
		break;
	case REASON_STORAGE_UNSUITABLE:
		assert_true(fault_storage(f, v, "%s", v) < 0);
		break;
	case REASON_GENERATION_CHANGED:
		assert_true(fault_generation(f, v, v, v, v) < 0);
		break;
	case REASON_EPOCH_OUT_OF_RANGE:
		assert_true(fault_epoch(f, v, INT64_MAX, 1, 2, v) < 0);
		break;
	case REASON_CHECKPOINT_NOT_FOUND:
	case REASON_CHECKPOINT_EXISTS:
		assert_true(fault_checkpoint(f, reason, v, v, "%s", v) < 0);
		break;
	case REASON_EPOCHS_EXHAUSTED:
	case REASON_TOO_MANY_CHECKPOINTS:
	case REASON_TRACKER_UNAVAILABLE:
	case REASON_MODULE_UNAVAILABLE:
		assert_true(fault_plain(f, reason, "%s", v) < 0);
		break;
	case REASON_PERMISSION_DENIED:
		assert_true(fault_method(f, reason, v, "%s", v) < 0);
		break;
	case REASON_KEY_REUSED:
		assert_true(fault_key(f, v, v, "%s", v) < 0);
		break;
	case REASON_HANDLE_UNSUITABLE:
		assert_true(fault_handle(f, v, "%s", v) < 0);
		break;
	case REASON_SYSTEM_FAILURE:
		assert_int_equal(fault_system(f, v, -ENOMEM, "%s", v), -ENOMEM);
		break;
	case REASON_INTERFACE_NOT_FOUND:
	case REASON_METHOD_NOT_FOUND:
	case REASON_METHOD_NOT_IMPLEMENTED:
	case REASON_INVALID_PARAMETER:
		assert_true(fault_service(f, reason, v) < 0);
		break;
	}
}

static void test_faults(void **state)
{
	static char euros[3001];
	struct fault f = { 0 };
	struct schema *s[2];

	for (int i = 0; i < 3000; i += 3)
		memcpy(euros + i, "€", 3);
	assert_int_equal(schema_parse(interface_text, &s[0], NULL), 0);
	assert_int_equal(schema_parse(interface_service_text, &s[1], NULL), 0);
	for (int i = REASON_NONE + 1; i < REASON_MAX_; i++) {
		make(&f, (enum reason)i);
		fits(s, &f, (enum reason)i);
	}
	fault_plain(&f, REASON_MODULE_UNAVAILABLE, "first");
	fault_plain(&f, REASON_TRACKER_UNAVAILABLE, "second");
	assert_string_equal(fault_text(&f), "first");
	fault_done(&f);
	/* Whatever a text is cut at, it stays UTF-8: the bytes that end it make a character. */
	for (int i = 0; i < 4; i++) {
		const char *text, *end;

		fault_plain(&f, REASON_MODULE_UNAVAILABLE, "%.*s%s", i, "aaa", euros);
		text = fault_text(&f);
		end = text + strlen(text);
		assert_true(end - text >= 760 && end - text < 768);
		assert_int_equal((end - text - i) % 3, 0);
		fault_done(&f);
	}
	schema_free(s[0]);
	schema_free(s[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
