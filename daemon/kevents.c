// SPDX-License-Identifier: GPL-2.0-only
/*
 * What does the kernel module tell of by itself?
 */
#include "kevents.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <uuid/uuid.h>

#include "device.h"
#include "events.h"
#include "kctl.h"
#include "log.h"

static int fd = -1;
/* The last one that was passed on: the ring is read from its beginning when it is opened. */
static uint64_t last_seq, last_ns;

/* By name, and in a sentence about a snapshot. */
static const struct { const char *name, *text; } failures[] = {
	[BPFSNAP_FAILURE_STORAGE_FULL]	= { "storage-full", "its storage is full" },
	[BPFSNAP_FAILURE_STORAGE_WRITE]	= { "storage-write", "its storage could not be written to" },
	[BPFSNAP_FAILURE_STORAGE_READ]	= { "storage-read", "its storage could not be read" },
	[BPFSNAP_FAILURE_STORAGE_HANGS]	= { "storage-hangs", "its storage hangs" },
	[BPFSNAP_FAILURE_NO_MEMORY]	= { "no-memory", "there is no memory for old content" },
	[BPFSNAP_FAILURE_DISK_READ]	= { "disk-read", "the disk's old content could not be read" },
	[BPFSNAP_FAILURE_DISK_GONE]	= { "disk-gone", "the disk, its medium or the range's end is gone" },
	[BPFSNAP_FAILURE_FORCED]	= { "forced", "it was destroyed while its image was open" },
};

/* A module of a later release may have more. */
static bool is_known(uint32_t failure)
{
	return failure < sizeof(failures) / sizeof(failures[0]) && failures[failure].name;
}

const char *kevents_failure(uint32_t failure)
{
	return is_known(failure) ? failures[failure].name : "unknown";
}

int kevents_update(void)
{
	_cleanup_(freep) struct bpfsnap_origin_info *origins = NULL;
	size_t nr = 0;

	if (kctl_origins(&origins, &nr) < 0)
		nr = 0;
	if (nr > 0 && fd < 0)
		fd = open("/dev/" BPFSNAP_CONTROL_NAME, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (nr == 0)
		kevents_close();
	return fd;
}

void kevents_close(void)
{
	closep(&fd);
	fd = -1;
}

static void pass_on(const struct bpfsnap_event *e)
{
	uint32_t image_key = key_make(e->image_major, e->image_minor);
	char image[DEVICE_NAME_MAX];
	struct event event = { .time_ns = e->time_ns, .value = (int64_t)e->value };
	const char *why;

	device_name(key_make(e->major, e->minor), event.device, sizeof(event.device));
	device_name(image_key, image, sizeof(image));
	uuid_unparse_lower(e->id, event.snapshot);
	switch (e->kind) {
	case BPFSNAP_EVENT_FAILED:
		event.kind = EVENT_SNAPSHOT_FAILED;
		event.value = (int64_t)(e->value << 9);
		why = is_known(e->reason) ? failures[e->reason].text : "for an unknown reason";
		events_add(&event, "The image %s of %s failed for good: %s (%s).", image, event.device,
			   why, strerror((int)e->error));
		log_warning("snapshot %s: the image %s of %s failed: %s (%s)", event.snapshot, image,
			    event.device, why, strerror((int)e->error));
		break;
	case BPFSNAP_EVENT_LOW_SPACE:
		event.kind = EVENT_LOW_SPACE;
		events_add(&event, event.value ? "The storage of %s has %lld bytes left." :
			   "The storage of %s is full, and waits to be extended.", image,
			   (long long)event.value);
		log_warning("snapshot %s: the storage of %s has %lld bytes left", event.snapshot,
			    image, (long long)event.value);
		break;
	default:
		log_warning("the module tells of something new: %u", e->kind);
	}
}

void kevents_read(void)
{
	struct bpfsnap_event all[32];
	ssize_t n;

	while (fd >= 0 && (n = read(fd, all, sizeof(all))) > 0) {
		for (size_t i = 0; i < (size_t)n / sizeof(all[0]); i++) {
			/* A module that was loaded anew counts anew, but not its clock. */
			if (all[i].seq <= last_seq && all[i].time_ns <= last_ns)
				continue;
			if (last_seq && all[i].seq > last_seq + 1)
				events_add(&(struct event){ .kind = EVENT_MISSED,
					   .value = (int64_t)(all[i].seq - last_seq - 1) },
					   "The module told of more than was read in time.");
			last_seq = all[i].seq;
			last_ns = all[i].time_ns;
			pass_on(&all[i]);
		}
	}
}
