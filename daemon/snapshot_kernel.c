// SPDX-License-Identifier: GPL-2.0-only
/*
 * What does taking a snapshot ask of this system, and what do its refusals mean?
 */
#include "snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include <uuid/uuid.h>

#include "dmtable.h"
#include "freeze.h"
#include "kctl.h"
#include "kload.h"
#include "log.h"
#include "reach.h"
#include "stack.h"
#include "storage.h"
#include "tracker.h"
#include "unfit.h"
#include "view.h"

enum {
	LOW_PART = 10,	/* of what there is: told of when less is left */
};

_Static_assert((int)SNAPSHOT_DEVICES_MAX == (int)BPFSNAP_MAX_DEVICES, "limits agree");
_Static_assert((int)SNAPSHOT_TIMEOUT_MAX_MS == (int)BPFSNAP_MAX_TIMEOUT_MS, "limits agree");
_Static_assert((int)SNAPSHOT_GROW_MAX_MS == (int)BPFSNAP_MAX_GROW_MS, "limits agree");

static struct tracker *tracker_of(void *ctx)
{
	return ((struct snapshot_kernel *)ctx)->tracker;
}

/* What it is sent past its gate would be in the image. */
static int check_holders(const struct device *d, struct fault *fault)
{
	char above[DEVICE_NAME_MAX];
	struct reach reach;

	reach_look(d->disk_key, true, &reach);
	if (!reach.path_of)
		return 0;
	return fault_device(fault, REASON_DEVICE_UNSUPPORTED, d->name,
			    "%s is a path of the multipath device %s, whose writes pass no gate: attach that device, and take the snapshot of it.",
			    d->disk_name, device_name(reach.path_of, above, sizeof(above)));
}

static int op_resolve(void *ctx, const char *path, struct device *ret_device, struct fault *fault)
{
	struct tracker *tracker = tracker_of(ctx);
	struct bpfsnap_device tracked;
	int r;

	r = device_resolve(path, ret_device, fault);
	if (r < 0)
		return r;
	if (tracker_device(tracker, ret_device->disk_key, &tracked) < 0)
		return fault_device(fault, REASON_NOT_ATTACHED, ret_device->name,
				    "%s is not attached.", ret_device->disk_name);
	r = kload_check(fault);
	if (r < 0)
		return r;
	if (!tracker_is_gated(tracker))
		return fault_plain(fault, REASON_MODULE_UNAVAILABLE,
				   "%s was attached before the kernel module was loaded: detach all devices and attach them again.",
				   ret_device->disk_name);
	if (!kctl_has_gate(ret_device->disk_key))
		return fault_device(fault, REASON_NOT_ATTACHED, ret_device->name,
				    "%s is tracked, but the kernel module has no gate before it: detach and attach it again.",
				    ret_device->disk_name);
	return check_holders(ret_device, fault);
}

static int op_is_above(void *ctx, const struct device *upper, const struct device *lower,
		       struct fault *fault)
{
	_cleanup_(chains_done) struct chains chains = { 0 };
	int r;

	r = TRACKER_WAIT(tracker_of(ctx), stack_below(upper->disk_key, &chains));
	if (r < 0)
		return fault_device(fault, REASON_DEVICE_UNSUPPORTED, upper->name,
				    "What %s stands on cannot be determined: %s.",
				    upper->disk_name, strerror(-r));
	for (size_t i = 0; i < chains.nr; i++)
		if (chains.items[i].disk_key == lower->disk_key)
			return 1;
	return 0;
}

static int op_check_storage(void *ctx, struct snapshot_plan *plan, struct fault *fault)
{
	return TRACKER_WAIT(tracker_of(ctx), storage_check(plan, fault));
}

static int op_open_store(void *ctx, const struct snapshot_plan *plan, struct fault *fault)
{
	return TRACKER_WAIT(tracker_of(ctx), storage_open(plan, fault));
}

static void op_close_store(void *ctx, int fd)
{
	close(fd);
}

static int op_next_epoch(void *ctx, uint32_t *ret_epoch, struct fault *fault)
{
	int r;

	/* Renumbers the marks if they are used up: the program would not acknowledge. */
	r = tracker_next_epoch(tracker_of(ctx), ret_epoch);
	if (r >= 0)
		r = tracker_watch_passed(tracker_of(ctx), *ret_epoch - 1);
	if (r == -EOVERFLOW)
		return fault_plain(fault, REASON_EPOCHS_EXHAUSTED,
				   "All %d epochs are used: detach all devices and attach them again; then a full backup is due.",
				   BPFSNAP_EPOCH_MAX);
	if (r < 0)
		return fault_plain(fault, REASON_TRACKER_UNAVAILABLE,
				   "The next epoch cannot be prepared: %s.", strerror(-r));
	return 0;
}

