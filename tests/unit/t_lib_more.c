// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owners of snapshots, file descriptors and events: does libbpfsnap ask for what it was told
 * to, keep what it gets, and refuse the rest without losing a descriptor?
 */
#include "lib_daemon.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>

#define SNAPSHOT(rest) "{\"parameters\":{\"snapshot\":{\"snapshot\":\"s\",\"created_ns\":1,\"hold_ns\":2," \
	"\"writable\":false,\"memory_bytes\":3," rest "\"devices\":[]}}}"
#define IMAGE(size, place) "{\"parameters\":{\"image\":\"/dev/i\",\"size\":" size place "}}"
#define INFO(size) "{\"parameters\":{\"device\":\"/dev/vda\",\"disk_offset\":0,\"size\":" size ",\"granularity\":4096," \
	"\"generation\":\"g\",\"since\":3,\"epoch\":4,\"state\":\"uncertain\",\"reason\":\"why\",\"changes_fd\":0}}"
#define HAPPENED(stream, missed, events, last) "{\"continues\":true,\"parameters\":{\"stream\":\"" stream \
	"\",\"missed\":" missed ",\"events\":[" events "],\"last\":" last "}}"
#define EVENT(seq) "{\"seq\":" seq ",\"time_ns\":9,\"kind\":\"attached\",\"device\":\"/dev/vda\",\"snapshot\":null," \
	"\"value\":null,\"text\":\"It is.\"}"
#define IMAGE_BYTES	10000

static int nr_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int nr = 0;

	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr;
}

static void give(int fd)
{
	if (given_fd >= 0)
		close(given_fd);
	given_fd = fd;
}

static int done(void **state)
{
	give(-1);
	return stop(state);
}

/* Options as programs have them that were built before there were owners. */
static void test_old_options(void **state)
{
	static const char *const names[] = { "/dev/vda" };
	struct {
		struct {
			size_t size;
			const char *const *devices;
			size_t nr_devices;
			const char *storage;
			const char *checkpoint;
			uint64_t limit_bytes;
			uint64_t memory_bytes;
			uint32_t timeout_ms;
			bool writable;
		} options;
		char behind[64];
	} old = { .options = { sizeof(old.options), names, 1 } };
	struct {
		struct bpfsnap_snapshot_options options;
		char later;
	} newer = { .options = { .size = sizeof(newer), .devices = names, .nr_devices = 1 } };
	struct bpfsnap_snapshot *snapshot;
	struct bpfsnap_error *e = NULL;

	assert_int_equal(sizeof(old.options), offsetof(struct bpfsnap_snapshot_options, lease_s));
	memset(old.behind, 0xff, sizeof(old.behind));
	SERVE(SNAPSHOT(""), SNAPSHOT(""));
	assert_int_equal(bpfsnap_snapshot_create(handle, (void *)&old, &snapshot, NULL), 0);
	assert_null(strstr(last_request, "key"));
	assert_null(strstr(last_request, "lease_s"));
	assert_null(strstr(last_request, "bound"));
	assert_null(strstr(last_request, "set_aside"));
	assert_null(snapshot->key);
	assert_int_equal(snapshot->lease_s, 0);
	assert_int_equal(snapshot->expires_ns, 0);
	assert_false(snapshot->bound);
	bpfsnap_snapshot_free(snapshot);
	/* What a later release may ask for is not dropped in silence. */
	assert_int_equal(bpfsnap_snapshot_create(handle, &newer.options, &snapshot, NULL), 0);
	bpfsnap_snapshot_free(snapshot);
	newer.later = 1;
	assert_int_equal(bpfsnap_snapshot_create(handle, &newer.options, &snapshot, &e), -EINVAL);
	expect(e, BPFSNAP_REASON_INVALID_PARAMETER, "InvalidParameter", "size");
}

