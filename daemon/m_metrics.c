// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is measured now?  All of it in one answer, so that its numbers belong together.
 */
#include "methods.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <time.h>

#include <uuid/uuid.h>

#include "aside.h"
#include "cgroup.h"
#include "device.h"
#include "doubt.h"
#include "kload.h"
#include "metrics.h"
#include "view.h"

static const char *const programs[BPFSNAP_CHANNEL_NR] = {
	[BPFSNAP_CHANNEL_WRITE] = "on_write",
	[BPFSNAP_CHANNEL_QUEUE] = "on_queue",
	[BPFSNAP_CHANNEL_AGAIN] = "on_queue_again",
	[BPFSNAP_CHANNEL_REMAP] = "on_remap",
	[BPFSNAP_CHANNEL_ISSUE] = "on_issue",
	[BPFSNAP_CHANNEL_DONE] = "on_done",
	[BPFSNAP_CHANNEL_DONE_AGAIN] = "on_done_again",
};

static struct json_object *number(uint64_t value)
{
	return json_object_new_int64((int64_t)value);
}

static struct json_object *seconds(uint64_t ns)
{
	char text[32];

	/* to the microsecond, and not in more digits than are known */
	snprintf(text, sizeof(text), "%.6f", (double)ns / 1e9);
	return json_object_new_double_s((double)ns / 1e9, text);
}

static void add_build(struct metrics *m)
{
	_cleanup_(fault_done) struct fault why = { 0 };
	struct utsname kernel;

	uname(&kernel);
	metrics_add(m, METRIC_BUILD, number(1), "version", BPFSNAP_VERSION, "kernel",
		    kernel.release, NULL);
	metrics_add(m, METRIC_MODULE_LOADED, number(kload_check(&why) == 0), NULL);
}

static void add_programs(struct metrics *m, const struct tracker *tracker,
			 const struct tracker_links *links)
{
	if (!tracker_is_loaded(tracker))
		return;
	for (int i = 0; i < BPFSNAP_CHANNEL_NR; i++) {
		metrics_add(m, METRIC_PROGRAM, number(links->has[i]), "program", programs[i], NULL);
		if (links->has[i])
			metrics_add(m, METRIC_SKIPPED, number(links->misses[i]), "program",
				    programs[i], NULL);
	}
	metrics_add(m, METRIC_PROGRAM, number(links->has_switch), "program", "on_switch", NULL);
}

static uint64_t number_in(struct json_object *o, const char *key)
{
	return (uint64_t)json_object_get_int64(json_object_object_get(o, key));
}

static void add_writer(struct metrics *m, const char *device, const struct bpfsnap_writer *writer)
{
	char path[PATH_MAX], id[24];
	bool is_named = cgroup_path(writer->cgroup, path, sizeof(path));

	snprintf(id, sizeof(id), "%llu", (unsigned long long)writer->cgroup);
	metrics_add(m, METRIC_WRITER_BYTES, number(writer->bytes), "device", device, "cgroup",
		    writer->cgroup ? id : "other", "path", is_named ? path : NULL, NULL);
	metrics_add(m, METRIC_WRITER_WRITES, number(writer->bios), "device", device, "cgroup",
		    writer->cgroup ? id : "other", "path", is_named ? path : NULL, NULL);
}

static void add_writers(struct metrics *m, const struct tracker *tracker, uint32_t disk_key,
			const char *device)
{
	struct bpfsnap_writers all;

	if (tracker_writers(tracker, disk_key, &all) < 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(all.row); i++)
		if (all.row[i].cgroup)
			add_writer(m, device, &all.row[i]);
	if (all.other.bios)
		add_writer(m, device, &all.other);
}

static void add_gate(struct metrics *m, const struct view *view, uint32_t disk_key,
		     const char *device)
{
	for (size_t i = 0; i < view->nr_origins; i++) {
		const struct bpfsnap_origin_info *o = &view->origins[i];

		if (key_make(o->major, o->minor) != disk_key)
			continue;
		metrics_add(m, METRIC_DEVICE_GATED, number(o->gate_bios), "device", device, NULL);
		metrics_add(m, METRIC_DEVICE_DIVERTED, number(o->diverted_bios), "device", device,
			    NULL);
	}
}

