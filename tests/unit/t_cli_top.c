// SPDX-License-Identifier: GPL-2.0-only
/*
 * Are the rates of "top" those of the counters, and is nothing made up?
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "top.h"

static const uint64_t SECOND_NS = 1000000000;

#define SAMPLE(name, labels, value) \
	"{\"name\":\"" name "\",\"samples\":[{\"labels\":{" labels "},\"value\":" value "}]}"
#define DEVICE(name, value)	SAMPLE(name, "\"device\":\"/dev/x\"", value)
#define WRITER(name, id, value) \
	SAMPLE(name, "\"device\":\"/dev/x\",\"cgroup\":\"" id "\"", value)
#define IMAGE(name, value) \
	SAMPLE(name, "\"snapshot\":\"s\",\"device\":\"/dev/x\",\"image\":\"/dev/y\"", value)

/* One look after another, "name value ..." of them in JSON; the rows are put by release(). */
static struct json_object *document;

static void compute(const char *before, const char *after, uint64_t passed_ns)
{
	_cleanup_json_ struct json_object *a = json_tokener_parse(before);
	_cleanup_json_ struct json_object *b = json_tokener_parse(after);

	assert_non_null(a);
	assert_non_null(b);
	document = top_compute(a, b, passed_ns);
}

static int release(void **state)
{
	(void)state;
	json_object_put(document);
	document = NULL;
	return 0;
}

static const char *cell(const char *table, size_t row, const char *key)
{
	struct json_object *rows = json_object_object_get(document, table), *o;

	assert_true(row < json_object_array_length(rows));
	o = json_object_array_get_idx(rows, row);
	assert_true(json_object_object_get_ex(o, key, NULL));
	return json_object_get_string(json_object_object_get(o, key)) ?: "null";
}

static void rates(void **state)
{
	(void)state;
	compute("{\"metrics\":[" DEVICE("bpfsnap_device_size_bytes", "9") ","
		DEVICE("bpfsnap_device_written_bytes", "1000") ","
		DEVICE("bpfsnap_device_gate_writes", "10") ","
		DEVICE("bpfsnap_device_diverted_writes", "1") ","
		DEVICE("bpfsnap_device_changed_bytes", "5000") "]}",
		"{\"metrics\":[" DEVICE("bpfsnap_device_size_bytes", "9") ","
		DEVICE("bpfsnap_device_written_bytes", "2000") ","
		DEVICE("bpfsnap_device_gate_writes", "30") ","
		DEVICE("bpfsnap_device_diverted_writes", "6") ","
		DEVICE("bpfsnap_device_uncertain", "1") ","
		DEVICE("bpfsnap_device_epoch_changed_bytes", "77") ","
		DEVICE("bpfsnap_device_changed_bytes", "4999") "]}", SECOND_NS / 2);
	assert_string_equal(cell("devices", 0, "device"), "/dev/x");
	assert_string_equal(cell("devices", 0, "written_bytes_per_s"), "2000");
	assert_string_equal(cell("devices", 0, "diverted_percent"), "25");
	assert_string_equal(cell("devices", 0, "epoch_changed_bytes"), "77");
	assert_string_equal(cell("devices", 0, "state"), "uncertain");
	/* a counter that began anew tells no rate; nor does one that is not there */
	assert_string_equal(cell("devices", 0, "changed_bytes_per_s"), "null");
	assert_string_equal(cell("devices", 0, "writes_per_s"), "null");
}

static void a_new_device_has_no_rate(void **state)
{
	(void)state;
	compute("{\"metrics\":[]}", "{\"metrics\":[" DEVICE("bpfsnap_device_size_bytes", "9") ","
		DEVICE("bpfsnap_device_written_bytes", "1000000") ","
		WRITER("bpfsnap_writer_bytes", "7", "1000000") "]}", SECOND_NS);
	assert_string_equal(cell("devices", 0, "written_bytes_per_s"), "null");
	assert_string_equal(cell("writers", 0, "written_bytes_per_s"), "null");
	release(state);
	/* no time has passed */
	compute("{\"metrics\":[" DEVICE("bpfsnap_device_size_bytes", "9") "]}",
		"{\"metrics\":[" DEVICE("bpfsnap_device_size_bytes", "9") "]}", 0);
	assert_string_equal(cell("devices", 0, "written_bytes_per_s"), "null");
}

