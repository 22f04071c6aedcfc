// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is what is measured told in a way that collectors understand, and described?
 */
#include "unit.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "metrics.h"

#define MANUAL	"docs/man/bpfsnap-metrics.7"

static const struct {
	const char *name, *type, *unit, *help;
} table[] = {
#define METRIC(id, name, type, unit, help) { name, #type, unit, help },
#include "metrics.def"
#undef METRIC
};

static bool ends_with(const char *text, const char *end)
{
	size_t a = strlen(text), b = strlen(end);

	return a >= b && !strcmp(text + a - b, end);
}

/* The rules of OpenMetrics for names. */
static void names_follow_the_rules(void **state)
{
	static const char *const reserved[] = { "_total", "_created", "_info", "_count", "_sum", "_bucket" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		const char *name = table[i].name;
		char end[32];

		for (const char *c = name; *c; c++)
			assert_true(islower(*c) || *c == '_' || isdigit(*c));
		for (size_t r = 0; r < ARRAY_SIZE(reserved); r++)
			assert_false(ends_with(name, reserved[r]));
		snprintf(end, sizeof(end), "_%s", table[i].unit);
		assert_true(!*table[i].unit || ends_with(name, end));
		assert_false(!*table[i].unit && (ends_with(name, "_bytes") || ends_with(name, "_seconds")));
		assert_false(ends_with(table[i].help, "."));	/* is added */
		for (size_t o = 0; o < i; o++)
			assert_string_not_equal(name, table[o].name);
	}
}

static void the_text_is_as_it_should_be(void **state)
{
	struct metrics m = { 0 };
	char *text;

	(void)state;
	metrics_add(&m, METRIC_BUILD, json_object_new_int(1), "version", "1", NULL);
	metrics_add(&m, METRIC_DEVICES, json_object_new_int(2), NULL);
	metrics_add(&m, METRIC_WRITER_BYTES, json_object_new_int64(1ll << 40), "device",
		    "/dev/sda", "path", "/a \"b\"\\c\nd", NULL);
	metrics_add(&m, METRIC_WRITER_BYTES, json_object_new_int64(0), "device", "/dev/sda",
		    "path", NULL, "cgroup", "7", NULL);
	metrics_add(&m, METRIC_PROCESS_CPU, json_object_new_double_s(0.5, "0.500000"), NULL);
	text = metrics_text(&m);
	assert_string_equal(text,
		"# TYPE bpfsnap_build info\n"
		"# HELP bpfsnap_build Versions of daemon, kernel and module.\n"
		"bpfsnap_build_info{version=\"1\"} 1\n"
		"# TYPE bpfsnap_devices gauge\n"
		"# HELP bpfsnap_devices Attached disks.\n"
		"bpfsnap_devices 2\n"
		"# TYPE bpfsnap_writer_bytes counter\n"
		"# UNIT bpfsnap_writer_bytes bytes\n"
		"# HELP bpfsnap_writer_bytes Bytes written, discarded or zeroed by a cgroup since the disk was attached.\n"
		"bpfsnap_writer_bytes_total{device=\"/dev/sda\",path=\"/a \\\"b\\\"\\\\c\\nd\"} 1099511627776\n"
		"bpfsnap_writer_bytes_total{device=\"/dev/sda\",cgroup=\"7\"} 0\n"
		"# TYPE process_cpu_seconds counter\n"
		"# UNIT process_cpu_seconds seconds\n"
		"# HELP process_cpu_seconds Processor time of the daemon.\n"
		"process_cpu_seconds_total 0.500000\n"
		"# EOF\n");
	free(text);
	metrics_done(&m);
	text = metrics_text(&m);
	assert_string_equal(text, "# EOF\n");
	free(text);
}

static void the_document_says_the_same(void **state)
{
	struct metrics m = { 0 };
	struct json_object *list, *o;

	(void)state;
	metrics_add(&m, METRIC_DEVICE_SIZE, json_object_new_int64(5), "device", "x", NULL);
	list = metrics_json(&m);
	assert_int_equal(json_object_array_length(list), 1);
	o = json_object_array_get_idx(list, 0);
	assert_string_equal(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN),
		"{\"name\":\"bpfsnap_device_size_bytes\",\"type\":\"gauge\",\"unit\":\"bytes\","
		"\"help\":\"Size of a disk\",\"samples\":[{\"labels\":{\"device\":\"x\"},\"value\":5}]}");
	json_object_put(list);
	metrics_done(&m);
}

/* Each metric has an item in the manual, with its type; and the manual has no others. */
static void the_manual_has_them_all(void **state)
{
	bool is_seen[ARRAY_SIZE(table)] = { false };
	char line[512], name[128], type[32];
	FILE *f = fopen(MANUAL, "r");

	(void)state;
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		size_t i = 0;

		if (sscanf(line, ".It Li %127s Pq %31s", name, type) != 2)
			continue;
		while (i < ARRAY_SIZE(table) && strcmp(table[i].name, name))
			i++;
		if (i == ARRAY_SIZE(table))
			fail_msg("%s is no metric", name);
		assert_int_equal(strcasecmp(type, table[i].type), 0);
		is_seen[i] = true;
	}
	fclose(f);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (!is_seen[i])
			fail_msg(MANUAL " lacks %s", table[i].name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_follow_the_rules),
		cmocka_unit_test(the_text_is_as_it_should_be),
		cmocka_unit_test(the_document_says_the_same),
		cmocka_unit_test(the_manual_has_them_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
