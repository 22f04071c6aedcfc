// SPDX-License-Identifier: GPL-2.0-only
/*
 * How is an epoch ended without a snapshot of ours?
 *
 * For snapshots that others take: LVM, a cloud, an array.  The boundary comes first, the
 * snapshot after it.  A write that is issued after the boundary is marked in
 * the new epoch.  One that was issued before it, and is not done when the snapshot
 * is taken, must not be missed either:
 *
 *   disks that take requests   each request that began before the boundary is marked once
 *                              more, in the new epoch, when it is issued and when it completes;
 *                              so nobody has to wait for it. On busy machines the kernel skips
 *                              such marks now and then: a list is certain then if the disk drained,
 *                              here or, before any were skipped, later
 *   devices of the mapper      some targets keep writes that the kernel does not count as in
 *                              flight: the device is suspended and resumed, which ends them
 *   others (md, zram)          wait until the kernel counts no writes in flight; where it or
 *                              the driver does not count, or never gets there, freeze, provided
 *                              that who writes is a filesystem that we see
 */
#include "methods.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include <uuid/uuid.h>

#include "device.h"
#include "diskflush.h"
#include "events.h"
#include "freeze.h"
#include "log.h"
#include "reach.h"
#include "stack.h"
#include "view.h"

enum {
	BOUNDARY_DEVICES_MAX = 64,
	BOUNDARY_TIMEOUT_MS = 5000,
	BOUNDARY_TIMEOUT_MAX_MS = 60000,
	SETTLE_MS = 100,	/* that a disk is waited for which need not be */
};

/**
 * struct boundary - an epoch's end on its way
 * @freezes: filesystems are frozen at it
 * @freeze: these; NULL if none shall be
 */
struct boundary {
	const struct call *call;
	struct tracker *tracker;
	struct device devices[BOUNDARY_DEVICES_MAX];
	size_t nr;
	const char *checkpoint;
	bool freezes;
	const struct freeze *freeze;
	int64_t timeout_ms;
	uint32_t ended;
};

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int take_request(const struct call *call, struct boundary *b, struct fault *fault)
{
	struct json_object *devices = json_object_object_get(call->args, "devices");
	struct bpfsnap_device tracked;
	int r;

	b->call = call;
	b->tracker = call->daemon->tracker;
	b->nr = json_object_array_length(devices);
	b->checkpoint = arg_string(call, "checkpoint");
	b->freezes = arg_bool(call, "freeze");
	if (b->nr == 0 || b->nr > BOUNDARY_DEVICES_MAX)
		return fault_service(fault, REASON_INVALID_PARAMETER, "devices");
	if (b->checkpoint && !tracker_checkpoint_name_ok(b->checkpoint))
		return fault_service(fault, REASON_INVALID_PARAMETER, "checkpoint");
	r = arg_int(call, "timeout_ms", 1, BOUNDARY_TIMEOUT_MAX_MS, BOUNDARY_TIMEOUT_MS,
		    &b->timeout_ms, fault);
	if (r >= 0)
		r = tracker_check(b->tracker, fault);
	for (size_t i = 0; i < b->nr && r >= 0; i++) {
		struct device *d = &b->devices[i];

		r = device_resolve(json_object_get_string(json_object_array_get_idx(devices, i)),
				   d, fault);
		if (r >= 0 && tracker_device(b->tracker, d->disk_key, &tracked) < 0)
			r = fault_device(fault, REASON_NOT_ATTACHED, d->name, "%s is not attached.",
					 d->disk_name);
	}
	return r;
}

/* One checkpoint for each disk; asked before anything is done. */
static int check_checkpoints(const struct boundary *b, struct fault *fault)
{
	_cleanup_(freep) struct tracker_checkpoint *items = NULL;
	struct bpfsnap_checkpoint unused;
	size_t nr;
	int r;

	if (!b->checkpoint)
		return 0;
	for (size_t i = 0; i < b->nr; i++)
		if (tracker_checkpoint_get(b->tracker, b->devices[i].disk_key, b->checkpoint,
					   &unused) == 0)
			return fault_checkpoint(fault, REASON_CHECKPOINT_EXISTS,
						b->devices[i].disk_name, b->checkpoint,
						"%s has a checkpoint %s already.",
						b->devices[i].disk_name, b->checkpoint);
	r = tracker_checkpoints(b->tracker, &items, &nr);
	if (r < 0)
		return r;
	if (nr + b->nr > BPFSNAP_CHECKPOINTS)
		return fault_plain(fault, REASON_TOO_MANY_CHECKPOINTS,
				   "There is room for %d checkpoints, and %zu exist.",
				   BPFSNAP_CHECKPOINTS, nr);
	return 0;
}

static int put_checkpoints(const struct boundary *b, struct fault *fault)
{
	struct timespec ts;
	int r = 0;

	clock_gettime(CLOCK_REALTIME, &ts);
	for (size_t i = 0; b->checkpoint && i < b->nr && r >= 0; i++) {
		r = tracker_checkpoint_put(b->tracker, b->devices[i].disk_key, b->checkpoint,
					   b->ended, (uint64_t)ts.tv_sec * 1000000000 +
					   (uint64_t)ts.tv_nsec);
		/* Two partitions of one disk have the same. */
		if (r == -EEXIST)
			r = 0;
		if (r < 0)
			return fault_system(fault, "checkpoint", r, "Checkpoint %s of %s: %s.",
					    b->checkpoint, b->devices[i].disk_name, strerror(-r));
	}
	return r;
}