static int op_check_checkpoint(void *ctx, const struct device *device, const char *name,
			       size_t nr_new, struct fault *fault)
{
	_cleanup_(freep) struct tracker_checkpoint *items = NULL;
	struct bpfsnap_checkpoint checkpoint;
	size_t nr;
	int r;

	if (tracker_checkpoint_get(tracker_of(ctx), device->disk_key, name, &checkpoint) == 0)
		return fault_checkpoint(fault, REASON_CHECKPOINT_EXISTS, device->disk_name, name,
					"%s has a checkpoint %s already.", device->disk_name, name);
	r = tracker_checkpoints(tracker_of(ctx), &items, &nr);
	if (r < 0)
		return fault_system(fault, "checkpoints", r, "Checkpoints cannot be listed: %s.",
				    strerror(-r));
	if (nr + nr_new > BPFSNAP_CHECKPOINTS)
		return fault_plain(fault, REASON_TOO_MANY_CHECKPOINTS,
				   "There is room for %d checkpoints, and %zu exist.",
				   BPFSNAP_CHECKPOINTS, nr);
	return 0;
}

static int op_list_freeze(void *ctx, struct snapshot_plan *plan, struct fault *fault)
{
	uint32_t targets[SNAPSHOT_DEVICES_MAX];
	int r;

	for (size_t i = 0; i < plan->nr_ranges; i++)
		targets[i] = plan->ranges[i].key;
	r = TRACKER_WAIT(tracker_of(ctx), stack_above(targets, plan->nr_ranges, &plan->freeze));
	if (r < 0)
		return fault_system(fault, "stack", r,
				    "What stands on the devices cannot be determined: %s.",
				    strerror(-r));
	if (plan->freeze.nr > BPFSNAP_MAX_FREEZE)
		return fault_device(fault, REASON_DEVICE_UNSUPPORTED, plan->ranges[0].name,
				    "%zu block devices stand on the snapshot's; at most %d filesystems can be frozen.",
				    plan->freeze.nr, BPFSNAP_MAX_FREEZE);
	return 0;
}

static int explain_store(const struct snapshot_plan *plan, const struct device *d, int error,
			 struct fault *fault)
{
	const char *path = plan->request->storage, *why = strerror(-error);

	switch (-error) {
	case EBUSY:
		why = plan->storage_kind == STORAGE_PINNED ?
		      "there is a snapshot of the disk already" : "it is in use";
		break;
	case EXDEV:
		why = "it is on a device of the snapshot, or on one whose snapshot is stored there, or on a filesystem to be frozen";
		break;
	case EOPNOTSUPP:
		why = "its filesystem cannot promise that the file's blocks stay where they are (shared, compressed, or smaller than 4 KiB)";
		break;
	case EROFS:
		why = "what another snapshot set aside on the disk would be in an image that takes writes";
		break;
	case EFBIG:
		why = "the free space is too scattered";
		break;
	}
	return fault_storage(fault, path, "Old content of %s cannot be kept in %s: %s.", d->name,
			     path, why);
}

/* What was fit to be attached may have become something else since. */
static int explain_origin(const struct device *d, int error, struct fault *fault)
{
	const char *why = unfit_why(d->disk_key, error);

	if (why)
		return fault_device(fault, REASON_DEVICE_UNSUPPORTED, d->name,
				    "No snapshot of %s can be taken: %s.", d->disk_name, why);
	switch (-error) {
	case ENODEV:
		if (!kctl_has_gate(d->disk_key))
			return fault_device(fault, REASON_NOT_ATTACHED, d->name,
					    "%s is not attached any more.", d->disk_name);
		return fault_device(fault, REASON_DEVICE_NOT_FOUND, d->name, "%s is gone.",
				    d->disk_name);
	case ERANGE:
		return fault_device(fault, REASON_DEVICE_CHANGED, d->name,
				    "%s has fewer sectors by now than a snapshot of %s takes.",
				    d->disk_name, d->name);
	case EINVAL:
		return fault_device(fault, REASON_DEVICE_UNSUPPORTED, d->name,
				    "%s does not begin and end with logical blocks of %s.", d->name,
				    d->disk_name);
	}
	return fault_system(fault, "origin", error, "The kernel module does not take %s: %s.",
			    d->disk_name, strerror(-error));
}