static void test_owner(void **state)
{
	static const char *const names[] = { "/dev/vda" };
	struct bpfsnap_snapshot_options options = BPFSNAP_INIT(options);
	struct bpfsnap_snapshot *snapshot;
	struct bpfsnap_error *e = NULL;
	uint64_t expires_ns = 0;

	SERVE(SNAPSHOT("\"key\":\"k\",\"lease_s\":60,\"expires_ns\":77,\"bound\":true,"),
	      SNAPSHOT("\"lease_s\":60,\"expires_ns\":null,"), SNAPSHOT("\"key\":5,"),
	      "{\"parameters\":{\"expires_ns\":99}}", "{\"parameters\":{\"expires_ns\":99}}",
	      "{\"parameters\":{}}", "{\"parameters\":{\"expires_ns\":-1}}",
	      "{\"error\":\"io.bpfsnap.SnapshotNotFound\",\"parameters\":{\"snapshot\":\"s\",\"reason\":\"Gone.\"}}");
	options.devices = names;
	options.nr_devices = 1;
	options.key = "k";
	options.lease_s = 60;
	options.bound = options.confirmed = true;
	options.flags = 1 << 1;
	assert_int_equal(bpfsnap_snapshot_create(handle, &options, &snapshot, &e), -EINVAL);
	expect(e, BPFSNAP_REASON_INVALID_PARAMETER, "InvalidParameter", "flags");
	options.flags = BPFSNAP_SNAPSHOT_SET_ASIDE;
	assert_int_equal(bpfsnap_snapshot_create(handle, &options, &snapshot, NULL), 0);
	assert_non_null(strstr(last_request, "\"key\":\"k\",\"lease_s\":60,\"bound\":true,\"confirmed\":true,\"set_aside\":true"));
	assert_string_equal(snapshot->key, "k");
	assert_int_equal(snapshot->lease_s, 60);
	assert_int_equal(snapshot->expires_ns, 77);
	assert_true(snapshot->bound);
	bpfsnap_snapshot_free(snapshot);
	assert_int_equal(bpfsnap_snapshot_create(handle, &options, &snapshot, NULL), -EBADMSG);
	assert_null(snapshot);
	assert_int_equal(bpfsnap_snapshot_create(handle, &options, &snapshot, NULL), -EBADMSG);
	assert_int_equal(bpfsnap_lease_renew(handle, "s", 5, &expires_ns, NULL), 0);
	assert_int_equal(expires_ns, 99);
	assert_non_null(strstr(last_request, "{\"snapshot\":\"s\",\"lease_s\":5}"));
	assert_int_equal(bpfsnap_lease_renew(handle, "s", 0, NULL, NULL), 0);
	assert_non_null(strstr(last_request, "{\"snapshot\":\"s\"}"));
	assert_int_equal(bpfsnap_lease_renew(handle, "s", 0, NULL, NULL), -EBADMSG);
	assert_int_equal(bpfsnap_lease_renew(handle, "s", 0, NULL, NULL), -EBADMSG);
	assert_int_equal(bpfsnap_lease_renew(handle, "s", 0, NULL, &e), -ENOENT);
	expect(e, BPFSNAP_REASON_SNAPSHOT_NOT_FOUND, "SnapshotNotFound", "s");
	/* It is one connection to which all that is bound. */
	assert_int_equal(*nr_connections, 1);
}