static void a_new_writer_has_one(void **state)
{
	(void)state;
	compute("{\"metrics\":[" DEVICE("bpfsnap_device_size_bytes", "9") "]}",
		"{\"metrics\":[" DEVICE("bpfsnap_device_size_bytes", "9") ","
		"{\"name\":\"bpfsnap_writer_bytes\",\"samples\":["
		"{\"labels\":{\"device\":\"/dev/x\",\"cgroup\":\"7\"},\"value\":100},"
		"{\"labels\":{\"device\":\"/dev/x\",\"cgroup\":\"8\"},\"value\":300}]}]}", SECOND_NS);
	assert_string_equal(cell("writers", 0, "cgroup"), "8");
	assert_string_equal(cell("writers", 0, "written_bytes_per_s"), "300");
	assert_string_equal(cell("writers", 1, "written_bytes_per_s"), "100");
}

static void time_to_full(void **state)
{
	(void)state;
	compute("{\"metrics\":[" IMAGE("bpfsnap_image_stored_bytes", "1000") "]}",
		"{\"metrics\":[" IMAGE("bpfsnap_image_stored_bytes", "3000") ","
		IMAGE("bpfsnap_image_room_bytes", "20000") ","
		IMAGE("bpfsnap_image_failed", "0") ","
		SAMPLE("bpfsnap_snapshot_memory_bytes", "\"snapshot\":\"s\"", "42") "]}",
		2 * SECOND_NS);
	assert_string_equal(cell("snapshots", 0, "full_in_ns"), "20000000000");
	assert_string_equal(cell("snapshots", 0, "memory_bytes"), "42");
	assert_string_equal(cell("snapshots", 0, "state"), "ok");
	release(state);
	/* what does not fill is never full; nor is a room beyond all time */
	compute("{\"metrics\":[" IMAGE("bpfsnap_image_stored_bytes", "3000") "]}",
		"{\"metrics\":[" IMAGE("bpfsnap_image_stored_bytes", "3000") ","
		IMAGE("bpfsnap_image_failed", "1") ","
		IMAGE("bpfsnap_image_room_bytes", "20000") "]}", SECOND_NS);
	assert_string_equal(cell("snapshots", 0, "full_in_ns"), "null");
	assert_string_equal(cell("snapshots", 0, "state"), "failed");
	release(state);
	compute("{\"metrics\":[" IMAGE("bpfsnap_image_stored_bytes", "0") "]}",
		"{\"metrics\":[" IMAGE("bpfsnap_image_stored_bytes", "1") ","
		IMAGE("bpfsnap_image_room_bytes", "9223372036854775807") "]}", SECOND_NS);
	assert_string_equal(cell("snapshots", 0, "full_in_ns"), "null");
}

static void nonsense_is_survived(void **state)
{
	static const char *const looks[] = {
		"{}", "{\"metrics\":null}", "{\"metrics\":[1,{},{\"name\":3}]}",
		"{\"metrics\":[{\"name\":\"bpfsnap_writer_bytes\",\"samples\":[{},3,null]}]}",
		"{\"metrics\":[{\"name\":\"bpfsnap_device_size_bytes\",\"samples\":[{\"labels\":4}]}]}",
	};

	for (size_t a = 0; a < ARRAY_SIZE(looks); a++) {
		for (size_t b = 0; b < ARRAY_SIZE(looks); b++) {
			compute(looks[a], looks[b], SECOND_NS);
			release(state);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(rates, release),
		cmocka_unit_test_teardown(a_new_device_has_no_rate, release),
		cmocka_unit_test_teardown(a_new_writer_has_one, release),
		cmocka_unit_test_teardown(time_to_full, release),
		cmocka_unit_test_teardown(nonsense_is_survived, release),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