/*
 * None of a disk's writes in flight, seen twice.  In between everyone who had been shown to
 * us, but was not counted yet, has been.
 *
 * @with_reads: none of its reads either, which may have the requests that writes wait for
 * @is_still: nobody writes to it, whatever the kernel counts
 *
 * Return: whether that was seen before the deadline, or -errno.
 */
static int drain(const struct boundary *b, const struct device *d, bool with_reads, bool is_still,
		 int64_t deadline_ms, uint64_t *ret_nr)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	int seen = 0, r;
	uint64_t reads;

	for (;;) {
		r = reach_inflight(d->disk_key, &reads, ret_nr);
		if (r < 0)
			return r;
		seen = *ret_nr == 0 && (!with_reads || reads == 0) &&
		       (is_still || !reach_keeps_back(d->disk_key)) ? seen + 1 : 0;
		if (seen == 2)
			return 1;
		if (now_ms() > deadline_ms || call_check(b->call) < 0)
			return 0;
		r = seen ? tracker_barrier(b->tracker) :
			   TRACKER_WAIT(b->tracker, nanosleep(&pause, NULL));
		if (r < 0 && seen)
			return r;
	}
}

static int flush(const struct boundary *b, const struct device *d, int64_t deadline_ms,
		 struct fault *fault)
{
	int64_t left_ms = deadline_ms - now_ms();
	int r;

	r = TRACKER_WAIT(b->tracker,
			 disk_flush_mapped(d->disk_key, left_ms > 0 ? (unsigned int)left_ms : 1,
					   b->freezes, b->call));
	if (r >= 0)
		tracker_settled(b->tracker, d->disk_key);
	if (r == -EBUSY)
		return fault_device(fault, REASON_DRAIN_TIMEOUT, d->disk_name,
				    "%s, or what is mapped onto it, is suspended or frozen by somebody else, and keeps back what is written to it.",
				    d->disk_name);
	if (r < 0)
		return fault_device(fault, REASON_DRAIN_TIMEOUT, d->disk_name,
				    "What is in flight to %s did not end within %lld ms: %s.",
				    d->disk_name, (long long)b->timeout_ms, strerror(-r));
	return 0;
}

/* Is nobody writing to it, since filesystems are frozen? @ret_advice: else, what to do about that */
static bool look_still(const struct boundary *b, const struct device *d, char *ret_advice,
		       size_t room)
{
	if (!b->freeze) {
		snprintf(ret_advice, room, ": freeze, or");
		return false;
	}
	switch (freeze_look(b->freeze, d->key)) {
	case FREEZE_FOUND_NONE:
		snprintf(ret_advice, room,
			 ", and no filesystem is mounted on %s as far as bpfsnapd sees, so freezing does not help:",
			 d->name);
		return false;
	case FREEZE_FOUND_OTHERS:
		snprintf(ret_advice, room,
			 ", and not only filesystems that are frozen are on %s, so freezing does not help:",
			 d->name);
		return false;
	case FREEZE_FOUND_HIDDEN:
		snprintf(ret_advice, room,
			 ", and a filesystem on %s is mounted where bpfsnapd does not see it, so freezing does not help:",
			 d->name);
		return false;
	case FREEZE_FOUND:
		break;
	}
	snprintf(ret_advice, room, ":");
	return true;
}

/* What look_still() advises, of a disk that does not count. */
static int refuse_uncounted(const struct boundary *b, const struct device *d, bool can_count,
			    const char *advice, struct fault *fault)
{
	if (can_count)
		return fault_device(fault, REASON_DRAIN_TIMEOUT, d->disk_name,
				    "The kernel does not count what is in flight to %s%s set its queue/iostats to 1.",
				    d->disk_name, advice);
	if (!b->freeze)
		return fault_device(fault, REASON_DRAIN_TIMEOUT, d->disk_name,
				    "The driver of %s does not count all that is in flight: freeze.",
				    d->disk_name);
	return fault_device(fault, REASON_DRAIN_TIMEOUT, d->disk_name,
			    "The driver of %s does not count all that is in flight%.*s.",
			    d->disk_name, (int)strlen(advice) - 1, advice);
}

/*
 * A disk that takes requests need not be waited for: if it does drain soon, then nothing that
 * was skipped since can matter.  The others must drain.
 */
static int settle(const struct boundary *b, const struct device *d, int64_t deadline_ms,
		  struct fault *fault)
{
	int64_t soon_ms = now_ms() + SETTLE_MS;
	const char *kept_back;
	struct reach reach;
	char advice[192];
	bool is_still;
	uint64_t nr = 0;
	int r;

