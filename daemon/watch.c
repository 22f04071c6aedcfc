// SPDX-License-Identifier: GPL-2.0-only
/*
 * What has become of the disks since we last looked?
 */
#include "watch.h"

#include <string.h>

#include "device.h"
#include "doubt.h"
#include "events.h"
#include "log.h"
#include "view.h"

/**
 * struct seen - a disk as it was at the last look
 * @uncertain: doubts that were told of
 */
static struct seen {
	uint32_t disk_key;
	uint8_t generation[16];
	uint32_t uncertain;
} seen[BPFSNAP_TRACK_DEVICES];

static struct seen *find(uint32_t disk_key)
{
	struct seen *free_one = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(seen); i++) {
		if (seen[i].disk_key == disk_key)
			return &seen[i];
		if (!free_one && !seen[i].disk_key)
			free_one = &seen[i];
	}
	return free_one;
}

static void tell(const struct view *view, uint32_t disk_key, const struct bpfsnap_device *tracked,
		 uint32_t doubts)
{
	struct event event = { .kind = EVENT_UNCERTAIN };
	char text[EVENT_TEXT_MAX];

	device_name(disk_key, event.device, sizeof(event.device));
	for (int i = 0; i < BPFSNAP_DOUBT_NR; i++) {
		if (!(doubts & 1u << i))
			continue;
		doubt_one(tracked, (enum bpfsnap_doubt_reason)i, view->boot_offset_ns, text,
			  sizeof(text));
		event.value = tracked->doubts[i].epoch;
		events_add(&event, "%s", text);
		log_warning("%s is uncertain: %s", event.device, text);
	}
}

static void look(const struct view *view, uint32_t disk_key, bool is_first)
{
	struct seen *s = find(disk_key);
	struct bpfsnap_device tracked;

	if (!s || tracker_device(view->tracker, disk_key, &tracked) < 0)
		return;
	if (s->disk_key != disk_key || memcmp(s->generation, tracked.generation, 16) != 0) {
		*s = (struct seen){ .disk_key = disk_key,
				    .uncertain = is_first ? tracked.uncertain : 0 };
		memcpy(s->generation, tracked.generation, sizeof(s->generation));
	}
	if (tracked.uncertain & ~s->uncertain)
		tell(view, disk_key, &tracked, tracked.uncertain & ~s->uncertain);
	s->uncertain |= tracked.uncertain;
}

void watch_disks(struct tracker *tracker, bool is_first)
{
	_cleanup_(view_done) struct view view = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(seen); i++) {
		struct bpfsnap_device unused;

		if (seen[i].disk_key && tracker_device(tracker, seen[i].disk_key, &unused) < 0)
			seen[i] = (struct seen){ 0 };
	}
	if (!tracker_is_loaded(tracker) || view_take(tracker, &view) < 0)
		return;
	for (size_t i = 0; i < view.disks.nr; i++)
		if (!tracker_is_attaching(tracker, view.disks.items[i]))
			look(&view, view.disks.items[i], is_first);
}
