// SPDX-License-Identifier: GPL-2.0-only
/*
 * How is one range of a snapshot handed out, or its storage made larger?
 */
#include "methods.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include <uuid/uuid.h>

#include "device.h"
#include "kctl.h"
#include "kload.h"

/**
 * struct range - one of a snapshot's
 * @index: among them
 */
struct range {
	struct bpfsnap_snap_info info;
	uint32_t index;
};

/* The range of the snapshot that a device is; without a device, the first. */
static int find_range(const struct call *call, uuid_t ret_id, struct range *ret_range,
		      struct fault *fault)
{
	const char *snapshot = arg_string(call, "snapshot"), *path = arg_string(call, "device");
	_cleanup_(freep) struct bpfsnap_snap_info *infos = NULL;
	struct device d = { 0 };
	bool is_held = false;
	uint32_t index = 0;
	size_t nr = 0;
	int r;

	r = kload_check(fault);
	if (r >= 0 && path)
		r = device_resolve(path, &d, fault);
	if (r < 0)
		return r;
	r = uuid_parse(snapshot, ret_id) < 0 ? 0 : kctl_snapshots(&infos, &nr);
	if (r < 0)
		return fault_system(fault, "list", r, "Snapshots cannot be listed: %s.",
				    strerror(-r));
	for (size_t i = 0; i < nr; i++) {
		if (memcmp(infos[i].id, ret_id, sizeof(infos[i].id)) != 0)
			continue;
		is_held = true;
		*ret_range = (struct range){ infos[i], index++ };
		if (!path || (key_make(infos[i].major, infos[i].minor) == d.disk_key &&
			      infos[i].start_sect == d.start_sect && infos[i].nr_sect == d.nr_sect))
			return 0;
	}
	if (!is_held)
		return fault_snapshot(fault, REASON_SNAPSHOT_NOT_FOUND, snapshot,
				      "There is no snapshot %s.", snapshot);
	return fault_device(fault, REASON_DEVICE_NOT_FOUND, d.name,
			    "%s is no device of the snapshot %s.", d.name, snapshot);
}

int method_open_image(struct call *call, struct fault *fault)
{
	char image[DEVICE_NAME_MAX];
	struct range range;
	uint32_t image_key;
	struct stat st;
	uuid_t id;
	int r, fd;

	r = find_range(call, id, &range, fault);
	if (r < 0)
		return r;
	image_key = key_make(range.info.image_major, range.info.image_minor);
	device_name(image_key, image, sizeof(image));
	fd = open(image, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fault_system(fault, "open", -errno, "%s cannot be opened: %s.", image,
				    strerror(errno));
	if (fstat(fd, &st) < 0 || !S_ISBLK(st.st_mode) || key_of(st.st_rdev) != image_key) {
		close(fd);
		return fault_system(fault, "open", -ENODEV, "%s is another device meanwhile.", image);
	}
	call->reply = json_object_new_object();
	put_string(call->reply, "image", image);
	put_u64(call->reply, "size", range.info.nr_sect << 9);
	return put_handle(call, call->reply, "image_fd", fd);
}

/* Not in turn: writers may be waiting for it. */
int method_extend_storage(struct call *call, struct fault *fault)
{
	struct bpfsnap_ioc_snap_extend extend = { 0 };
	struct range range;
	int64_t limit;
	uuid_t id;
	int r;

	r = arg_int(call, "limit", 1 << 20, INT64_MAX, 0, &limit, fault);
	if (r >= 0)
		r = find_range(call, id, &range, fault);
	if (r < 0)
		return r;
	memcpy(extend.id, id, sizeof(extend.id));
	extend.index = range.index;
	extend.limit_bytes = (uint64_t)limit;
	r = kctl_snap_extend(&extend);
	if (r == -EINVAL)
		return fault_service(fault, REASON_INVALID_PARAMETER, "limit");
	if (r < 0)
		return fault_system(fault, "extend", r, "The storage cannot be extended: %s.",
				    strerror(-r));
	return 0;
}
