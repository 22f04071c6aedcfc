// SPDX-License-Identifier: GPL-2.0-only
/*
 * How are snapshots asked for, shown and given up?
 */
#include "methods.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <uuid/uuid.h>

#include "aside.h"
#include "device.h"
#include "doubt.h"
#include "hooks.h"
#include "ending.h"
#include "events.h"
#include "generation.h"
#include "kctl.h"
#include "kevents.h"
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
	put_string(o, "failure", info->error ? kevents_failure(info->reason) : NULL);
	json_object_object_add(o, "failed_ns", info->error ?
			       json_object_new_int64((int64_t)info->failed_ns) : NULL);
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

/* What was agreed on it. */
static void put_terms(struct json_object *o, const char *snapshot)
{
	struct held_terms terms = { 0 };
	bool has_terms = held_get(snapshot, &terms);
	struct timespec ts;
	int64_t expires_ns;

	clock_gettime(CLOCK_REALTIME, &ts);
	expires_ns = (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec +
		     (terms.expires_ms - held_now_ms()) * 1000000;
	put_string(o, "key", terms.key[0] ? terms.key : NULL);
	json_object_object_add(o, "bound", json_object_new_boolean(has_terms && terms.is_bound));
	json_object_object_add(o, "lease_s", terms.lease_s ?
			       json_object_new_int64(terms.lease_s) : NULL);
	json_object_object_add(o, "expires_ns", terms.lease_s ?
			       json_object_new_int64(expires_ns) : NULL);
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
	put_terms(o, text);
	put_u64(o, "created_ns", first ? first->created_ns : 0);
	put_u64(o, "hold_ns", first ? first->hold_ns : 0);
	put_u64(o, "frozen_ns", first ? first->frozen_ns : 0);
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

/* Whoever opened it may have been allowed to do what we would not be asked for by name. */
static int take_storage(const struct call *call, char *path, size_t room,
			struct snapshot_request *request, struct fault *fault)
{
	struct stat st;
	int fd, r, flags;

	r = arg_handle(call, "storage_fd", &fd, fault);
	request->storage_fd = fd;
	if (r < 0 || fd < 0)
		return r;
	if (arg_string(call, "storage"))
		return fault_service(fault, REASON_INVALID_PARAMETER, "storage_fd");
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fstat(fd, &st) < 0 || flags & O_PATH)
		return fault_handle(fault, "storage_fd", "The storage's handle cannot be used.");
	if (!S_ISDIR(st.st_mode) && (flags & O_ACCMODE) != O_RDWR)
		return fault_handle(fault, "storage_fd",
				    "The storage's handle is not open for reading and writing.");
	if (S_ISREG(st.st_mode) && st.st_size != 0)
		return fault_handle(fault, "storage_fd", "The storage's file is not empty.");
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return fault_handle(fault, "storage_fd",
				    "The storage's handle is of no directory, file or block device.");
	snprintf(path, room, "/proc/self/fd/%d", fd);
	request->storage = path;
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
		.set_aside = arg_bool(call, "set_aside"),
		.writable = json_object_get_boolean(json_object_object_get(call->args, "writable")),
	};
	int64_t timeout_ms, limit_bytes, memory_bytes, grow_ms;
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
	r = arg_int(call, "low", 0, INT64_MAX, -1, &request.low_bytes, fault);
	if (r < 0)
		return r;
	r = arg_int(call, "grow_ms", 0, SNAPSHOT_GROW_MAX_MS, 0, &grow_ms, fault);
	if (r < 0)
		return r;
	request.grow_ms = (uint32_t)grow_ms;
	for (size_t i = 0; i < request.nr_paths; i++)
		request.paths[i] = json_object_get_string(json_object_array_get_idx(devices, i));
	*ret_request = request;
	return 0;
}

/* What is to become of it. */
static int take_terms(const struct call *call, struct held_terms *ret_terms, struct fault *fault)
{
	struct held_terms terms = {
		.serial = call->peer.serial,
		.is_bound = arg_bool(call, "bound"),
		.is_unconfirmed = arg_bool(call, "confirmed"),
	};
	const char *key = arg_string(call, "key");
	int64_t lease_s;
	int r;

	if (key && (!*key || strlen(key) > HELD_KEY_MAX))
		return fault_service(fault, REASON_INVALID_PARAMETER, "key");
	snprintf(terms.key, sizeof(terms.key), "%s", key ?: "");
	r = arg_int(call, "lease_s", 1, HELD_LEASE_MAX_S, 0, &lease_s, fault);
	if (r < 0)
		return r;
	terms.lease_s = (uint32_t)lease_s;
	*ret_terms = terms;
	return 0;
}

