// SPDX-License-Identifier: GPL-2.0-only
/*
 * How much changed in which epoch, and who wrote it?
 */
#include "methods.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "cgroup.h"
#include "device.h"
#include "view.h"

static int resolve(const struct call *call, struct device *ret_device,
		   struct bpfsnap_device *ret_tracked, struct fault *fault)
{
	int r;

	r = tracker_check(call->daemon->tracker, fault);
	if (r >= 0)
		r = device_resolve(arg_string(call, "device"), ret_device, fault);
	if (r < 0)
		return r;
	if (tracker_device(call->daemon->tracker, ret_device->disk_key, ret_tracked) < 0)
		return fault_device(fault, REASON_NOT_ATTACHED, ret_device->name,
				    "%s is not attached.", ret_device->disk_name);
	return 0;
}

static struct json_object *show_writer(const struct bpfsnap_writer *writer)
{
	struct json_object *o = json_object_new_object();
	char path[PATH_MAX];

	if (writer->cgroup)
		put_u64(o, "cgroup", writer->cgroup);
	put_string(o, "path",
		   cgroup_path(writer->cgroup, path, sizeof(path)) ? path : NULL);
	put_u64(o, "bytes", writer->bytes);
	put_u64(o, "bios", writer->bios);
	return o;
}

static int compare_writers(const void *a, const void *b)
{
	const struct bpfsnap_writer *x = a, *y = b;

	return x->bytes > y->bytes ? -1 : x->bytes < y->bytes;
}

int method_list_writers(struct call *call, struct fault *fault)
{
	struct bpfsnap_device tracked;
	struct bpfsnap_writers all;
	struct json_object *list;
	char name[DEVICE_NAME_MAX];
	struct device d;
	int r;

	r = resolve(call, &d, &tracked, fault);
	if (r >= 0)
		r = tracker_writers(call->daemon->tracker, d.disk_key, &all);
	if (r < 0)
		return r;
	qsort(all.row, ARRAY_SIZE(all.row), sizeof(all.row[0]), compare_writers);
	list = json_object_new_array();
	for (size_t i = 0; i < ARRAY_SIZE(all.row); i++)
		if (all.row[i].cgroup)
			json_object_array_add(list, show_writer(&all.row[i]));
	call->reply = json_object_new_object();
	put_string(call->reply, "device", device_name(d.disk_key, name, sizeof(name)));
	put_u64(call->reply, "since_ns", tracked.attached_ns);
	json_object_object_add(call->reply, "writers", list);
	json_object_object_add(call->reply, "other", show_writer(&all.other));
	return 0;
}

/* Where an epoch ended: at the start of the next one, or now. */
static struct bpfsnap_start end_of(const struct bpfsnap_history *history, uint32_t epoch,
				   const struct bpfsnap_stripe *now)
{
	const struct bpfsnap_start *next =
		&history->start[(epoch + 1) % BPFSNAP_HISTORY_EPOCHS];

	if (next->epoch == epoch + 1)
		return *next;
	return (struct bpfsnap_start){
		.queue_sect = now->queue_sect,
		.discard_sect = now->discard_sect,
		.changed_blk = now->changed_blk,
	};
}

static struct json_object *show_epoch(const struct bpfsnap_start *start,
				      const struct bpfsnap_start *end, unsigned int block_shift,
				      const struct view *view)
{
	struct json_object *o = json_object_new_object();

	put_u64(o, "epoch", start->epoch);
	put_u64(o, "started_ns", (uint64_t)((int64_t)start->boot_ns + view->boot_offset_ns));
	put_u64(o, "changed_bytes", (end->changed_blk - start->changed_blk) << block_shift);
	put_u64(o, "write_bytes", (end->queue_sect - start->queue_sect) << 9);
	put_u64(o, "discard_bytes", (end->discard_sect - start->discard_sect) << 9);
	return o;
}

int method_list_epochs(struct call *call, struct fault *fault)
{
	_cleanup_(view_done) struct view view = { 0 };
	struct bpfsnap_device tracked;
	struct bpfsnap_history history;
	struct bpfsnap_stripe now;
	struct json_object *list;
	char name[DEVICE_NAME_MAX];
	struct device d;
	int r;

	r = resolve(call, &d, &tracked, fault);
	if (r >= 0)
		r = view_take(call->daemon->tracker, &view);
	if (r >= 0)
		r = tracker_history(call->daemon->tracker, d.disk_key, &history);
	if (r < 0)
		return r;
	tracker_totals(call->daemon->tracker, d.disk_key, &now);
	list = json_object_new_array();
	for (int back = BPFSNAP_HISTORY_EPOCHS - 1; back >= 0; back--) {
		uint32_t epoch = view.epoch - (uint32_t)back;
		const struct bpfsnap_start *start = &history.start[epoch % BPFSNAP_HISTORY_EPOCHS];
		struct bpfsnap_start end;

		if ((uint32_t)back >= view.epoch || start->epoch != epoch)
			continue;
		end = end_of(&history, epoch, &now);
		json_object_array_add(list, show_epoch(start, &end, tracked.block_shift, &view));
	}
	call->reply = json_object_new_object();
	put_string(call->reply, "device", device_name(d.disk_key, name, sizeof(name)));
	json_object_object_add(call->reply, "epochs", list);
	return 0;
}
