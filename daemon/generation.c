// SPDX-License-Identifier: GPL-2.0-only
/*
 * When does the history of a disk begin anew, and why?
 *
 * A disk's number is not its name: numbers are given to other disks, media are
 * changed, loop devices get other files.  The kernel's sequence number of a disk is
 * never given again, and tells.
 */
#include "generation.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "device.h"
#include "events.h"
#include "log.h"

static const struct {
	const char *name;
	const char *sentence;
} causes[] = {
	[BPFSNAP_CAUSE_ATTACHED] = { "attached", "the device was attached" },
	[BPFSNAP_CAUSE_MAP_LOST] = { "map-lost",
		"the device was attached again after its maps were lost" },
	[BPFSNAP_CAUSE_RESIZED] = { "resized", "the device had got another size" },
	[BPFSNAP_CAUSE_REPLACED] = { "replaced",
		"another medium, or another device, had taken the number of the one before" },
	[BPFSNAP_CAUSE_ASKED] = { "asked", "a client asked for a new history" },
};

const char *generation_cause(const struct bpfsnap_device *d)
{
	return d->cause < ARRAY_SIZE(causes) ? causes[d->cause].name : "unknown";
}

void generation_why(const struct bpfsnap_device *d, char *ret_text, size_t room)
{
	time_t seconds = (time_t)(d->began_ns / 1000000000);
	char when[40] = "";
	struct tm tm;

	if (gmtime_r(&seconds, &tm))
		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	snprintf(ret_text, room, "Its history began at %s, when %s: what changed before is not known.",
		 when, d->cause < ARRAY_SIZE(causes) ? causes[d->cause].sentence :
		 "something happened that only a newer release knows");
}

int generation_disk(uint32_t disk_key, const struct reach *reach, enum bpfsnap_cause cause,
		    struct tracker_disk *ret_disk)
{
	struct device d;

	if (device_get(disk_key, &d) < 0)
		return -ENODEV;
	*ret_disk = (struct tracker_disk){
		.size_bytes = d.disk_nr_sect << 9,
		.diskseq = reach->diskseq,
		.zone_sect = reach->zone_sect,
		.transport = reach->transport,
		.cause = cause,
	};
	return 0;
}

/* Not while something goes on that moves the epoch, which may take its time: later then. */
static int renew(struct tracker *tracker, uint32_t disk_key, const struct tracker_disk *disk)
{
	bool takes_turn = !tracker_has_turn();
	int r;

	if (takes_turn && !tracker_try_turn(tracker))
		return -EBUSY;
	r = tracker_renew(tracker, disk_key, disk);
	if (takes_turn)
		tracker_give_turn(tracker);
	return r;
}

bool generation_knows(const struct bpfsnap_device *device, int64_t since, uint32_t current)
{
	return since >= (int64_t)device->first_epoch - 1 && since < (int64_t)current;
}

void generation_tell(const struct tracker *tracker, uint32_t disk_key)
{
	struct event event = { .kind = EVENT_GENERATION };
	struct bpfsnap_device tracked;
	char why[256];

	if (tracker_device(tracker, disk_key, &tracked) < 0)
		return;
	device_name(disk_key, event.device, sizeof(event.device));
	event.value = tracked.first_epoch;
	generation_why(&tracked, why, sizeof(why));
	events_add(&event, "%s", why);
}

void generation_check(struct tracker *tracker, uint32_t disk_key, const struct reach *reach)
{
	struct bpfsnap_device tracked;
	struct tracker_disk disk;
	char name[DEVICE_NAME_MAX];
	bool is_other, is_resized;
	int r;

	if (tracker_device(tracker, disk_key, &tracked) < 0 ||
	    generation_disk(disk_key, reach, BPFSNAP_CAUSE_REPLACED, &disk) < 0)
		return;
	is_other = disk.diskseq != tracked.diskseq;
	/* No size is no medium: the next one has another sequence number. */
	is_resized = disk.size_bytes >> 9 != tracked.nr_sect || tracked.uncertain & BPFSNAP_UNCERTAIN_SIZE;
	if (!(is_other || is_resized) || disk.size_bytes == 0)
		return;
	if (!is_other)
		disk.cause = BPFSNAP_CAUSE_RESIZED;
	device_name(disk_key, name, sizeof(name));
	r = renew(tracker, disk_key, &disk);
	if (r >= 0)
		generation_tell(tracker, disk_key);
	else
		/* The old history goes on, and says that it is uncertain. */
		tracker_doubt(tracker, disk_key, BPFSNAP_DOUBT_SIZE);
	if (r == -EBUSY)
		return;
	log_warning("%s: a new history, since %s%s%s", name, causes[disk.cause].sentence,
		    r < 0 ? "; which failed: " : "", r < 0 ? strerror(-r) : "");
}
