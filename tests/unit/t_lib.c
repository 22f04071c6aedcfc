// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does libbpfsnap understand a daemon, refuse what it does not understand, and never make
 * a call twice that may have had an effect?
 */
#include "lib_daemon.h"

#include <pthread.h>

#define PAGE(state, offset, extents, next) "{\"parameters\":{\"device\":\"/dev/vda\",\"disk_offset\":" offset \
	",\"size\":1048576,\"granularity\":65536,\"generation\":\"g\",\"since\":3,\"epoch\":4,\"state\":\"" state \
	"\",\"reason\":\"why " state "\",\"extents\":[" extents "],\"next\":" next "}}"
#define EXTENT(offset, length) "{\"offset\":" offset ",\"length\":" length "}"

static void test_errors(void **state)
{
	struct bpfsnap_error *e = NULL;
	struct bpfsnap_snapshot *snapshot;

	assert_int_equal(bpfsnap_connect("/nowhere/sock", &handle, &e), -ENOTCONN);
	assert_null(handle);
	expect(e, BPFSNAP_REASON_UNREACHABLE, "Unreachable", "/nowhere/sock");
	assert_int_equal(bpfsnap_connect("/nowhere/sock", &handle, NULL), -ENOTCONN);
	SERVE("{\"error\":\"io.bpfsnap.NotAttached\",\"parameters\":{\"device\":\"/dev/vda\",\"reason\":\"It is not.\"}}",
	      "{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":{\"parameter\":\"granularity\"}}",
	      "{\"error\":\"io.bpfsnap.FromTheFuture\",\"parameters\":{\"reason\":\"Who knows.\"}}",
	      "{\"error\":\"io.bpfsnap.DeviceBusy\"}",
	      "{\"parameters\":{\"snapshots\":[]}}");
	assert_int_equal(bpfsnap_device_detach(handle, "vda", &e), -ENODEV);
	assert_string_equal(bpfsnap_error_message(e), "It is not.");
	expect(e, BPFSNAP_REASON_NOT_ATTACHED, "NotAttached", "/dev/vda");
	assert_int_equal(bpfsnap_device_attach(handle, "vda", 5, NULL, &e), -EINVAL);
	expect(e, BPFSNAP_REASON_INVALID_PARAMETER, "InvalidParameter", "granularity");
	assert_int_equal(bpfsnap_device_detach(handle, "vda", &e), -EIO);
	expect(e, BPFSNAP_REASON_OTHER, "FromTheFuture", "");
	assert_int_equal(bpfsnap_device_detach(handle, "vda", &e), -EBUSY);
	expect(e, BPFSNAP_REASON_DEVICE_BUSY, "DeviceBusy", "");
	assert_int_equal(bpfsnap_snapshot_describe(handle, "s", &snapshot, &e), -ENOENT);
	expect(e, BPFSNAP_REASON_SNAPSHOT_NOT_FOUND, "SnapshotNotFound", "s");
	bpfsnap_error_free(NULL);
	assert_int_equal(bpfsnap_error_reason(NULL), BPFSNAP_REASON_NONE);
}

/* Each error of the interface has a reason of its own. */
static void test_interface(void **state)
{
	FILE *file = fopen("include/io.bpfsnap.varlink", "r");
	char line[512], name[128];
	bool is_seen[BPFSNAP_REASON_OTHER + 1] = { false };
	int nr = 0;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		struct bpfsnap_error *e = NULL;

		if (sscanf(line, "error %127[A-Za-z]", name) != 1)
			continue;
		assert_true(error_remote(&e, name, NULL) < 0);
		assert_string_equal(bpfsnap_error_name(e), name);
		if (bpfsnap_error_reason(e) == BPFSNAP_REASON_OTHER)
			fail_msg("%s has no reason in libbpfsnap.h", name);
		assert_false(is_seen[bpfsnap_error_reason(e)]);
		is_seen[bpfsnap_error_reason(e)] = true;
		bpfsnap_error_free(e);
		nr++;
	}
	fclose(file);
	assert_true(nr > 10);
}