static int fault_lease(const char *snapshot, int error, struct fault *fault)
{
	return fault_system(fault, "record", error,
			    "The lease of %s has begun anew, but is lost with this daemon: it cannot be written down: %s.",
			    snapshot, strerror(-error));
}

static int check_wanted(const struct snapshot_kernel *kernel)
{
	return call_check(kernel->data);
}

static void tell(enum event_kind kind, const char *snapshot, int64_t value, const char *text)
{
	struct event event = { .kind = kind, .value = value };

	snprintf(event.snapshot, sizeof(event.snapshot), "%s", snapshot);
	events_add(&event, "%s", text);
}

static void after(struct call *call, const struct snapshot_request *request, bool is_taken)
{
	(void)TRACKER_WAIT(call->daemon->tracker,
			   (hooks_after(call->daemon->config, request->paths, request->nr_paths,
					is_taken), 0));
}

/* Nobody was told its name: whoever has it open gets errors. What can't be done now is tried again. */
static void discard(struct call *call, const char *snapshot)
{
	int r = TRACKER_WAIT(call->daemon->tracker,
			     ending_destroy(snapshot, HELD_END_UNDELIVERED, true));

	if (r < 0 && r != -ENOENT) {
		log_err("snapshot %s, of which nobody was told, cannot be destroyed: %s", snapshot,
			strerror(-r));
		held_end(snapshot, HELD_END_UNDELIVERED);
	}
}

/* Under a new name, which is written down first with what was agreed. */
static int create(struct call *call, const struct snapshot_request *request,
		  const struct held_terms *terms, char ret_snapshot[37], struct fault *fault)
{
	struct snapshot_kernel kernel = { call->daemon->tracker, check_wanted, call };
	uuid_t id;
	int r;

	uuid_generate_random(id);
	uuid_unparse_lower(id, ret_snapshot);
	/* They may take their time, in which others are served. */
	r = TRACKER_WAIT(call->daemon->tracker,
			 hooks_before(call->daemon->config, request->paths, request->nr_paths, fault));
	if (r < 0)
		return r;
	r = held_plan(ret_snapshot, terms, call->args);
	if (r < 0) {
		after(call, request, false);
		return fault_system(fault, "record", r,
				    "What was agreed on the snapshot cannot be written down: %s.",
				    strerror(-r));
	}
	r = snapshot_take(&snapshot_kernel_ops, &kernel, id, request, fault);
	after(call, request, r >= 0);
	if (r < 0) {
		discard(call, ret_snapshot);
		(void)TRACKER_WAIT(call->daemon->tracker, (aside_clean(), 0));
		return r;
	}
	held_created(ret_snapshot);
	log_info("took snapshot %s of %zu devices", ret_snapshot, request->nr_paths);
	tell(EVENT_SNAPSHOT_CREATED, ret_snapshot, (int64_t)request->nr_paths,
	     "A snapshot was taken.");
	return 0;
}

static int reply_snapshot(struct call *call, const char *snapshot, struct fault *fault)
{
	struct json_object *snapshots = NULL;
	uuid_t id;
	int r;

	uuid_parse(snapshot, id);
	r = show_snapshots(call, id, &snapshots, fault);
	if (r < 0)
		return r;
	call->reply = json_object_new_object();
	json_object_object_add(call->reply, "snapshot",
			       json_object_get(json_object_array_get_idx(snapshots, 0)));
	json_object_put(snapshots);
	return 0;
}

/* An epoch has its number for ever: a checkpoint of the same one is the one that is wanted. */
static int finish_disk(struct call *call, const struct bpfsnap_snap_info *info, struct fault *fault)
{
	struct tracker *tracker = call->daemon->tracker;
	struct snapshot_kernel kernel = { tracker, check_wanted, call };
	const char *name = arg_string(call, "checkpoint");
	uint32_t since = info->epoch - 1, current;
	struct bpfsnap_checkpoint checkpoint;
	struct bpfsnap_device tracked;
	struct device d;
	char why[256];
	int r;

	if (!name)
		return 0;
	device_at(key_make(info->major, info->minor), info->start_sect, info->nr_sect, &d);
	if (tracker_checkpoint_get(tracker, d.disk_key, name, &checkpoint) == 0 &&
	    checkpoint.epoch == since)
		return 0;
	r = snapshot_kernel_ops.check_checkpoint(&kernel, &d, name, 1, fault);
	if (r < 0)
		return r;
	if (tracker_device(tracker, d.disk_key, &tracked) == 0 &&
	    tracker_epoch(tracker, &current) == 0 && !generation_knows(&tracked, since, current)) {
		generation_why(&tracked, why, sizeof(why));
		return fault_epoch(fault, d.name, since, tracked.first_epoch, current, why);
	}
	return snapshot_kernel_ops.put_checkpoint(&kernel, &d, name, since, fault);
}