/* What the kernel's refusal means; the step tells which list the index belongs to. */
static int explain(const struct bpfsnap_ioc_snap_create *create, const struct snapshot_plan *plan,
		   int error, struct fault *fault)
{
	size_t i = create->failed_index < plan->nr_ranges ? create->failed_index : 0;
	const struct device *d = &plan->ranges[i];
	char name[DEVICE_NAME_MAX] = "";

	switch ((enum bpfsnap_step)create->failed_step) {
	case BPFSNAP_STEP_NONE:
		break;
	case BPFSNAP_STEP_ORIGIN:
		return explain_origin(d, error, fault);
	case BPFSNAP_STEP_STORE:
		return explain_store(plan, d, error, fault);
	case BPFSNAP_STEP_IMAGE:
		return fault_system(fault, "image", error,
				    "The image block device of %s could not be made: %s.", d->name,
				    strerror(-error));
	case BPFSNAP_STEP_FREEZE:
		if (create->failed_index < plan->freeze.nr)
			device_name(plan->freeze.items[create->failed_index], name, sizeof(name));
		if (error == -ECANCELED)
			return fault_device(fault, REASON_FREEZE_FAILED, name,
					    "The filesystem on %s did not stay frozen: somebody else thawed it, or it could not be thawed.",
					    name);
		return fault_device(fault, REASON_FREEZE_FAILED, name,
				    "The filesystem on %s could not be frozen: %s.", name,
				    error == -EXDEV ? "old content of a device of this snapshot is stored there" :
						      strerror(-error));
	case BPFSNAP_STEP_DRAIN:
		return fault_device(fault, REASON_DRAIN_TIMEOUT, d->name,
				    "Writes in flight to %s did not end within %u ms.",
				    d->disk_name, plan->request->timeout_ms);
	case BPFSNAP_STEP_SWITCH:
		return fault_plain(fault, REASON_TRACKER_UNAVAILABLE,
				   "No tracking program acknowledged epoch %u of %s: %s.",
				   plan->epoch, d->disk_name, strerror(-error));
	}
	return fault_system(fault, "create", error, "The kernel module refused the snapshot: %s.",
			    strerror(-error));
}

/* The device mapper's RAID passes discards on to members only if told that it may. */
static bool may_dm_raid_discard(void)
{
	static const char path[] = "/sys/module/dm_raid/parameters/devices_handle_discard_safely";
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	char answer = 'N';

	return fd >= 0 && read(fd, &answer, 1) == 1 && answer == 'Y';
}

/* RAID with parity may rely on a discarded member to read as zeros. */
static bool relies_on_discards(const struct keys *above)
{
	static const char *const raid[] = { "raid" };
	bool is_dm_concerned = may_dm_raid_discard();
	char level[32];

	for (size_t i = 0; i < above->nr; i++) {
		if (sysfs_string(above->items[i], "md/level", level, sizeof(level)) == 0 &&
		    (strncmp(level, "raid4", 5) == 0 || strncmp(level, "raid5", 5) == 0 ||
		     strncmp(level, "raid6", 5) == 0))
			return true;
		if (is_dm_concerned && sysfs_has(above->items[i], "dm") &&
		    dmtable_is_of(above->items[i], raid, 1))
			return true;
	}
	return false;
}

/* Of how much room is it said that it is little? */
static uint64_t low_bytes(const struct snapshot_request *request, int store_fd)
{
	uint64_t all = request->limit_bytes;
	struct statvfs room;
	struct stat st;

	if (request->low_bytes >= 0)
		return (uint64_t)request->low_bytes;
	if (all == 0 && fstat(store_fd, &st) == 0 && S_ISBLK(st.st_mode) &&
	    ioctl(store_fd, BLKGETSIZE64, &all) < 0)
		all = 0;
	if (all == 0 && fstatvfs(store_fd, &room) == 0)
		all = (uint64_t)room.f_bavail * room.f_frsize;
	return all / LOW_PART;
}