static void test_small_calls(void **state)
{
	struct bpfsnap_device *device;

	SERVE("{\"parameters\":{}}", "{\"parameters\":{}}", "{\"parameters\":{}}", "{\"parameters\":{\"device\":" DEVICE("7") "}}",
	      "{\"parameters\":{}}");
	assert_int_equal(bpfsnap_storage_extend(handle, "s", NULL, 0, NULL), 0);
	assert_non_null(strstr(last_request, "ExtendStorage\",\"parameters\":{\"snapshot\":\"s\",\"limit\":0}"));
	assert_int_equal(bpfsnap_storage_extend(handle, "s", "d", UINT64_MAX, NULL), 0);
	assert_non_null(strstr(last_request, "{\"snapshot\":\"s\",\"device\":\"d\",\"limit\":-1}"));
	assert_int_equal(bpfsnap_device_mark_dirty(handle, "d", 0, 512, NULL), 0);
	assert_non_null(strstr(last_request, "MarkDirty\",\"parameters\":{\"device\":\"d\",\"offset\":0,\"length\":512}"));
	assert_int_equal(bpfsnap_generation_renew(handle, "d", &device, NULL), 0);
	assert_non_null(strstr(last_request, "RenewGeneration\",\"parameters\":{\"device\":\"d\"}"));
	assert_int_equal(device->size_bytes, 7);
	bpfsnap_device_free(device);
	assert_int_equal(bpfsnap_generation_renew(handle, "d", NULL, NULL), -EBADMSG);
}

static int make_image(void)
{
	char name[64];
	int fd = memfd_create("image", 0), reader;

	assert_int_equal(ftruncate(fd, IMAGE_BYTES), 0);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	reader = open(name, O_RDONLY);
	close(fd);
	return reader;
}

static void test_image(void **state)
{
	static const char good[] = FDS("01") IMAGE("10000", ",\"image_fd\":0");
	static const char *const bad[] = {
		IMAGE("10000", ",\"image_fd\":0"),
		FDS("01") IMAGE("10000", ""),
		FDS("01") IMAGE("10000", ",\"image_fd\":1"),
		FDS("01") IMAGE("10000", ",\"image_fd\":\"0\""),
		FDS("01") IMAGE("9999", ",\"image_fd\":0"),
		FDS("01") IMAGE("-1", ",\"image_fd\":0"),
		FDS("01") "{\"parameters\":{\"image_fd\":0}}",
		FDS("02") IMAGE("10000", ",\"image_fd\":0"),
		FDS("08") IMAGE("10000", ",\"image_fd\":0"),
		FDS("09") IMAGE("10000", ",\"image_fd\":0"),
		FDS("16") IMAGE("10000", ",\"image_fd\":0"),
		FDS("01") "{\"continues\":true,\"parameters\":{\"size\":10000,\"image_fd\":0}}",
		FDS("01") "[]",
	};
	struct bpfsnap_error *e = NULL;
	struct rlimit limit, none;
	uint64_t size_bytes = 0;
	int fd, before;

	give(make_image());
	SERVE(good, FDS("01") "{\"error\":\"io.bpfsnap.SnapshotNotFound\",\"parameters\":{\"snapshot\":\"s\"}}",
	      good, good, CUT FDS("01") "{\"para");
	before = nr_fds();
	fd = bpfsnap_image_open(handle, "s", NULL, &size_bytes, NULL);
	assert_true(fd >= 0);
	assert_int_equal(size_bytes, IMAGE_BYTES);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 0);
	close(fd);
	assert_int_equal(bpfsnap_image_open(handle, "s", "d", NULL, NULL), -ENOENT);
	assert_non_null(strstr(last_request, "{\"snapshot\":\"s\",\"device\":\"d\"}"));
	assert_int_equal(nr_fds(), before);
	/* A process that has enough of them keeps its connection, and what is bound to it. */
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){ 0, limit.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(bpfsnap_image_open(handle, "s", NULL, NULL, &e), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	expect(e, BPFSNAP_REASON_TOO_MANY_FILES, "TooManyFiles", path);
	fd = bpfsnap_image_open(handle, "s", NULL, NULL, NULL);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(*nr_connections, 1);
	assert_int_equal(bpfsnap_image_open(handle, "s", NULL, NULL, NULL), -ENOTCONN);
	assert_int_equal(nr_fds(), before - 1);	/* the connection's */
	stop(NULL);

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		before = nr_fds();
		SERVE(bad[i]);
		assert_int_equal(bpfsnap_image_open(handle, "s", NULL, &size_bytes, &e), -EBADMSG);
		assert_int_equal(bpfsnap_error_reason(e), BPFSNAP_REASON_BAD_REPLY);
		bpfsnap_error_free(e);
		stop(NULL);
		assert_int_equal(nr_fds(), before);
	}
	/* One that can be written through is none; and who asked for none gets none. */
	give(memfd_create("image", 0));
	assert_int_equal(ftruncate(given_fd, IMAGE_BYTES), 0);
	SERVE(good, FDS("01") "{\"parameters\":{}}", FDS("01") "{\"parameters\":{}}");
	before = nr_fds();
	assert_int_equal(bpfsnap_image_open(handle, "s", NULL, NULL, NULL), -EBADMSG);
	assert_int_equal(bpfsnap_device_detach(handle, "d", NULL), 0);
	assert_int_equal(nr_fds(), before);
}