static void test_structures(void **state)
{
	const char *const names[] = { "/dev/vda" };
	struct bpfsnap_snapshot_options options = BPFSNAP_INIT(options);
	struct bpfsnap_snapshot *snapshot;
	struct bpfsnap_device **devices, *device;
	struct bpfsnap_error *e = NULL;

	SERVE("{\"parameters\":{\"devices\":[" DEVICE("1048576") "," DEVICE("7") "]}}",
	      "{\"parameters\":{\"device\":" DEVICE("\"7\"") "}}",
	      "{\"parameters\":{\"device\":" DEVICE("-7") "}}",
	      "{\"parameters\":{\"devices\":[{}]}}",
	      "{\"parameters\":{\"snapshot\":{\"snapshot\":\"s\",\"created_ns\":1,\"hold_ns\":2,\"writable\":false,"
	      "\"memory_bytes\":3,\"devices\":[{\"device\":\"/dev/vda\",\"image\":\"/dev/i\",\"disk_offset\":0,"
	      "\"size\":9,\"generation\":\"g\",\"since\":8,\"state\":\"strange\",\"copied_bytes\":0,"
	      "\"stored_bytes\":0,\"limit_bytes\":0,\"error\":null}]}}}");
	assert_int_equal(bpfsnap_device_list(handle, &devices, &e), 2);
	assert_int_equal(devices[0]->size_bytes, 1048576);
	assert_string_equal(devices[1]->generation, "g");
	assert_int_equal(devices[1]->size_bytes, 7);
	assert_null(devices[1]->reason);
	assert_false(devices[1]->is_uncertain);
	assert_null(devices[2]);
	bpfsnap_device_list_free(devices);
	assert_int_equal(bpfsnap_device_attach(handle, "vda", 0, &device, &e), -EBADMSG);
	assert_null(device);
	expect(e, BPFSNAP_REASON_BAD_REPLY, "BadReply", "io.bpfsnap.AttachDevice");
	assert_int_equal(bpfsnap_device_attach(handle, "vda", 0, NULL, NULL), -EBADMSG);
	assert_int_equal(bpfsnap_device_list(handle, &devices, NULL), -EBADMSG);
	assert_null(devices);
	options.devices = names;
	options.nr_devices = 1;
	assert_int_equal(bpfsnap_snapshot_create(handle, &options, &snapshot, &e), 0);
	assert_int_equal(snapshot->nr_devices, 1);
	assert_int_equal(snapshot->devices[0]->since, 8);
	/* A state that we don't know promises nothing. */
	assert_true(snapshot->devices[0]->is_uncertain);
	bpfsnap_snapshot_free(snapshot);
	options.size = offsetof(struct bpfsnap_snapshot_options, lease_s) - 1;
	assert_int_equal(bpfsnap_snapshot_create(handle, &options, &snapshot, &e), -EINVAL);
	expect(e, BPFSNAP_REASON_INVALID_PARAMETER, "InvalidParameter", "size");
}

static struct bpfsnap_changes *begin(struct bpfsnap_error **ret_error)
{
	struct bpfsnap_changes_options options = BPFSNAP_INIT(options);
	struct bpfsnap_changes *changes;

	options.device = "vda";
	options.since = 3;
	(void)!bpfsnap_changes_begin(handle, &options, &changes, ret_error);
	return changes;
}

static void test_changes(void **state)
{
	struct bpfsnap_changes *c;
	struct bpfsnap_extent extent;

	SERVE(PAGE("ok", "0", EXTENT("0", "65536") "," EXTENT("131072", "65536"), "196608"),
	      PAGE("ok", "0", "", "262144"),
	      PAGE("uncertain", "0", EXTENT("983040", "65536"), "null"));
	c = begin(NULL);
	assert_int_equal(bpfsnap_changes_info(c)->size_bytes, 1048576);
	assert_int_equal(bpfsnap_changes_next(c, &extent, NULL), 1);
	assert_int_equal(bpfsnap_changes_next(c, &extent, NULL), 1);
	assert_int_equal(extent.offset_bytes, 131072);
	assert_false(bpfsnap_changes_info(c)->is_uncertain);
	assert_int_equal(bpfsnap_changes_next(c, &extent, NULL), 1);
	assert_int_equal(extent.offset_bytes, 983040);
	assert_int_equal(bpfsnap_changes_next(c, &extent, NULL), 0);
	assert_int_equal(bpfsnap_changes_next(c, &extent, NULL), 0);
	assert_true(bpfsnap_changes_info(c)->is_uncertain);
	assert_string_equal(bpfsnap_changes_info(c)->reason, "why uncertain");
	bpfsnap_changes_end(c);
	bpfsnap_changes_end(NULL);
}