static int op_create(void *ctx, struct snapshot_plan *plan, struct fault *fault)
{
	struct bpfsnap_snap_device devices[SNAPSHOT_DEVICES_MAX] = { 0 };
	struct bpfsnap_dev freeze[BPFSNAP_MAX_FREEZE] = { 0 };
	struct bpfsnap_ioc_snap_create create = {
		.devices = (uintptr_t)devices,
		.freeze = (uintptr_t)freeze,
		.nr_devices = (uint32_t)plan->nr_ranges,
		.nr_freeze = (uint32_t)plan->freeze.nr,
		.timeout_ms = plan->request->timeout_ms,
		.epoch = plan->epoch,
		.memory_bytes = plan->request->memory_bytes,
		.flags = (plan->request->writable ? BPFSNAP_SNAP_WRITABLE : 0) |
			 (relies_on_discards(&plan->freeze) ? BPFSNAP_SNAP_COPY_DISCARDS : 0),
	};
	int r;

	memcpy(create.id, plan->id, sizeof(create.id));
	for (size_t i = 0; i < plan->nr_ranges; i++)
		devices[i] = (struct bpfsnap_snap_device){
			.major = key_major(plan->ranges[i].disk_key),
			.minor = key_minor(plan->ranges[i].disk_key),
			.start_sect = plan->ranges[i].start_sect,
			.nr_sect = plan->ranges[i].nr_sect,
			.limit_bytes = plan->request->limit_bytes,
			.low_bytes = low_bytes(plan->request, plan->store_fds[i]),
			.grow_ms = plan->request->grow_ms,
			.store_fd = plan->store_fds[i],
			.store_flags = plan->storage_kind == STORAGE_PINNED ?
				       BPFSNAP_STORE_PINNED : 0,
		};
	for (size_t i = 0; i < plan->freeze.nr; i++)
		freeze[i] = (struct bpfsnap_dev){ key_major(plan->freeze.items[i]),
						  key_minor(plan->freeze.items[i]) };
	/* What is written back now is not while all wait. */
	TRACKER_WAIT(tracker_of(ctx), (freeze_sync(&plan->freeze), 0));
	/* The last moment in which it can be given up. */
	r = ((struct snapshot_kernel *)ctx)->check(ctx);
	if (r < 0)
		return r;
	r = TRACKER_WAIT(tracker_of(ctx), kctl_snap_create(&create));
	if (r >= 0 && tracker_watch_passed(tracker_of(ctx), plan->epoch - 1) < 0)
		log_err("the completion of commands that were passed through is not seen");
	if (r == -ENOENT || r == -ENXIO)
		return kload_check(fault) < 0 ? r : fault_system(fault, "create", r, "%s.",
								 strerror(-r));
	if (r < 0)
		return explain(&create, plan, r, fault);
	for (size_t i = 0; i < plan->nr_ranges; i++)
		view_drained(tracker_of(ctx), plan->ranges[i].disk_key, plan->epoch - 1);
	return 0;
}

static void op_destroy(void *ctx, const struct snapshot_plan *plan)
{
	/* By force: nobody was told of it, and who looks into every disk that comes has it open. */
	int r = TRACKER_WAIT(tracker_of(ctx), kctl_snap_destroy(plan->id, true));

	if (r < 0)
		log_err("a snapshot that is not wanted could not be destroyed: %s", strerror(-r));
}

static int op_put_checkpoint(void *ctx, const struct device *device, const char *name,
			     uint32_t epoch, struct fault *fault)
{
	struct timespec ts;
	int r;

	clock_gettime(CLOCK_REALTIME, &ts);
	r = tracker_checkpoint_put(tracker_of(ctx), device->disk_key, name, epoch,
				   (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec);
	if (r < 0)
		return fault_system(fault, "checkpoint", r, "Checkpoint %s of %s: %s.", name,
				    device->disk_name, strerror(-r));
	return 0;
}

static void op_remove_checkpoint(void *ctx, const struct device *device, const char *name)
{
	(void)tracker_checkpoint_remove(tracker_of(ctx), device->disk_key, name);
}

const struct snapshot_ops snapshot_kernel_ops = {
	.resolve = op_resolve,
	.is_above = op_is_above,
	.check_storage = op_check_storage,
	.open_store = op_open_store,
	.close_store = op_close_store,
	.next_epoch = op_next_epoch,
	.check_checkpoint = op_check_checkpoint,
	.list_freeze = op_list_freeze,
	.create = op_create,
	.destroy = op_destroy,
	.put_checkpoint = op_put_checkpoint,
	.remove_checkpoint = op_remove_checkpoint,
};