static void add_device(struct metrics *m, const struct view *view, uint32_t disk_key)
{
	_cleanup_(json_putp) struct json_object *o = view_device(view, disk_key);
	const char *device = json_object_get_string(json_object_object_get(o, "device"));
	const char *state = json_object_get_string(json_object_object_get(o, "state"));
	struct json_object *doubts = json_object_object_get(o, "doubts");
	struct bpfsnap_device tracked;
	struct bpfsnap_stripe sum;
	static const struct {
		enum metric metric;
		const char *key;
	} direct[] = {
		{ METRIC_DEVICE_SIZE, "size" },
		{ METRIC_DEVICE_MAP, "map_bytes" },
		{ METRIC_DEVICE_WRITES, "write_bios" },
		{ METRIC_DEVICE_WRITTEN, "write_bytes" },
		{ METRIC_DEVICE_DISCARDED, "discard_bytes" },
		{ METRIC_DEVICE_EPOCH_CHANGED, "changed_bytes" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(direct); i++)
		metrics_add(m, direct[i].metric, number(number_in(o, direct[i].key)), "device",
			    device, NULL);
	metrics_add(m, METRIC_DEVICE_UNCERTAIN, number(strcmp(state, "ok") != 0), "device", device,
		    NULL);
	for (size_t i = 0; i < json_object_array_length(doubts); i++) {
		struct json_object *doubt = json_object_array_get_idx(doubts, i);

		metrics_add(m, METRIC_DEVICE_DOUBTS, number(number_in(doubt, "count")), "device",
			    device, "kind",
			    json_object_get_string(json_object_object_get(doubt, "kind")), NULL);
	}
	if (tracker_device(view->tracker, disk_key, &tracked) == 0) {
		tracker_totals(view->tracker, disk_key, &sum);
		metrics_add(m, METRIC_DEVICE_CHANGED,
			    number(sum.changed_blk << tracked.block_shift), "device", device, NULL);
	}
	add_gate(m, view, disk_key, device);
	add_writers(m, view->tracker, disk_key, device);
}

/* What is free on the filesystem that is mounted from a device; false if none is. */
static bool free_on(uint32_t key, uint64_t *ret_bytes)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char line[PATH_MAX * 2], where[PATH_MAX];
	struct statvfs fs;
	bool is_found = false;
	unsigned int major_nr, minor_nr;

	while (f && !is_found && fgets(line, sizeof(line), f)) {
		/* blanks in names are written as \040: such a place is not looked at */
		if (sscanf(line, "%*d %*d %u:%u %*s %4095s", &major_nr, &minor_nr, where) == 3 &&
		    key_make(major_nr, minor_nr) == key)
			is_found = statvfs(where, &fs) == 0;
	}
	if (f)
		fclose(f);
	if (is_found)
		*ret_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	return is_found;
}

static uint64_t room_of(const struct bpfsnap_snap_info *info)
{
	uint32_t store_key = key_make(info->store_major, info->store_minor);
	uint64_t room = info->store_limit_bytes > info->store_used_bytes ?
			info->store_limit_bytes - info->store_used_bytes : 0;
	uint64_t free_bytes;

	/* What was set aside is there in full. */
	if (!aside_is_there(info->id) && free_on(store_key, &free_bytes) && free_bytes < room)
		room = free_bytes;
	return room;
}

static void add_range(struct metrics *m, const struct bpfsnap_snap_info *info, const char *id)
{
	uint32_t disk_key = key_make(info->major, info->minor);
	char image[DEVICE_NAME_MAX];
	struct device d;
	const struct {
		enum metric metric;
		uint64_t value;
	} values[] = {
		{ METRIC_IMAGE_COPIED, info->copied_bytes },
		{ METRIC_IMAGE_STORED, info->store_used_bytes },
		{ METRIC_IMAGE_LIMIT, info->store_limit_bytes },
		{ METRIC_IMAGE_ROOM, room_of(info) },
		{ METRIC_IMAGE_INDEX, info->index_bytes },
		{ METRIC_IMAGE_DISCARDS, info->dropped_discards },
		{ METRIC_IMAGE_FAILED, info->error != 0 },
	};

	device_at(disk_key, info->start_sect, info->nr_sect, &d);
	device_name(key_make(info->image_major, info->image_minor), image, sizeof(image));
	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		metrics_add(m, values[i].metric, number(values[i].value), "snapshot", id,
			    "device", d.name, "image", image, NULL);
}