	reach_look(d->disk_key, false, &reach);
	if (reach.is_mapped && !reach.takes_requests)
		return flush(b, d, deadline_ms, fault);
	if (!reach.counts_inflight && reach.takes_requests)
		return 0;
	is_still = look_still(b, d, advice, sizeof(advice));
	if (!reach.counts_inflight && !is_still)
		return refuse_uncounted(b, d, reach.can_count, advice, fault);
	if (reach.takes_requests && soon_ms < deadline_ms)
		deadline_ms = soon_ms;
	r = drain(b, d, reach.takes_requests, is_still, deadline_ms, &nr);
	if (r < 0)
		return fault_device(fault, REASON_DEVICE_NOT_FOUND, d->disk_name, "%s is gone.",
				    d->disk_name);
	if (r > 0)
		tracker_settled(b->tracker, d->disk_key);
	if (r > 0 || reach.takes_requests)
		return 0;
	kept_back = reach_keeps_back(d->disk_key);
	if (kept_back)
		return fault_device(fault, REASON_DRAIN_TIMEOUT, d->disk_name,
				    "%s may keep writes back, since %s%s try again.",
				    d->disk_name, kept_back, advice);
	return fault_device(fault, REASON_DRAIN_TIMEOUT, d->disk_name,
			    "%llu writes are in flight to %s, and did not end within %lld ms%s try again.",
			    (unsigned long long)nr, d->disk_name, (long long)b->timeout_ms,
			    advice);
}

static int move(struct boundary *b, struct fault *fault)
{
	int64_t deadline_ms = now_ms() + b->timeout_ms;
	int r;

	r = tracker_watch_done(b->tracker);
	if (r >= 0)
		r = tracker_advance(b->tracker, true, &b->ended);
	if (r == -EOVERFLOW)
		return fault_plain(fault, REASON_EPOCHS_EXHAUSTED, "All %d epochs are used.",
				   BPFSNAP_EPOCH_MAX);
	if (r < 0)
		return fault_system(fault, "advance", r, "The epoch cannot be moved: %s.",
				    strerror(-r));
	for (size_t i = 0; i < b->nr && r >= 0; i++)
		r = settle(b, &b->devices[i], deadline_ms, fault);
	return r;
}

static int move_frozen(struct boundary *b, struct fault *fault)
{
	_cleanup_(keys_done) struct keys keys = { 0 };
	uint32_t targets[BOUNDARY_DEVICES_MAX];
	struct freeze freeze;
	struct fault unsaid = { 0 };
	int r, ended;

	for (size_t i = 0; i < b->nr; i++)
		targets[i] = b->devices[i].key;
	r = TRACKER_WAIT(b->tracker, stack_above(targets, b->nr, &keys));
	if (r < 0)
		return fault_system(fault, "stack", r,
				    "What stands on the devices cannot be determined: %s.",
				    strerror(-r));
	r = TRACKER_WAIT(b->tracker, freeze_begin(&keys, (uint32_t)b->timeout_ms, &freeze, fault));
	b->freeze = &freeze;
	if (r >= 0)
		r = move(b, fault);
	b->freeze = NULL;
	ended = TRACKER_WAIT(b->tracker,
			     freeze_end(&freeze, (uint32_t)b->timeout_ms, r < 0 ? &unsaid : fault));
	fault_done(&unsaid);
	return r < 0 ? r : ended;
}

static struct json_object *show(const struct boundary *b, const struct view *view,
				const struct device *d)
{
	struct json_object *o = json_object_new_object();
	char reason[VIEW_REASON_MAX], generation[37] = "";
	struct bpfsnap_device tracked;
	bool is_tracked = tracker_device(b->tracker, d->disk_key, &tracked) == 0, is_doubtful;

	if (is_tracked)
		uuid_unparse_lower(tracked.generation, generation);
	is_doubtful = view_doubt(view, d->disk_key, is_tracked ? &tracked : NULL, reason,
				 sizeof(reason));
	put_string(o, "device", d->name);
	put_string(o, "generation", generation);
	put_u64(o, "since", b->ended);
	view_put_state(o, "ok", is_doubtful ? reason : NULL);
	return o;
}

int method_advance_epoch(struct call *call, struct fault *fault)
{
	_cleanup_(view_done) struct view view = { 0 };
	struct boundary *b = calloc(1, sizeof(*b));
	struct json_object *devices;
	int r;

	if (!b)
		return -ENOMEM;
	r = take_request(call, b, fault);
	if (r >= 0)
		r = check_checkpoints(b, fault);
	if (r >= 0)
		r = view_take(b->tracker, &view);
	if (r >= 0)
		r = b->freezes ? move_frozen(b, fault) : move(b, fault);
	if (r >= 0)
		r = put_checkpoints(b, fault);
	if (r >= 0) {
		devices = json_object_new_array();
		for (size_t i = 0; i < b->nr; i++)
			json_object_array_add(devices, show(b, &view, &b->devices[i]));
		call->reply = json_object_new_object();
		json_object_object_add(call->reply, "devices", devices);
		log_info("ended epoch %u", b->ended);
		events_add(&(struct event){ .kind = EVENT_EPOCH, .value = b->ended },
			   "The epoch ended, for a snapshot that is taken by others.");
	}
	free(b);
	return r;
}
