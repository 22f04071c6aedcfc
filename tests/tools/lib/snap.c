// SPDX-License-Identifier: GPL-2.0-only
#include "snap.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "client.h"

void die(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	fflush(stdout);
	vfprintf(stderr, format, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

dev_t rdev_of(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0 || !S_ISBLK(st.st_mode))
		die("%s: no block device", path);
	return st.st_rdev;
}

static struct bpfsnap_conn *connection(void)
{
	static struct bpfsnap_conn *conn;
	int r;

	if (!conn && (r = bpfsnap_open(NULL, &conn)) < 0)
		die("no daemon: %s", strerror(-r));
	return conn;
}

/* Return: the reply, to be put; NULL if the daemon refused, with @ret_error set. */
static struct json_object *call(const char *method, struct json_object *args, char *ret_error)
{
	struct json_object *reply = NULL, *reason;
	char *error = NULL;
	int r;

	r = bpfsnap_call(connection(), method, args, &reply, &error);
	json_object_put(args);
	if (r == 0)
		return reply;
	if (r != -EREMOTEIO)
		die("%s: %s", method, strerror(-r));
	snprintf(ret_error, SNAP_TEXT_MAX, "%s: %s", error,
		 json_object_object_get_ex(reply, "reason", &reason) ?
		 json_object_get_string(reason) : "");
	json_object_put(reply);
	free(error);
	return NULL;
}

static struct json_object *must_call(const char *method, struct json_object *args)
{
	char error[SNAP_TEXT_MAX];
	struct json_object *reply = call(method, args, error);

	if (!reply)
		die("%s", error);
	return reply;
}

static struct json_object *field(struct json_object *o, const char *name)
{
	struct json_object *value = NULL;

	json_object_object_get_ex(o, name, &value);
	return value;
}

static const char *text(struct json_object *o, const char *name)
{
	struct json_object *value = field(o, name);

	return value ? json_object_get_string(value) : "";
}

static uint64_t number(struct json_object *o, const char *name)
{
	return json_object_get_uint64(field(o, name));
}

static void take_state(struct json_object *o, char *ret_state)
{
	snprintf(ret_state, SNAP_TEXT_MAX, "%s%s%s", text(o, "state"),
		 *text(o, "reason") ? ": " : "", text(o, "reason"));
}

static void take_snapshot(struct json_object *o, struct snap *ret_snap)
{
	struct json_object *devices = field(o, "devices");

	*ret_snap = (struct snap){ .hold_ns = number(o, "hold_ns") };
	snprintf(ret_snap->id, sizeof(ret_snap->id), "%s", text(o, "snapshot"));
	ret_snap->nr = json_object_array_length(devices);
	for (size_t i = 0; i < ret_snap->nr; i++) {
		struct json_object *from = json_object_array_get_idx(devices, i);
		struct snap_device *to = &ret_snap->devices[i];

		to->rdev = rdev_of(text(from, "device"));
		to->since = number(from, "since");
		snprintf(to->image, sizeof(to->image), "%s", text(from, "image"));
		snprintf(to->error, sizeof(to->error), "%s", text(from, "error"));
		take_state(from, to->state);
	}
}

bool snap_take(const struct snap_request *request, struct snap *ret_snap, char *ret_error)
{
	struct json_object *args = json_object_new_object(), *devices = json_object_new_array();
	struct json_object *reply;

	for (size_t i = 0; i < request->nr; i++)
		json_object_array_add(devices, json_object_new_string(request->paths[i]));
	json_object_object_add(args, "devices", devices);
	/* What takes its time here is the machine. */
	json_object_object_add(args, "timeout_ms", json_object_new_int(20000));
	if (request->storage)
		json_object_object_add(args, "storage", json_object_new_string(request->storage));
	if (request->memory_bytes)
		json_object_object_add(args, "memory", json_object_new_uint64(request->memory_bytes));
	if (request->limit_bytes)
		json_object_object_add(args, "limit", json_object_new_uint64(request->limit_bytes));
	if (request->writable)
		json_object_object_add(args, "writable", json_object_new_boolean(true));
	reply = call("io.bpfsnap.CreateSnapshot", args, ret_error);
	if (!reply)
		return false;
	take_snapshot(field(reply, "snapshot"), ret_snap);
	json_object_put(reply);
	return true;
}

void snap_refresh(struct snap *snap)
{
	struct json_object *reply = must_call("io.bpfsnap.ListSnapshots", NULL);
	struct json_object *list = field(reply, "snapshots");

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);

		if (strcmp(text(o, "snapshot"), snap->id) == 0) {
			take_snapshot(o, snap);
			json_object_put(reply);
			return;
		}
	}
	die("snapshot %s is gone", snap->id);
}

void snap_destroy(const struct snap *snap)
{
	struct json_object *args = json_object_new_object();

	json_object_object_add(args, "snapshot", json_object_new_string(snap->id));
	json_object_put(must_call("io.bpfsnap.DestroySnapshot", args));
}

const struct snap_device *snap_device(const struct snap *snap, dev_t rdev)
{
	for (size_t i = 0; i < snap->nr; i++)
		if (snap->devices[i].rdev == rdev)
			return &snap->devices[i];
	die("snapshot %s has no device for one that was asked for", snap->id);
}

void snap_changes(const char *path, uint64_t since, struct snap_changes *ret_changes)
{
	struct json_object *args = json_object_new_object(), *reply, *extents;
	uint64_t size_bytes;

	json_object_object_add(args, "device", json_object_new_string(path));
	json_object_object_add(args, "since", json_object_new_uint64(since));
	reply = must_call("io.bpfsnap.ListChanges", args);
	if (field(reply, "next"))
		die("%s: the changes do not fit into one reply", path);
	size_bytes = number(reply, "size");
	ret_changes->granularity = number(reply, "granularity");
	ret_changes->nr_sect = size_bytes >> 9;
	ret_changes->sect = realloc(ret_changes->sect, ret_changes->nr_sect);
	memset(ret_changes->sect, 0, ret_changes->nr_sect);
	take_state(reply, ret_changes->state);
	extents = field(reply, "extents");
	for (size_t i = 0; i < json_object_array_length(extents); i++) {
		struct json_object *o = json_object_array_get_idx(extents, i);
		uint64_t offset = number(o, "offset"), len = number(o, "length");

		if (offset % 512 || len % 512 || offset + len > size_bytes)
			die("%s: an extent of %lu at %lu", path, len, offset);
		memset(ret_changes->sect + offset / 512, 1, len / 512);
	}
	json_object_put(reply);
}

void snap_tracking(const char *path, char *ret_state, uint64_t *ret_write_bios)
{
	struct json_object *reply = must_call("io.bpfsnap.ListDevices", NULL);
	struct json_object *list = field(reply, "devices");

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);

		if (rdev_of(text(o, "device")) != rdev_of(path))
			continue;
		take_state(o, ret_state);
		*ret_write_bios = number(o, "write_bios");
		json_object_put(reply);
		return;
	}
	die("%s is not attached", path);
}
