// SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later
/*
 * histogram DISK [PINS]: how much of a tracked disk changed last in which epoch?
 *
 * Reads the pinned maps as anybody may who is root, without bpfsnapd: everything is mapped
 * read-only.  See bpfsnap-maps(7).
 *
 *   cc -Iinclude -o histogram docs/examples/histogram.c -lbpf
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <linux/types.h>

#include "bpfsnap_track.h"

enum { BAR_CHARS = 40 };

static const char *pins = BPFSNAP_PIN_DIR;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static int open_pin(const char *name)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", pins, name);
	fd = bpf_obj_get(path);
	if (fd < 0)
		fail(path);
	return fd;
}

/* Read-only memory of a handle that could do more: one that could not can't be mapped. */
static const void *map_fd(int fd, size_t bytes)
{
	size_t page = sysconf(_SC_PAGESIZE);
	void *map = mmap(NULL, (bytes + page - 1) / page * page, PROT_READ, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		fail("mmap");
	return map;
}

static const void *map_pin(const char *name, size_t bytes)
{
	return map_fd(open_pin(name), bytes);
}

/* The array of marks of a slot: the outer map tells its number. */
static const struct bpfsnap_page *map_marks(__u32 slot, __u64 nr_blk)
{
	__u64 nr_pages = (nr_blk + BPFSNAP_PAGE_BLOCKS - 1) / BPFSNAP_PAGE_BLOCKS;
	__u32 id;
	int fd;

	if (bpf_map_lookup_elem(open_pin("marks"), &slot, &id))
		fail("marks");
	fd = bpf_map_get_fd_by_id(id);
	if (fd < 0)
		fail("marks of the disk");
	return map_fd(fd, nr_pages * sizeof(struct bpfsnap_page));
}

static const struct bpfsnap_device *find(const struct bpfsnap_device *devices, const char *path,
					 __u32 *ret_slot)
{
	struct stat st;
	__u32 dev;

	if (stat(path, &st) || !S_ISBLK(st.st_mode))
		fail(path);
	dev = major(st.st_rdev) << 20 | minor(st.st_rdev);
	for (*ret_slot = 0; *ret_slot < BPFSNAP_TRACK_DEVICES; ++*ret_slot)
		if (devices[*ret_slot].dev == dev)
			return &devices[*ret_slot];
	fprintf(stderr, "%s is not tracked\n", path);
	exit(1);
}

static void print(const char *what, __u64 nr, __u64 of, unsigned int block_shift)
{
	int bar = of ? nr * BAR_CHARS / of : 0;

	printf("%-10s %12" PRIu64 " KiB |%.*s\n", what, (uint64_t)(nr << block_shift >> 10), bar,
	       "########################################");
}

int main(int argc, char **argv)
{
	static __u64 counts[BPFSNAP_MARK_MAX + 1];
	const struct bpfsnap_state *state;
	const struct bpfsnap_epochs *epochs;
	const struct bpfsnap_device *device;
	const struct bpfsnap_page *pages;
	__u32 slot, renumbering;
	char what[32];

	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: histogram DISK [PINS]\n");
		return 2;
	}
	pins = argc == 3 ? argv[2] : pins;
	state = map_pin("state", sizeof(*state));
	if (state->abi != BPFSNAP_TRACK_ABI) {
		fprintf(stderr, "the maps are of release %u, not %u\n", state->abi, BPFSNAP_TRACK_ABI);
		return 1;
	}
	epochs = map_pin("epochs", sizeof(*epochs));
	device = find(map_pin("devices", sizeof(*device) * BPFSNAP_TRACK_DEVICES), argv[1], &slot);
	pages = map_marks(slot, device->nr_blk);

	/* Should marks be renumbered meanwhile, what was counted means nothing. */
	do {
		renumbering = __atomic_load_n(&state->renumbering, __ATOMIC_ACQUIRE);
		memset(counts, 0, sizeof(counts));
		for (__u64 blk = 0; blk < device->nr_blk; blk++) {
			__u32 mark = pages[blk / BPFSNAP_PAGE_BLOCKS].mark[blk % BPFSNAP_PAGE_BLOCKS] &
				     BPFSNAP_MARK_MAX;

			counts[mark < device->floor ? device->floor : mark]++;
		}
	} while (renumbering & 1 ||
		 renumbering != __atomic_load_n(&state->renumbering, __ATOMIC_ACQUIRE));

	print("unchanged", counts[0], device->nr_blk, device->block_shift);
	for (__u32 mark = BPFSNAP_MARK_FIRST; mark <= BPFSNAP_MARK_MAX; mark++) {
		if (!counts[mark])
			continue;
		snprintf(what, sizeof(what), "epoch %u", epochs->last[mark]);
		print(what, counts[mark], device->nr_blk, device->block_shift);
	}
	return 0;
}
