// SPDX-License-Identifier: GPL-2.0-only
/*
 * How are pinned maps opened, checked and mapped into memory?
 *
 * Pins of another release are told by the number in front of the state map, and by the
 * shapes of all: what has another size is not looked into.
 */
#include "tracker_pins.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <bpf/bpf.h>

const char *const tracker_map_names[MAP_NR] = {
	[MAP_STATE] = "state",
	[MAP_EPOCHS] = "epochs",
	[MAP_DISKS] = "disks",
	[MAP_DEVICES] = "devices",
	[MAP_COUNTERS] = "counters",
	[MAP_HISTORY] = "history",
	[MAP_WRITERS] = "writers",
	[MAP_MARKS] = "marks",
	[MAP_PROTO] = "marks_proto",
	[MAP_CHECKPOINTS] = "checkpoints",
};

/* value_bytes 0: not a struct of ours; place 0: of no pointer in struct tracker, not mapped. */
static const struct {
	size_t value_bytes;
	uint32_t nr;
	size_t place;
} shapes[MAP_NR] = {
#define ARRAY(which, type, nr, member) \
	[which] = { sizeof(type), nr, offsetof(struct tracker, member) }
	ARRAY(MAP_STATE, struct bpfsnap_state, 1, state),
	ARRAY(MAP_EPOCHS, struct bpfsnap_epochs, 1, epochs),
	ARRAY(MAP_DISKS, struct bpfsnap_disks, 1, disks),
	ARRAY(MAP_DEVICES, struct bpfsnap_device, BPFSNAP_TRACK_DEVICES, devices),
	ARRAY(MAP_COUNTERS, struct bpfsnap_counters, BPFSNAP_TRACK_DEVICES, counters),
	ARRAY(MAP_HISTORY, struct bpfsnap_history, BPFSNAP_TRACK_DEVICES, history),
	ARRAY(MAP_WRITERS, struct bpfsnap_writers, BPFSNAP_TRACK_DEVICES, writers),
#undef ARRAY
	[MAP_MARKS] = { 0, BPFSNAP_TRACK_DEVICES, 0 },
	[MAP_PROTO] = { sizeof(struct bpfsnap_page), 1, 0 },
	[MAP_CHECKPOINTS] = { sizeof(struct bpfsnap_checkpoint), BPFSNAP_CHECKPOINTS, 0 },
};

/* The kernel keeps the values of an array 8 bytes apart: so does C. */
_Static_assert(sizeof(struct bpfsnap_device) % 8 == 0, "array of devices");
_Static_assert(sizeof(struct bpfsnap_counters) % 8 == 0, "array of counters");
_Static_assert(sizeof(struct bpfsnap_history) % 8 == 0, "array of histories");
_Static_assert(sizeof(struct bpfsnap_writers) % 8 == 0, "array of writers");

void tracker_pin_path(const struct tracker *t, const char *name, char *ret_path, size_t room)
{
	snprintf(ret_path, room, "%s/%s", t->dir, name);
}

static size_t mapped_bytes(enum tracker_map map)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t len = shapes[map].value_bytes * shapes[map].nr;

	return (len + page - 1) / page * page;
}

uint64_t tracker_base_bytes(void)
{
	uint64_t sum = 0;

	for (int i = 0; i < MAP_NR; i++)
		sum += shapes[i].place ? mapped_bytes((enum tracker_map)i) : 0;
	return sum;
}

static void **place_of(struct tracker *t, enum tracker_map map)
{
	return (void **)((char *)t + shapes[map].place);
}

void tracker_close_maps(struct tracker *t)
{
	for (int i = 0; i < MAP_NR; i++) {
		enum tracker_map map = (enum tracker_map)i;

		if (shapes[i].place && *place_of(t, map)) {
			munmap(*place_of(t, map), mapped_bytes(map));
			*place_of(t, map) = NULL;
		}
		closep(&t->maps[i]);
		t->maps[i] = -1;
	}
}

static int check_shape(int fd, enum tracker_map map)
{
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
		return -errno;
	if (info.max_entries != shapes[map].nr ||
	    (shapes[map].value_bytes && info.value_size != shapes[map].value_bytes))
		return -EPROTO;
	return 0;
}

static int open_map(struct tracker *t, enum tracker_map map)
{
	char path[512];
	void *mapped;
	int r;

	tracker_pin_path(t, tracker_map_names[map], path, sizeof(path));
	t->maps[map] = bpf_obj_get(path);
	if (t->maps[map] < 0)
		return -errno;
	r = check_shape(t->maps[map], map);
	if (r < 0 || !shapes[map].place)
		return r;
	mapped = mmap(NULL, mapped_bytes(map), PROT_READ | PROT_WRITE, MAP_SHARED, t->maps[map], 0);
	if (mapped == MAP_FAILED)
		return -errno;
	*place_of(t, map) = mapped;
	return 0;
}

/* Of any release: its number is the first word of the state map's only value. */
static int check_abi(const struct tracker *t)
{
	_cleanup_(closep) int fd = -1;
	struct bpf_map_info info = { 0 };
	uint32_t zero = 0, len = sizeof(info);
	char path[512], value[4096];
	__u32 abi;

	tracker_pin_path(t, tracker_map_names[MAP_STATE], path, sizeof(path));
	fd = bpf_obj_get(path);
	if (fd < 0)
		return -errno;
	if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
		return -errno;
	if (info.value_size < sizeof(abi) || info.value_size > sizeof(value))
		return -EPROTO;
	if (bpf_map_lookup_elem(fd, &zero, value) < 0)
		return -errno;
	memcpy(&abi, value, sizeof(abi));
	return abi == BPFSNAP_TRACK_ABI ? 0 : -EPROTO;
}

int tracker_open_maps(struct tracker *t)
{
	int r;

	r = check_abi(t);
	for (int i = 0; r >= 0 && i < MAP_NR; i++)
		r = open_map(t, (enum tracker_map)i);
	if (r < 0)
		tracker_close_maps(t);
	return r;
}