/* A list that ends with an error stays broken: it is never taken for a whole one. */
static void broken(const char *first, const char *second, enum bpfsnap_reason reason)
{
	struct bpfsnap_error *e = NULL;
	struct bpfsnap_changes *c;
	struct bpfsnap_extent extent;
	int r;

	SERVE(first, second);
	c = begin(NULL);
	assert_non_null(c);
	do {
		r = bpfsnap_changes_next(c, &extent, &e);
	} while (r > 0);
	assert_true(r < 0);
	assert_int_equal(bpfsnap_error_reason(e), reason);
	bpfsnap_error_free(e);
	assert_true(bpfsnap_changes_next(c, &extent, NULL) < 0);
	bpfsnap_changes_end(c);
	stop(NULL);
}

static void test_broken_changes(void **state)
{
	static const char good[] = PAGE("ok", "0", EXTENT("0", "65536"), "65536");

	broken(good, PAGE("ok", "512", EXTENT("65536", "512"), "null"), BPFSNAP_REASON_DEVICE_CHANGED);
	broken(good, PAGE("ok", "0", EXTENT("0", "65536"), "null"), BPFSNAP_REASON_BAD_REPLY);
	broken(good, PAGE("ok", "0", "", "65536"), BPFSNAP_REASON_BAD_REPLY);
	broken(good, PAGE("ok", "0", EXTENT("65536", "0"), "null"), BPFSNAP_REASON_BAD_REPLY);
	broken(good, PAGE("ok", "0", EXTENT("65536", "1048576"), "null"), BPFSNAP_REASON_BAD_REPLY);
	broken(good, PAGE("ok", "0", EXTENT("65536", "-1"), "null"), BPFSNAP_REASON_BAD_REPLY);
	broken(good, "{\"parameters\":{\"extents\":[]}}", BPFSNAP_REASON_BAD_REPLY);
	broken(good, "{\"error\":\"io.bpfsnap.GenerationChanged\",\"parameters\":{\"device\":\"d\"}}",
	       BPFSNAP_REASON_GENERATION_CHANGED);
	broken(good, HANG_UP, BPFSNAP_REASON_UNREACHABLE);
}

static void test_restart(void **state)
{
	struct bpfsnap_error *e = NULL;
	struct bpfsnap_device **devices;

	SERVE("{\"parameters\":{}}", LEAVE, "{\"parameters\":{}}", HANG_UP, "for ever");
	assert_int_equal(bpfsnap_device_detach(handle, "a", NULL), 0);
	/* The daemon leaves, and another one comes. */
	for (int i = 0; i < 30000 && __atomic_load_n(nr_closed, __ATOMIC_SEQ_CST) < 1; i++)
		usleep(1000);
	assert_int_equal(*nr_closed, 1);
	assert_int_equal(bpfsnap_device_detach(handle, "b", NULL), 0);
	assert_int_equal(*nr_requests, 2);
	/* The reply is lost: the call must not be made again. */
	assert_int_equal(bpfsnap_device_detach(handle, "c", &e), -ENOTCONN);
	expect(e, BPFSNAP_REASON_UNREACHABLE, "Unreachable", path);
	assert_int_equal(bpfsnap_device_list(handle, &devices, NULL), 1);
	bpfsnap_device_list_free(devices);
	/* Calls are taken in turn: one that was made again would be counted by now. */
	assert_int_equal(*nr_requests, 4);
}

static void *work(void *data)
{
	for (int i = 0; i < 200; i++) {
		struct bpfsnap_device **devices;

		if (bpfsnap_device_list(handle, &devices, NULL) != 1)
			return data;
		bpfsnap_device_list_free(devices);
	}
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t threads[4];
	void *result;

	SERVE("for ever");
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, work, handle), 0);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
		pthread_join(threads[i], &result);
		assert_null(result);
	}
	assert_int_equal(*nr_requests, 800);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_errors, stop),
		cmocka_unit_test(test_interface),
		cmocka_unit_test_teardown(test_structures, stop),
		cmocka_unit_test_teardown(test_changes, stop),
		cmocka_unit_test(test_broken_changes),
		cmocka_unit_test_teardown(test_restart, stop),
		cmocka_unit_test_teardown(test_threads, stop),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
