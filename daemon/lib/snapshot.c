// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * How does a program take snapshots, look at them and give them back?
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib.h"

#define OF(name, kind, member) \
	{ name, FIELD_##kind, offsetof(struct bpfsnap_snapshot_device, member) }
static const struct field device_fields[] = {
	OF("device", STRING, device),
	OF("image", STRING, image),
	OF("generation", STRING, generation),
	OF("reason", STRING_OR_NULL, reason),
	OF("error", STRING_OR_NULL, error),
	OF("disk_offset", NUMBER, disk_offset_bytes),
	OF("size", NUMBER, size_bytes),
	OF("since", NUMBER, since),
	OF("copied_bytes", NUMBER, copied_bytes),
	OF("stored_bytes", NUMBER, stored_bytes),
	OF("limit_bytes", NUMBER, limit_bytes),
	OF("state", UNCERTAIN, is_uncertain),
	OF("failure", STRING_OR_NULL, failure),
	OF("failed_ns", NUMBER_OR_ZERO, failed_ns),
};
#undef OF

static const struct kind device_kind = {
	.fields = device_fields, .nr_fields = ARRAY_SIZE(device_fields),
	.size_bytes = sizeof(struct bpfsnap_snapshot_device),
};

#define OF(name, kind, member) { name, FIELD_##kind, offsetof(struct bpfsnap_snapshot, member) }
static const struct field snapshot_fields[] = {
	OF("snapshot", STRING, snapshot),
	OF("created_ns", NUMBER, created_ns),
	OF("hold_ns", NUMBER, hold_ns),
	OF("memory_bytes", NUMBER, memory_bytes),
	OF("writable", BOOL, writable),
	OF("key", STRING_OR_NULL, key),
	OF("lease_s", NUMBER_OR_ZERO, lease_s),
	OF("expires_ns", NUMBER_OR_ZERO, expires_ns),
	OF("bound", BOOL_OR_FALSE, bound),
	OF("frozen_ns", NUMBER_OR_ZERO, frozen_ns),
};
#undef OF

static int take_devices(struct json_object *from, void *to)
{
	struct bpfsnap_snapshot *snapshot = to;
	int nr = kind_take_list(&device_kind, json_object_object_get(from, "devices"),
				(void ***)&snapshot->devices);

	if (nr < 0)
		return nr;
	snapshot->nr_devices = (size_t)nr;
	/* A lease ends at some time, and without one nothing does. */
	return !snapshot->lease_s == !snapshot->expires_ns ? 0 : -EBADMSG;
}

static void free_devices(void *of)
{
	struct bpfsnap_snapshot *snapshot = of;

	kind_free_list(&device_kind, (void **)snapshot->devices);
}

static const struct kind snapshot_kind = {
	.fields = snapshot_fields, .nr_fields = ARRAY_SIZE(snapshot_fields),
	.size_bytes = sizeof(struct bpfsnap_snapshot),
	.take_rest = take_devices, .free_rest = free_devices,
};

/* What an older daemon does not know is sent only if it was asked for. */
int bpfsnap_snapshot_create(struct bpfsnap *bpfsnap, const struct bpfsnap_snapshot_options *given,
			    struct bpfsnap_snapshot **ret_snapshot, struct bpfsnap_error **ret_error)
{
	struct bpfsnap_snapshot_options options;
	struct json_object *o;
	int r;

	*ret_snapshot = NULL;
	r = options_take(given, offsetof(struct bpfsnap_snapshot_options, lease_s), sizeof(options),
			 &options, ret_error);
	if (r < 0)
		return r;
	if (options.flags & ~(uint64_t)BPFSNAP_SNAPSHOT_SET_ASIDE)
		return error_make(ret_error, BPFSNAP_REASON_INVALID_PARAMETER, "flags",
				  "The flags are of a later release.");
	o = one_text("storage", options.storage);
	if (o) {
		put_texts(o, "devices", options.devices, options.nr_devices);
		put_text(o, "checkpoint", options.checkpoint);
		put_number(o, "limit", options.limit_bytes);
		put_number(o, "memory", options.memory_bytes);
		put_number(o, "timeout_ms", options.timeout_ms);
		json_object_object_add(o, "writable", json_object_new_boolean(options.writable));
		put_text(o, "key", options.key);
		put_number(o, "lease_s", options.lease_s);
		put_true(o, "bound", options.bound);
		put_true(o, "confirmed", options.confirmed);
		if (options.low_bytes == UINT64_MAX)
			json_object_object_add(o, "low", json_object_new_int64(0));
		else
			put_number(o, "low", options.low_bytes);
		put_number(o, "grow_ms", options.grow_ms);
		put_true(o, "set_aside", options.flags & BPFSNAP_SNAPSHOT_SET_ASIDE);
	}
	return kind_call(bpfsnap, BPFSNAP_INTERFACE ".CreateSnapshot", o, "snapshot",
			 &snapshot_kind, (void **)ret_snapshot, ret_error);
}

int bpfsnap_snapshot_list(struct bpfsnap *bpfsnap, struct bpfsnap_snapshot ***ret_snapshots,
			  struct bpfsnap_error **ret_error)
{
	return kind_call_list(bpfsnap, BPFSNAP_INTERFACE ".ListSnapshots", json_object_new_object(),
			      "snapshots", &snapshot_kind, (void ***)ret_snapshots, ret_error);
}

int bpfsnap_snapshot_describe(struct bpfsnap *bpfsnap, const char *snapshot,
			      struct bpfsnap_snapshot **ret_snapshot,
			      struct bpfsnap_error **ret_error)
{
	struct bpfsnap_snapshot **all, *found = NULL;
	char message[256];
	int r;

	*ret_snapshot = NULL;
	r = bpfsnap_snapshot_list(bpfsnap, &all, ret_error);
	if (r < 0)
		return r;
	for (int i = 0; i < r; i++) {
		if (strcmp(all[i]->snapshot, snapshot) != 0)
			continue;
		/* Taken out of the list, the last one in its place. */
		found = all[i];
		all[i] = all[r - 1];
		all[r - 1] = NULL;
		break;
	}
	bpfsnap_snapshot_list_free(all);
	if (!found) {
		snprintf(message, sizeof(message), "There is no snapshot %s.", snapshot);
		return error_make(ret_error, BPFSNAP_REASON_SNAPSHOT_NOT_FOUND, snapshot, message);
	}
	*ret_snapshot = found;
	return 0;
}

int bpfsnap_snapshot_destroy(struct bpfsnap *bpfsnap, const char *snapshot,
			     struct bpfsnap_error **ret_error)
{
	return handle_call(bpfsnap, BPFSNAP_INTERFACE ".DestroySnapshot",
			   one_text("snapshot", snapshot), NULL, ret_error);
}

int bpfsnap_snapshot_destroy_forced(struct bpfsnap *bpfsnap, const char *snapshot,
				    struct bpfsnap_error **ret_error)
{
	struct json_object *o = one_text("snapshot", snapshot);

	if (o)
		put_true(o, "force", true);
	return handle_call(bpfsnap, BPFSNAP_INTERFACE ".DestroySnapshot", o, NULL, ret_error);
}

int bpfsnap_lease_renew(struct bpfsnap *bpfsnap, const char *snapshot, uint64_t lease_s,
			uint64_t *ret_expires_ns, struct bpfsnap_error **ret_error)
{
	static const struct field expires = { "expires_ns", FIELD_NUMBER, 0 };
	struct json_object *o = one_text("snapshot", snapshot), *reply = NULL;
	uint64_t expires_ns;
	int r;

	if (o)
		put_number(o, "lease_s", lease_s);
	r = handle_call(bpfsnap, BPFSNAP_INTERFACE ".RenewLease", o, &reply, ret_error);
	if (r < 0)
		return r;
	r = fields_take(reply, &expires, 1, &expires_ns);
	json_object_put(reply);
	if (r < 0)
		return error_local(ret_error, r, snapshot);
	if (ret_expires_ns)
		*ret_expires_ns = expires_ns;
	return 0;
}

int bpfsnap_storage_extend(struct bpfsnap *bpfsnap, const char *snapshot, const char *device,
			   uint64_t limit_bytes, struct bpfsnap_error **ret_error)
{
	struct json_object *o = one_text("snapshot", snapshot);

	if (o) {
		put_text(o, "device", device);
		put_any_number(o, "limit", limit_bytes);
	}
	return handle_call(bpfsnap, BPFSNAP_INTERFACE ".ExtendStorage", o, NULL, ret_error);
}

void bpfsnap_snapshot_free(struct bpfsnap_snapshot *snapshot)
{
	kind_free(&snapshot_kind, snapshot);
}

void bpfsnap_snapshot_list_free(struct bpfsnap_snapshot **snapshots)
{
	kind_free_list(&snapshot_kind, (void **)snapshots);
}