static int make_bitmap(int seals)
{
	int fd = memfd_create("bits", MFD_ALLOW_SEALING);

	assert_int_equal(ftruncate(fd, 2), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static void test_bitmap(void **state)
{
	const int all = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
	struct bpfsnap_changes_options options = BPFSNAP_INIT(options);
	struct bpfsnap_changes_info *info;
	struct bpfsnap_error *e = NULL;
	int before, fd;

	options.device = "vda";
	options.since = 3;
	give(make_bitmap(all));
	/* 9 to 16 blocks of 4096 are two bytes. */
	SERVE(FDS("01") INFO("65536"), FDS("01") INFO("32769"), FDS("01") INFO("65537"),
	      FDS("01") INFO("32768"), FDS("01") INFO("0"), FDS("01") "{\"parameters\":{\"changes_fd\":0}}");
	before = nr_fds();
	for (int i = 0; i < 2; i++) {
		fd = bpfsnap_changes_open(handle, &options, &info, NULL);
		assert_true(fd >= 0);
		assert_true(info->is_uncertain);
		assert_string_equal(info->reason, "why");
		bpfsnap_changes_info_free(info);
		close(fd);
	}
	for (int i = 0; i < 4; i++) {
		assert_int_equal(bpfsnap_changes_open(handle, &options, &info, NULL), -EBADMSG);
		assert_null(info);
	}
	assert_int_equal(*nr_requests, 6);
	options.details = true;
	assert_int_equal(bpfsnap_changes_open(handle, &options, &info, &e), -EINVAL);
	expect(e, BPFSNAP_REASON_INVALID_PARAMETER, "InvalidParameter", "details");
	options.details = false;
	options.start_bytes = 4096;
	assert_int_equal(bpfsnap_changes_open(handle, &options, &info, &e), -EINVAL);
	expect(e, BPFSNAP_REASON_INVALID_PARAMETER, "InvalidParameter", "start");
	options.start_bytes = 0;
	assert_int_equal(nr_fds(), before);
	stop(NULL);

	give(make_bitmap(all & ~F_SEAL_WRITE));
	SERVE(FDS("01") INFO("65536"));
	before = nr_fds();
	assert_int_equal(bpfsnap_changes_open(handle, &options, &info, NULL), -EBADMSG);
	assert_int_equal(nr_fds(), before);
}

static void next(struct bpfsnap_events *events, enum bpfsnap_event_type type, const char *stream,
		 uint64_t seq, uint64_t value)
{
	const struct bpfsnap_event *event;

	assert_int_equal(bpfsnap_events_next(events, 5000, &event, NULL), 1);
	assert_int_equal(event->type, type);
	assert_string_equal(event->stream, stream);
	assert_int_equal(event->seq, seq);
	assert_int_equal(event->value, value);
	if (type == BPFSNAP_EVENT_HAPPENED) {
		assert_string_equal(event->kind, "attached");
		assert_string_equal(event->text, "It is.");
		assert_null(event->snapshot);
	} else {
		assert_null(event->kind);
	}
}

static void test_events(void **state)
{
	const struct bpfsnap_event *event;
	struct bpfsnap_events *events;
	struct bpfsnap_error *e = NULL;
	struct pollfd p = { .events = POLLIN };

	/* The first connection is the handle's, on which nothing is asked. */
	SERVE(LEAVE, HAPPENED("a", "0", "", "6"), PUSH HAPPENED("a", "0", EVENT("7") "," EVENT("8"), "8"),
	      PUSH HAPPENED("a", "3", EVENT("12"), "12"), LEAVE,
	      /* the same daemon */
	      HAPPENED("a", "1", EVENT("14"), "14"), PUSH CUT HAPPENED("a", "0", EVENT("15"), "15"),
	      /* another one, of which nothing is lost so far; then a third, which has done much */
	      HAPPENED("b", "null", "", "0"), PUSH HAPPENED("b", "0", EVENT("1"), "1"), LEAVE,
	      HAPPENED("c", "null", EVENT("601"), "601"), PUSH HAPPENED("c", "0", "", "601"), "none");
	assert_int_equal(bpfsnap_events_begin(handle, NULL, 5, &events, NULL), 0);
	assert_null(strstr(last_request, "after"));
	next(events, BPFSNAP_EVENT_HAPPENED, "a", 7, UINT64_MAX);
	next(events, BPFSNAP_EVENT_HAPPENED, "a", 8, UINT64_MAX);
	next(events, BPFSNAP_EVENT_MISSED, "a", 11, 3);
	next(events, BPFSNAP_EVENT_HAPPENED, "a", 12, UINT64_MAX);
	assert_true(bpfsnap_events_fd(events) >= 0);
	assert_int_equal(bpfsnap_events_next(events, 5000, &event, &e), -ENOTCONN);
	assert_null(event);
	expect(e, BPFSNAP_REASON_UNREACHABLE, "Unreachable", path);
	assert_int_equal(bpfsnap_events_fd(events), -ENOTCONN);
	next(events, BPFSNAP_EVENT_MISSED, "a", 13, 1);
	assert_non_null(strstr(last_request, "{\"stream\":\"a\",\"after\":12}"));
	next(events, BPFSNAP_EVENT_HAPPENED, "a", 14, UINT64_MAX);
	/* Half a reply is none. */
	assert_int_equal(bpfsnap_events_next(events, 5000, &event, NULL), -ENOTCONN);
	next(events, BPFSNAP_EVENT_RESTARTED, "b", 0, UINT64_MAX);
	assert_non_null(strstr(last_request, "{\"stream\":\"a\",\"after\":14}"));
	next(events, BPFSNAP_EVENT_HAPPENED, "b", 1, UINT64_MAX);
	assert_int_equal(bpfsnap_events_next(events, 5000, &event, NULL), -ENOTCONN);
	next(events, BPFSNAP_EVENT_RESTARTED, "c", 600, UINT64_MAX);
	next(events, BPFSNAP_EVENT_HAPPENED, "c", 601, UINT64_MAX);
	/* An empty reply does not end the wait. */
	assert_int_equal(bpfsnap_events_next(events, 200, &event, NULL), 0);
	assert_null(event);
	p.fd = bpfsnap_events_fd(events);
	assert_int_equal(poll(&p, 1, 0), 0);
	kill(server_pid, SIGKILL);
	assert_int_equal(poll(&p, 1, 5000), 1);
	assert_int_equal(bpfsnap_events_next(events, 0, &event, NULL), -ENOTCONN);
	assert_int_equal(bpfsnap_events_next(events, -1, &event, NULL), -ENOTCONN);
	bpfsnap_events_end(events);
	bpfsnap_events_end(NULL);
}

/* Each is refused, and can be asked for again; none is told as if nothing were wrong. */
static void bad_events(const char *stream, const char *first, const char *second)
{
	const struct bpfsnap_event *event;
	struct bpfsnap_events *events;
	struct bpfsnap_error *e = NULL;
	int before = nr_fds(), r;

	SERVE(LEAVE, first, second, "none");
	r = bpfsnap_events_begin(handle, stream, 5, &events, &e);
	if (r == 0) {
		while ((r = bpfsnap_events_next(events, 5000, &event, &e)) > 0)
			assert_int_equal(event->type, BPFSNAP_EVENT_HAPPENED);
		bpfsnap_events_end(events);
	}
	if (r != -EBADMSG)
		fail_msg("%d for %s, %s", r, first, second);
	assert_int_equal(bpfsnap_error_reason(e), BPFSNAP_REASON_BAD_REPLY);
	bpfsnap_error_free(e);
	stop(NULL);
	assert_int_equal(nr_fds(), before);
}

static void test_bad_events(void **state)
{
	static const char good[] = HAPPENED("a", "0", EVENT("6"), "6");
	struct bpfsnap_events *events;
	struct bpfsnap_error *e = NULL;

	/* A gap that is not counted, one twice, a number that is not there. */
	bad_events("a", HAPPENED("a", "0", EVENT("7"), "7"), "none");
	bad_events("a", HAPPENED("a", "0", EVENT("7"), "6"), "none");
	bad_events("a", HAPPENED("a", "0", EVENT("6") "," EVENT("8"), "8"), "none");
	bad_events("a", HAPPENED("a", "0", EVENT("6"), "7"), "none");
	bad_events("a", HAPPENED("a", "0", "", "6"), "none");
	bad_events("a", good, PUSH HAPPENED("a", "0", EVENT("6"), "6"));
	bad_events("a", good, PUSH HAPPENED("a", "0", EVENT("8"), "8"));
	bad_events("a", good, PUSH HAPPENED("a", "-1", EVENT("7"), "7"));
	bad_events("a", good, PUSH HAPPENED("a", "9223372036854775807", EVENT("7"), "7"));
	/* Nobody knows, of the same stream; it is known, of another. */
	bad_events("a", HAPPENED("a", "null", EVENT("6"), "6"), "none");
	bad_events("a", HAPPENED("b", "0", EVENT("6"), "6"), "none");
	bad_events("a", good, PUSH HAPPENED("b", "null", EVENT("1"), "1"));
	bad_events(NULL, HAPPENED("a", "null", EVENT("6"), "6"), "none");
	bad_events(NULL, HAPPENED("a", "0", "5", "6"), "none");
	bad_events(NULL, HAPPENED("a", "0", EVENT("0"), "0"), "none");
	bad_events(NULL, "{\"continues\":true,\"parameters\":{\"stream\":\"a\",\"missed\":0,\"last\":6}}", "none");
	bad_events(NULL, "{\"continues\":true,\"parameters\":{}}", "none");
	bad_events(NULL, good, PUSH HAPPENED("a", "0", "{\"seq\":7}", "7"));
	/* A stream that ends. */
	bad_events("a", "{\"parameters\":{\"stream\":\"a\",\"missed\":0,\"events\":[],\"last\":5}}", "none");

	SERVE(LEAVE, "{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":{\"parameter\":\"after\"}}");
	assert_int_equal(bpfsnap_events_begin(handle, "a", UINT64_MAX, &events, &e), -EINVAL);
	assert_null(events);
	expect(e, BPFSNAP_REASON_INVALID_PARAMETER, "InvalidParameter", "after");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_old_options, done),
		cmocka_unit_test_teardown(test_owner, done),
		cmocka_unit_test_teardown(test_small_calls, done),
		cmocka_unit_test_teardown(test_image, done),
		cmocka_unit_test_teardown(test_bitmap, done),
		cmocka_unit_test_teardown(test_events, done),
		cmocka_unit_test_teardown(test_bad_events, done),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
