// SPDX-License-Identifier: GPL-2.0-only
/*
 * How is the module asked?  One function for each ioctl of its control device.
 */
#include "kctl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>

#include "cleanup.h"
#include "sysfs.h"

#define CONTROL_PATH	"/dev/" BPFSNAP_CONTROL_NAME

enum {
	LIST_ROOM	= 16,	/* items asked for at first */
	LIST_TRIES	= 8,	/* the list may grow between two looks */
};

static int control(unsigned long request, void *arg)
{
	_cleanup_(closep) int fd = open(CONTROL_PATH, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return ioctl(fd, request, arg) < 0 ? -errno : 0;
}

bool kctl_exists(void)
{
	return access(CONTROL_PATH, F_OK) == 0;
}

int kctl_version(struct bpfsnap_ioc_version *ret_version)
{
	*ret_version = (struct bpfsnap_ioc_version){ 0 };
	return control(BPFSNAP_IOC_VERSION, ret_version);
}

int kctl_attach(uint32_t disk_key, uint32_t timeout_ms)
{
	struct bpfsnap_ioc_attach attach = {
		.major = key_major(disk_key),
		.minor = key_minor(disk_key),
		.timeout_ms = timeout_ms,
	};

	return control(BPFSNAP_IOC_ATTACH, &attach);
}

int kctl_detach(uint32_t disk_key)
{
	struct bpfsnap_ioc_detach detach = {
		.major = key_major(disk_key),
		.minor = key_minor(disk_key),
	};

	return control(BPFSNAP_IOC_DETACH, &detach);
}

int kctl_snap_create(struct bpfsnap_ioc_snap_create *create)
{
	return control(BPFSNAP_IOC_SNAP_CREATE, create);
}

int kctl_snap_extend(const struct bpfsnap_ioc_snap_extend *extend)
{
	struct bpfsnap_ioc_snap_extend copy = *extend;

	return control(BPFSNAP_IOC_SNAP_EXTEND, &copy);
}

int kctl_snap_destroy(const uint8_t id[16], bool force)
{
	struct bpfsnap_ioc_snap_destroy destroy = { .flags = force ? BPFSNAP_DESTROY_FORCE : 0 };

	memcpy(destroy.id, id, sizeof(destroy.id));
	return control(BPFSNAP_IOC_SNAP_DESTROY, &destroy);
}

static int list(unsigned long request, size_t item_bytes, void **ret_items, size_t *ret_nr)
{
	uint32_t room = LIST_ROOM;
	int r;

	for (int i = 0; i < LIST_TRIES; i++) {
		_cleanup_(freep) void *items = calloc(room, item_bytes);
		struct bpfsnap_ioc_list l = { .items = (uintptr_t)items, .nr_items = room };

		if (!items)
			return -ENOMEM;
		r = control(request, &l);
		if (r < 0)
			return r;
		if (l.nr_items <= room) {
			*ret_items = TAKE_PTR(items);
			*ret_nr = l.nr_items;
			return 0;
		}
		room = l.nr_items + LIST_ROOM;
	}
	return -EAGAIN;
}

int kctl_origins(struct bpfsnap_origin_info **ret_items, size_t *ret_nr)
{
	return list(BPFSNAP_IOC_ORIGIN_LIST, sizeof(**ret_items), (void **)ret_items, ret_nr);
}

const struct bpfsnap_origin_info *kctl_find_origin(const struct bpfsnap_origin_info *origins,
						   size_t nr, uint32_t disk_key)
{
	/* The gate of a disk that is gone is not before the one that has its number. */
	for (size_t i = 0; i < nr; i++)
		if (key_make(origins[i].major, origins[i].minor) == disk_key &&
		    !(origins[i].flags & BPFSNAP_ORIGIN_GONE))
			return &origins[i];
	return NULL;
}

bool kctl_has_gate(uint32_t disk_key)
{
	_cleanup_(freep) struct bpfsnap_origin_info *origins = NULL;
	size_t nr = 0;

	return kctl_origins(&origins, &nr) >= 0 && kctl_find_origin(origins, nr, disk_key);
}

int kctl_snapshots(struct bpfsnap_snap_info **ret_items, size_t *ret_nr)
{
	return list(BPFSNAP_IOC_SNAP_LIST, sizeof(**ret_items), (void **)ret_items, ret_nr);
}
