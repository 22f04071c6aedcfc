// SPDX-License-Identifier: GPL-2.0-only
/*
 * How does a disk begin and cease to be tracked?
 */
#include "methods.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "device.h"
#include "diskflush.h"
#include "events.h"
#include "generation.h"
#include "kctl.h"
#include "kload.h"
#include "log.h"
#include "unfit.h"
#include "view.h"

enum {
	ATTACH_TIMEOUT_MS = 30000,	/* for writes that were in flight before */
};

static int take_granularity(const struct call *call, unsigned int *ret_shift, struct fault *fault)
{
	int64_t bytes;
	int r;

	r = arg_int(call, "granularity", 1ll << BPFSNAP_BLOCK_SHIFT_MIN,
		    1ll << BPFSNAP_BLOCK_SHIFT_MAX, 1ll << BPFSNAP_BLOCK_SHIFT_DEFAULT, &bytes, fault);
	if (r < 0)
		return r;
	if (bytes & (bytes - 1))
		return fault_service(fault, REASON_INVALID_PARAMETER, "granularity");
	*ret_shift = (unsigned int)__builtin_ctzll((unsigned long long)bytes);
	return 0;
}

/* Without the module, changes are still tracked; only snapshots are not to be had. */
static bool has_module(const struct daemon *daemon)
{
	_cleanup_(fault_done) struct fault why = { 0 };

	if (kload_ensure(daemon->module_path, &why) == 0)
		return true;
	log_warning("tracking only, no snapshots: %s", fault_text(&why));
	return false;
}

static int explain_attach(const struct device *d, int error, struct fault *fault)
{
	const char *why = unfit_why(d->disk_key, error);

	if (why)
		return fault_device(fault, REASON_DEVICE_UNSUPPORTED, d->disk_name,
				    "%s cannot be attached: %s.", d->disk_name, why);
	switch (-error) {
	case ENODEV:
		return fault_device(fault, REASON_DEVICE_NOT_FOUND, d->disk_name,
				    "%s is gone.", d->disk_name);
	case ETIMEDOUT:
		return fault_device(fault, REASON_DRAIN_TIMEOUT, d->disk_name,
				    "Writes that were in flight to %s, or tasks that may have sent some, did not end within %d ms.",
				    d->disk_name, ATTACH_TIMEOUT_MS);
	case EAGAIN:
		return fault_device(fault, REASON_DEVICE_BUSY, d->disk_name,
				    "%s cannot be attached while the machine hibernates.",
				    d->disk_name);
	case EBUSY:
		return fault_device(fault, REASON_DEVICE_BUSY, d->disk_name,
				    "A snapshot holds a range of %s.", d->disk_name);
	case EINVAL:
		return fault_device(fault, REASON_DEVICE_UNSUPPORTED, d->disk_name,
				    "%s cannot be attached: the kernel module does not take such a device.",
				    d->disk_name);
	}
	return fault_system(fault, "attach", error, "%s could not be attached: %s.", d->disk_name,
			    strerror(-error));
}

/* A gate that is there already has no history behind it: nothing tracked the disk. */
static int put_gate(uint32_t disk_key)
{
	int r;

	r = kctl_attach(disk_key, ATTACH_TIMEOUT_MS);
	if (r != -EEXIST)
		return r;
	r = kctl_detach(disk_key);
	return r < 0 ? r : kctl_attach(disk_key, ATTACH_TIMEOUT_MS);
}

/* What waits for the disk; the tracker's lock is not held. */
static int settle(const struct call *call, const struct device *d, bool with_module)
{
	int r = call_check(call);

	if (r >= 0 && with_module)
		r = put_gate(d->disk_key);
	if (r >= 0)
		r = call_check(call);
	/* What is in flight has been seen by nobody. */
	if (r >= 0)
		r = disk_flush(d->disk_key, ATTACH_TIMEOUT_MS);
	if (r >= 0)
		r = call_check(call);
	if (r < 0)
		(void)kctl_detach(d->disk_key);
	return r;
}