static int add_snapshots(struct metrics *m)
{
	_cleanup_(freep) struct bpfsnap_snap_info *infos = NULL;
	size_t nr = 0, nr_snapshots = 0;
	int r;

	r = kctl_exists() ? kctl_snapshots(&infos, &nr) : 0;
	if (r < 0)
		return r;
	for (size_t i = 0; i < nr; i++) {
		const struct bpfsnap_snap_info *info = &infos[i];
		char id[37];

		uuid_unparse_lower(info->id, id);
		add_range(m, info, id);
		if (i > 0 && memcmp(info->id, infos[i - 1].id, 16) == 0)
			continue;
		nr_snapshots++;
		metrics_add(m, METRIC_SNAPSHOT_CREATED, seconds(info->created_ns), "snapshot", id,
			    NULL);
		metrics_add(m, METRIC_SNAPSHOT_HOLD, seconds(info->hold_ns), "snapshot", id, NULL);
		metrics_add(m, METRIC_SNAPSHOT_MEMORY, number(info->memory_bytes), "snapshot", id,
			    NULL);
	}
	metrics_add(m, METRIC_SNAPSHOTS, number(nr_snapshots), NULL);
	return 0;
}

static void add_process(struct metrics *m)
{
	unsigned long pages = 0;
	struct rusage usage;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f) {
		if (fscanf(f, "%*u %lu", &pages) == 1)
			metrics_add(m, METRIC_PROCESS_MEMORY,
				    number(pages * (uint64_t)sysconf(_SC_PAGESIZE)), NULL);
		fclose(f);
	}
	if (getrusage(RUSAGE_SELF, &usage) == 0)
		metrics_add(m, METRIC_PROCESS_CPU,
			    seconds((uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) *
				    1000000000 +
				    (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) *
				    1000), NULL);
}

static int gather(const struct daemon *daemon, struct metrics *m)
{
	_cleanup_(view_done) struct view view = { 0 };
	_cleanup_(freep) struct tracker_checkpoint *checkpoints = NULL;
	_cleanup_(fault_done) struct fault why = { 0 };
	size_t nr = 0;
	int r;

	add_build(m);
	add_process(m);
	metrics_add(m, METRIC_TRACKING, number(tracker_check(daemon->tracker, &why) == 0), NULL);
	r = view_take(daemon->tracker, &view);
	if (r < 0)
		return r;
	add_programs(m, daemon->tracker, &view.links);
	if (view.epoch)
		metrics_add(m, METRIC_EPOCH, number(view.epoch), NULL);
	metrics_add(m, METRIC_DEVICES, number(view.disks.nr), NULL);
	if (tracker_checkpoints(daemon->tracker, &checkpoints, &nr) >= 0)
		metrics_add(m, METRIC_CHECKPOINTS, number(nr), NULL);
	for (size_t i = 0; i < view.disks.nr; i++)
		add_device(m, &view, view.disks.items[i]);
	return add_snapshots(m);
}

int method_get_metrics(struct call *call, struct fault *fault)
{
	_cleanup_(metrics_done) struct metrics m = { 0 };
	_cleanup_(freep) char *text = NULL;
	struct timespec now;
	int r;

	clock_gettime(CLOCK_REALTIME, &now);
	r = gather(call->daemon, &m);
	if (r >= 0 && arg_bool(call, "text"))
		r = (text = metrics_text(&m)) ? 0 : -ENOMEM;
	if (r < 0)
		return fault_system(fault, "measure", r, "The metrics cannot be had: %s.",
				    strerror(-r));
	call->reply = json_object_new_object();
	put_u64(call->reply, "time_ns",
		(uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec);
	json_object_object_add(call->reply, "metrics", text ? NULL : metrics_json(&m));
	put_string(call->reply, "text", text);
	return 0;
}
