// SPDX-License-Identifier: GPL-2.0-only
/*
 * How are snapshots asked for, shown and given up?
 */
#include "methods.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <uuid/uuid.h>

#include "aside.h"
#include "device.h"
#include "doubt.h"
#include "hooks.h"
#include "kctl.h"
#include "kload.h"
#include "log.h"
#include "snapshot.h"
#include "view.h"

enum {
	STORAGE_UNIT_BYTES	= 1 << 20,
	MEMORY_MIN_BYTES	= 1 << 20,
};

static const int64_t MEMORY_MAX_BYTES = 1ll << 40;

static void put_reason(struct json_object *o, const struct view *view,
		       const struct bpfsnap_snap_info *info, const struct bpfsnap_device *tracked)
{
	char counts[VIEW_REASON_MAX / 2], doubt[VIEW_REASON_MAX / 2], both[VIEW_REASON_MAX];
	bool is_miscounted, is_doubtful = false;

	is_miscounted = doubt_counts(info->gate_bios, info->gate_sect, info->track_bios,
				     info->track_sect, counts, sizeof(counts));
	if (!tracked || tracked->uncertain)
		/* Of interest is the epoch that the snapshot ended: earlier ones had theirs. */
		is_doubtful = view_doubt_since(view, key_make(info->major, info->minor), tracked,
					       (int64_t)info->epoch - 2, doubt, sizeof(doubt));
	snprintf(both, sizeof(both), "%s%s%s", is_miscounted ? counts : "",
		 is_miscounted && is_doubtful ? " " : "", is_doubtful ? doubt : "");
	view_put_state(o, "verified", *both ? both : NULL);
}

static struct json_object *show_range(const struct view *view, const struct bpfsnap_snap_info *info)
{
	struct json_object *o = json_object_new_object();
	uint32_t disk_key = key_make(info->major, info->minor);
	char image[DEVICE_NAME_MAX], generation[37] = "";
	struct bpfsnap_device tracked;
	bool is_tracked = tracker_device(view->tracker, disk_key, &tracked) == 0;
	struct device d;

	device_at(disk_key, info->start_sect, info->nr_sect, &d);
	device_name(key_make(info->image_major, info->image_minor), image, sizeof(image));
	if (is_tracked)
		uuid_unparse_lower(tracked.generation, generation);
	put_string(o, "device", d.name);
	put_string(o, "image", image);
	put_u64(o, "disk_offset", info->start_sect << 9);
	put_u64(o, "size", info->nr_sect << 9);
	put_string(o, "generation", generation);
	put_u64(o, "since", info->epoch ? info->epoch - 1 : 0);
	put_reason(o, view, info, is_tracked ? &tracked : NULL);
	put_string(o, "error", info->error ? strerror((int)info->error) : NULL);
	put_u64(o, "failed_offset", info->error ? info->failed_sect << 9 : 0);
	put_u64(o, "copied_bytes", info->copied_bytes);
	put_u64(o, "dropped_discards", info->dropped_discards);
	put_u64(o, "stored_bytes", info->store_used_bytes);
	put_u64(o, "limit_bytes", info->store_limit_bytes);
	put_u64(o, "index_bytes", info->index_bytes);
	put_u64(o, "gate_bios", info->gate_bios);
	put_u64(o, "track_bios", info->track_bios);
	return o;
}

static struct json_object *show_snapshot(const struct view *view,
					 const struct bpfsnap_snap_info *infos, size_t nr,
					 const uint8_t id[16])
{
	struct json_object *o = json_object_new_object(), *devices = json_object_new_array();
	const struct bpfsnap_snap_info *first = NULL;
	char text[37];

	for (size_t i = 0; i < nr; i++) {
		if (memcmp(infos[i].id, id, 16) != 0)
			continue;
		first = first ?: &infos[i];
		json_object_array_add(devices, show_range(view, &infos[i]));
	}
	uuid_unparse_lower(id, text);
	put_string(o, "snapshot", text);
	put_u64(o, "created_ns", first ? first->created_ns : 0);
	put_u64(o, "hold_ns", first ? first->hold_ns : 0);
	json_object_object_add(o, "writable",
			       json_object_new_boolean(first && first->flags & BPFSNAP_SNAP_WRITABLE));
	put_u64(o, "memory_bytes", first ? first->memory_bytes : 0);
	json_object_object_add(o, "devices", devices);
	return o;
}

/* All snapshots, or the one named @id. */
static int show_snapshots(struct call *call, const uint8_t *id, struct json_object **ret_snapshots,
			  struct fault *fault)
{
	_cleanup_(freep) struct bpfsnap_snap_info *infos = NULL;
	_cleanup_(view_done) struct view view = { 0 };
	struct json_object *snapshots;
	size_t nr = 0;
	int r;