static int track(const struct call *call, const struct device *d, unsigned int block_shift,
		 bool with_module, struct fault *fault)
{
	struct tracker *tracker = call->daemon->tracker;
	struct tracker_disk disk;
	struct reach reach;
	int r;

	tracker_set_attaching(tracker, d->disk_key);
	reach_look(d->disk_key, with_module, &reach);
	/* A gate without a history behind it: what pinned the history is gone. */
	r = generation_disk(d->disk_key, &reach, kctl_has_gate(d->disk_key) ?
			    BPFSNAP_CAUSE_MAP_LOST : BPFSNAP_CAUSE_ATTACHED, &disk);
	if (r < 0)
		return explain_attach(d, r, fault);
	r = tracker_add(tracker, d->disk_key, &disk, block_shift);
	if (r == -E2BIG)
		return fault_device(fault, REASON_DEVICE_UNSUPPORTED, d->disk_name,
				    "%d disks are tracked already.", BPFSNAP_TRACK_DEVICES);
	if (r < 0)
		return fault_system(fault, "map", r,
				    "The map of %s could not be made: %s; a coarser granularity needs less memory.",
				    d->disk_name, strerror(-r));
	r = TRACKER_WAIT(tracker, settle(call, d, with_module));
	if (r >= 0)
		return 0;
	tracker_remove(tracker, d->disk_key);
	return call_check(call) < 0 ? -ECANCELED : explain_attach(d, r, fault);
}

static void tell(enum event_kind kind, const struct device *d, const char *text)
{
	struct event event = { .kind = kind, .value = -1 };

	snprintf(event.device, sizeof(event.device), "%s", d->disk_name);
	events_add(&event, "%s", text);
}

static int reply_device(struct call *call, uint32_t disk_key, struct fault *fault)
{
	_cleanup_(view_done) struct view view = { 0 };
	int r;

	r = view_take(call->daemon->tracker, &view);
	if (r < 0)
		return fault_system(fault, "list", r, "%s.", strerror(-r));
	call->reply = json_object_new_object();
	json_object_object_add(call->reply, "device", view_device(&view, disk_key));
	return 0;
}

int method_attach_device(struct call *call, struct fault *fault)
{
	struct tracker *tracker = call->daemon->tracker;
	struct bpfsnap_device tracked;
	char level[32];
	unsigned int block_shift = 0;
	struct device d;
	bool with_module;
	int r;

	r = take_granularity(call, &block_shift, fault);
	if (r < 0)
		return r;
	r = device_resolve(arg_string(call, "device"), &d, fault);
	if (r < 0)
		return r;
	if (tracker_device(tracker, d.disk_key, &tracked) == 0)
		return fault_device(fault, REASON_ALREADY_ATTACHED, d.disk_name,
				    "%s is attached already.", d.disk_name);
	if (d.disk_nr_sect == 0)
		return explain_attach(&d, -ENOSPC, fault);
	/* It accounts nothing, and sends its bios on in a way that hides them. */
	if (sysfs_string(d.disk_key, "md/level", level, sizeof(level)) == 0 &&
	    strcmp(level, "linear") == 0)
		return explain_attach(&d, -EOPNOTSUPP, fault);
	with_module = TRACKER_WAIT(tracker, has_module(call->daemon));
	r = tracker_load(tracker, with_module, fault);
	if (r < 0)
		return r;
	if (with_module && !tracker_is_gated(tracker)) {
		log_warning("%s: tracking only, since other disks were attached before the module was loaded",
			    d.disk_name);
		with_module = false;
	}
	r = track(call, &d, block_shift, with_module, fault);
	tracker_set_attaching(tracker, 0);
	if (r < 0) {
		tracker_unload_idle(tracker);
		return r;
	}
	log_info("attached %s", d.disk_name);
	tell(EVENT_ATTACHED, &d, with_module ? "The device is tracked; snapshots are possible." :
					       "The device is tracked; snapshots are not possible.");
	return reply_device(call, d.disk_key, fault);
}

/* A disk that was pulled has no path any more; ListDevices names it "major:minor". */
static int resolve_leaving(const char *path, struct device *ret_device, struct fault *fault)
{
	unsigned int major, minor;
	int len = 0;

	if (sscanf(path, "%u:%u%n", &major, &minor, &len) == 2 && path[len] == '\0') {
		*ret_device = (struct device){ .disk_key = key_make(major, minor) };
		snprintf(ret_device->disk_name, sizeof(ret_device->disk_name), "%.*s", len, path);
		return 0;
	}
	return device_resolve(path, ret_device, fault);
}