/* What the daemon that took it had not done when it died: its checkpoints, of which some may be there. */
static int finish(struct call *call, const char *snapshot, struct fault *fault)
{
	_cleanup_(freep) struct bpfsnap_snap_info *infos = NULL;
	size_t nr = 0;
	uuid_t id;
	int r;

	uuid_parse(snapshot, id);
	r = kctl_snapshots(&infos, &nr);
	if (r < 0)
		return fault_system(fault, "list", r, "Snapshots cannot be listed: %s.",
				    strerror(-r));
	for (size_t i = 0; i < nr && r >= 0; i++)
		if (memcmp(infos[i].id, id, sizeof(id)) == 0)
			r = finish_disk(call, &infos[i], fault);
	if (r >= 0)
		held_created(snapshot);
	return r;
}

/* Return: 1 there is one with this key, as asked for; 0 there is none; or -errno. */
static int find_again(struct call *call, const struct held_terms *terms, char ret_snapshot[37],
		      struct fault *fault)
{
	struct held_terms found;
	bool is_same = false;
	int r, saved;

	if (!terms->key[0])
		return 0;
	saved = held_find(terms->key, call->args, terms->serial, ret_snapshot, &is_same);
	if (saved == -ESRCH)
		return 0;
	if (!ending_is_held(ret_snapshot)) {
		held_forget(ret_snapshot);
		return 0;
	}
	if (!is_same)
		return fault_key(fault, terms->key, ret_snapshot,
				 "The snapshot %s was asked for with the key %s, but with other arguments.",
				 ret_snapshot, terms->key);
	if (held_get(ret_snapshot, &found) && found.is_unfinished) {
		r = finish(call, ret_snapshot, fault);
		if (r < 0)
			return r;
	}
	if (saved < 0)
		return fault_lease(ret_snapshot, saved, fault);
	log_info("snapshot %s was asked for again", ret_snapshot);
	return 1;
}

int method_create_snapshot(struct call *call, struct fault *fault)
{
	struct snapshot_request request;
	struct held_terms terms;
	char snapshot[37], path[64];
	bool is_new;
	int r;

	r = take_request(call, &request, fault);
	if (r >= 0)
		r = take_storage(call, path, sizeof(path), &request, fault);
	if (r >= 0)
		r = take_terms(call, &terms, fault);
	if (r >= 0)
		r = TRACKER_WAIT(call->daemon->tracker, kload_ensure(call->daemon->module_path, fault));
	if (r >= 0)
		r = find_again(call, &terms, snapshot, fault);
	is_new = r == 0;
	if (is_new)
		r = create(call, &request, &terms, snapshot, fault);
	if (r < 0)
		return r;
	r = reply_snapshot(call, snapshot, fault);
	if (r < 0 && is_new)
		discard(call, snapshot);
	else if (r >= 0 && terms.is_unconfirmed)
		memcpy(call->guarded, snapshot, sizeof(call->guarded));
	return r;
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
	int r;

	r = kload_check(fault);
	if (r < 0)
		return r;
	r = TRACKER_WAIT(call->daemon->tracker, ending_destroy(text, HELD_END_ASKED, arg_bool(call, "force")));
	if (r == -ENOENT)
		return fault_snapshot(fault, REASON_SNAPSHOT_NOT_FOUND, text,
				      "There is no snapshot %s.", text);
	if (r == -EBUSY)
		return fault_snapshot(fault, REASON_SNAPSHOT_BUSY, text,
				      "An image of %s is in use: unmount and close it first.", text);
	if (r < 0)
		return fault_system(fault, "destroy", r, "%s could not be destroyed: %s.", text,
				    strerror(-r));
	return 0;
}

/* Not in turn: what holds up the others must not let a lease expire. */
int method_renew_lease(struct call *call, struct fault *fault)
{
	const char *snapshot = arg_string(call, "snapshot");
	int64_t lease_s, expires_ms = 0;
	struct timespec ts;
	int r;

	r = arg_int(call, "lease_s", 1, HELD_LEASE_MAX_S, 0, &lease_s, fault);
	if (r < 0)
		return r;
	r = held_renew(snapshot, (uint32_t)lease_s, &expires_ms);
	if (r == -ESRCH)
		return fault_snapshot(fault, REASON_SNAPSHOT_NOT_FOUND, snapshot,
				      "There is no snapshot %s with a lease, or it has expired.",
				      snapshot);
	if (r < 0)
		return fault_lease(snapshot, r, fault);
	clock_gettime(CLOCK_REALTIME, &ts);
	call->reply = json_object_new_object();
	put_u64(call->reply, "expires_ns", (uint64_t)((int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec +
						      (expires_ms - held_now_ms()) * 1000000));
	return 0;
}