	r = view_take(call->daemon->tracker, &view);
	if (r >= 0)
		r = kctl_snapshots(&infos, &nr);
	if (r < 0)
		return fault_system(fault, "list", r, "Snapshots cannot be listed: %s.",
				    strerror(-r));
	snapshots = json_object_new_array();
	for (size_t i = 0; i < nr; i++) {
		bool is_first = i == 0 || memcmp(infos[i].id, infos[i - 1].id, 16) != 0;

		if (is_first && (!id || memcmp(infos[i].id, id, 16) == 0))
			json_object_array_add(snapshots,
					      show_snapshot(&view, infos, nr, infos[i].id));
	}
	*ret_snapshots = snapshots;
	return 0;
}

static int take_request(const struct call *call, struct snapshot_request *ret_request,
			struct fault *fault)
{
	struct json_object *devices = json_object_object_get(call->args, "devices");
	struct snapshot_request request = {
		.nr_paths = json_object_array_length(devices),
		.storage = arg_string(call, "storage") ?: call->daemon->storage_dir,
		.checkpoint = arg_string(call, "checkpoint"),
		.writable = json_object_get_boolean(json_object_object_get(call->args, "writable")),
	};
	int64_t timeout_ms, limit_bytes, memory_bytes;
	int r;

	if (request.nr_paths == 0 || request.nr_paths > SNAPSHOT_DEVICES_MAX)
		return fault_service(fault, REASON_INVALID_PARAMETER, "devices");
	if (request.checkpoint && !tracker_checkpoint_name_ok(request.checkpoint))
		return fault_service(fault, REASON_INVALID_PARAMETER, "checkpoint");
	r = arg_int(call, "timeout_ms", 1, SNAPSHOT_TIMEOUT_MAX_MS, SNAPSHOT_TIMEOUT_MS,
		    &timeout_ms, fault);
	if (r < 0)
		return r;
	request.timeout_ms = (uint32_t)timeout_ms;
	r = arg_int(call, "limit", STORAGE_UNIT_BYTES, INT64_MAX, 0, &limit_bytes, fault);
	if (r < 0)
		return r;
	/* In whole units: what is set aside on a disk is so many blocks. */
	request.limit_bytes = (uint64_t)limit_bytes / STORAGE_UNIT_BYTES * STORAGE_UNIT_BYTES;
	r = arg_int(call, "memory", MEMORY_MIN_BYTES, MEMORY_MAX_BYTES, 0, &memory_bytes, fault);
	if (r < 0)
		return r;
	request.memory_bytes = (uint64_t)memory_bytes;
	for (size_t i = 0; i < request.nr_paths; i++)
		request.paths[i] = json_object_get_string(json_object_array_get_idx(devices, i));
	*ret_request = request;
	return 0;
}

int method_create_snapshot(struct call *call, struct fault *fault)
{
	_cleanup_(json_putp) struct json_object *snapshots = NULL;
	struct snapshot_request request;
	char text[37];
	uuid_t id;
	int r;

	r = take_request(call, &request, fault);
	if (r < 0)
		return r;
	r = kload_ensure(call->daemon->module_path, fault);
	if (r < 0)
		return r;
	uuid_generate_random(id);
	r = hooks_before(call->daemon->config, request.paths, request.nr_paths, fault);
	if (r < 0)
		return r;
	r = snapshot_take(&snapshot_kernel_ops, call->daemon->tracker, id, &request, fault);
	hooks_after(call->daemon->config, request.paths, request.nr_paths, r >= 0);
	if (r < 0) {
		aside_clean();
		return r;
	}
	uuid_unparse_lower(id, text);
	log_info("took snapshot %s of %zu devices", text, request.nr_paths);
	r = show_snapshots(call, id, &snapshots, fault);
	if (r < 0)
		return r;
	call->reply = json_object_new_object();
	json_object_object_add(call->reply, "snapshot",
			       json_object_get(json_object_array_get_idx(snapshots, 0)));
	return 0;
}

int method_list_snapshots(struct call *call, struct fault *fault)
{
	struct json_object *snapshots = NULL;
	int r;

	r = kload_check(fault);
	if (r < 0)
		return r;
	r = show_snapshots(call, NULL, &snapshots, fault);
	if (r < 0)
		return r;
	call->reply = json_object_new_object();
	json_object_object_add(call->reply, "snapshots", snapshots);
	return 0;
}

int method_destroy_snapshot(struct call *call, struct fault *fault)
{
	const char *text = arg_string(call, "snapshot");
	uuid_t id;
	int r;

	r = kload_check(fault);
	if (r < 0)
		return r;
	r = uuid_parse(text, id) < 0 ? -ENOENT : kctl_snap_destroy(id);
	if (r == -ENOENT)
		return fault_snapshot(fault, REASON_SNAPSHOT_NOT_FOUND, text,
				      "There is no snapshot %s.", text);
	if (r == -EBUSY)
		return fault_snapshot(fault, REASON_SNAPSHOT_BUSY, text,
				      "An image of %s is in use: unmount and close it first.", text);
	if (r < 0)
		return fault_system(fault, "destroy", r, "%s could not be destroyed: %s.", text,
				    strerror(-r));
	aside_clean();
	log_info("destroyed snapshot %s", text);
	return 0;
}