int method_detach_device(struct call *call, struct fault *fault)
{
	struct tracker *tracker = call->daemon->tracker;
	int has_gate, is_tracked, r;
	struct device d;

	r = resolve_leaving(arg_string(call, "device"), &d, fault);
	if (r < 0)
		return r;
	r = tracker_check(tracker, fault);
	if (r < 0)
		return r;
	has_gate = TRACKER_WAIT(tracker, kctl_detach(d.disk_key));
	if (has_gate == -EBUSY)
		return fault_device(fault, REASON_DEVICE_BUSY, d.disk_name,
				    "A snapshot holds a range of %s: destroy it first.", d.disk_name);
	if (has_gate < 0 && has_gate != -ENODEV && kctl_exists())
		return fault_system(fault, "detach", has_gate, "%s could not be detached: %s.",
				    d.disk_name, strerror(-has_gate));
	tracker_set_attaching(tracker, d.disk_key);
	is_tracked = tracker_remove(tracker, d.disk_key);
	tracker_set_attaching(tracker, 0);
	if (is_tracked == -ENODEV && has_gate < 0)
		return fault_device(fault, REASON_NOT_ATTACHED, d.disk_name,
				    "%s is not attached.", d.disk_name);
	if (is_tracked < 0 && is_tracked != -ENODEV)
		return fault_system(fault, "detach", is_tracked,
				    "The entries of %s could not be removed: %s.", d.disk_name,
				    strerror(-is_tracked));
	tracker_unload_idle(tracker);
	log_info("detached %s", d.disk_name);
	tell(EVENT_DETACHED, &d, "The device is not tracked any more; its history is forgotten.");
	return 0;
}

int method_list_devices(struct call *call, struct fault *fault)
{
	_cleanup_(view_done) struct view view = { 0 };
	struct json_object *devices;
	int r;

	r = tracker_check(call->daemon->tracker, fault);
	if (r < 0)
		return r;
	r = view_take(call->daemon->tracker, &view);
	if (r < 0)
		return fault_system(fault, "list", r, "%s.", strerror(-r));
	devices = json_object_new_array();
	for (size_t i = 0; i < view.disks.nr; i++)
		if (!tracker_is_attaching(call->daemon->tracker, view.disks.items[i]))
			json_object_array_add(devices, view_device(&view, view.disks.items[i]));
	call->reply = json_object_new_object();
	json_object_object_add(call->reply, "devices", devices);
	return 0;
}

/* What attaching would take, and what tracking could not see; nothing is done. */
int method_describe_device(struct call *call, struct fault *fault)
{
	struct tracker *tracker = call->daemon->tracker;
	struct bpfsnap_device tracked;
	unsigned int block_shift = 0;
	struct json_object *o;
	struct reach reach;
	struct device d;
	uint64_t nr_blk;
	int r;

	r = take_granularity(call, &block_shift, fault);
	if (r >= 0)
		r = device_resolve(arg_string(call, "device"), &d, fault);
	if (r < 0)
		return r;
	reach_look(d.disk_key, tracker_is_gated(tracker) || (!tracker_is_loaded(tracker) && kctl_exists()),
		   &reach);
	nr_blk = ((d.disk_nr_sect << 9) + (1ull << block_shift) - 1) >> block_shift;
	o = json_object_new_object();
	put_string(o, "device", d.name);
	put_string(o, "disk", d.disk_name);
	put_u64(o, "size", d.disk_nr_sect << 9);
	put_u64(o, "granularity", 1ull << block_shift);
	put_u64(o, "map_bytes", tracker_map_bytes(nr_blk));
	put_u64(o, "base_bytes", tracker_base_bytes());
	json_object_object_add(o, "attached", json_object_new_boolean(
		tracker_device(tracker, d.disk_key, &tracked) == 0));
	json_object_object_add(o, "requests", json_object_new_boolean(reach.takes_requests));
	put_u64(o, "zone_bytes", (uint64_t)reach.zone_sect << 9);
	view_put_state(o, "ok", reach.doubts ? reach.text : NULL);
	call->reply = o;
	return 0;
}

int method_renew_generation(struct call *call, struct fault *fault)
{
	struct tracker *tracker = call->daemon->tracker;
	struct bpfsnap_device tracked;
	struct tracker_disk disk;
	struct reach reach;
	struct device d;
	int r;

	r = tracker_check(tracker, fault);
	if (r >= 0)
		r = device_resolve(arg_string(call, "device"), &d, fault);
	if (r < 0)
		return r;
	if (tracker_device(tracker, d.disk_key, &tracked) < 0)
		return fault_device(fault, REASON_NOT_ATTACHED, d.name, "%s is not attached.",
				    d.disk_name);
	reach_look(d.disk_key, false, &reach);
	r = generation_disk(d.disk_key, &reach, BPFSNAP_CAUSE_ASKED, &disk);
	if (r >= 0)
		r = tracker_renew(tracker, d.disk_key, &disk);
	if (r < 0)
		return fault_system(fault, "map", r, "The history of %s could not be begun anew: %s.",
				    d.disk_name, strerror(-r));
	generation_tell(tracker, d.disk_key);
	return reply_device(call, d.disk_key, fault);
}
