// SPDX-License-Identifier: GPL-2.0-only
/*
 * What do the tracking programs know of a disk, and how do they come to know one?
 */
#include "tracker_pins.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <bpf/bpf.h>
#include <uuid/uuid.h>

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static uint64_t nr_pages(uint64_t nr_blk)
{
	return (nr_blk + BPFSNAP_PAGE_BLOCKS - 1) / BPFSNAP_PAGE_BLOCKS;
}

uint64_t tracker_map_bytes(uint64_t nr_blk)
{
	return nr_pages(nr_blk) * sizeof(struct bpfsnap_page);
}

int tracker_check(const struct tracker *t, struct fault *fault)
{
	if (!t->unavailable)
		return 0;
	return fault_plain(fault, REASON_TRACKER_UNAVAILABLE, "%s", t->unavailable);
}

bool tracker_is_loaded(const struct tracker *t)
{
	return t->maps[MAP_DEVICES] >= 0;
}

static int open_link(enum tracker_link link)
{
	char path[128];

	tracker_pin_path(tracker_link_names[link], path, sizeof(path));
	return bpf_obj_get(path);
}

bool tracker_is_gated(const struct tracker *t)
{
	_cleanup_(closep) int fd = -1;

	if (!tracker_is_loaded(t))
		return false;
	fd = open_link(LINK_WRITE);
	return fd >= 0;
}

/* A link's program, asked how often it was skipped. */
static bool look_at_link(enum tracker_link link, uint64_t *ret_misses)
{
	_cleanup_(closep) int fd = open_link(link), prog_fd = -1;
	struct bpf_link_info link_info = { 0 };
	struct bpf_prog_info prog_info = { 0 };
	uint32_t len = sizeof(link_info);

	*ret_misses = 0;
	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &link_info, &len) < 0)
		return false;
	prog_fd = bpf_prog_get_fd_by_id(link_info.prog_id);
	len = sizeof(prog_info);
	if (prog_fd < 0 || bpf_obj_get_info_by_fd(prog_fd, &prog_info, &len) < 0)
		return false;
	*ret_misses = prog_info.recursion_misses;
	return true;
}

void tracker_links(const struct tracker *t, struct tracker_links *ret_links)
{
	uint64_t unused;

	*ret_links = (struct tracker_links){ 0 };
	if (!tracker_is_loaded(t))
		return;
	ret_links->has_write = look_at_link(LINK_WRITE, &ret_links->write_misses);
	ret_links->has_queue = look_at_link(LINK_QUEUE, &ret_links->queue_misses);
	ret_links->has_switch = look_at_link(LINK_SWITCH, &unused);
}

int tracker_epoch(const struct tracker *t, uint32_t *ret_epoch)
{
	struct bpfsnap_state state;
	uint32_t zero = 0;

	if (!tracker_is_loaded(t))
		return -ENODEV;
	if (bpf_map_lookup_elem(t->maps[MAP_STATE], &zero, &state) < 0)
		return -errno;
	*ret_epoch = state.epoch;
	return 0;
}

int tracker_device(const struct tracker *t, uint32_t disk_key, struct bpfsnap_device *ret_device)
{
	if (!tracker_is_loaded(t))
		return -ENODEV;
	if (bpf_map_lookup_elem(t->maps[MAP_DEVICES], &disk_key, ret_device) < 0)
		return errno == ENOENT ? -ENODEV : -errno;
	return 0;
}

int tracker_disks(const struct tracker *t, struct keys *ret_keys)
{
	uint32_t key, *previous = NULL;
	int r;

	if (!tracker_is_loaded(t))
		return 0;
	while (bpf_map_get_next_key(t->maps[MAP_DEVICES], previous, &key) == 0) {
		r = keys_add(ret_keys, key);
		if (r < 0)
			return r;
		previous = &key;
	}
	return errno == ENOENT ? 0 : -errno;
}

/* An array like the prototype, as long as the disk needs it. */
static int make_marks(const struct tracker *t, uint64_t nr_blk)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts);
	_cleanup_(closep) int btf_fd = -1;
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);
	int fd;

	if (nr_pages(nr_blk) > UINT32_MAX)
		return -EFBIG;
	if (bpf_obj_get_info_by_fd(t->maps[MAP_PROTO], &info, &len) < 0)
		return -errno;
	opts.map_flags = info.map_flags;
	if (info.btf_id) {
		btf_fd = bpf_btf_get_fd_by_id(info.btf_id);
		if (btf_fd < 0)
			return -errno;
		opts.btf_fd = (uint32_t)btf_fd;
		opts.btf_key_type_id = info.btf_key_type_id;
		opts.btf_value_type_id = info.btf_value_type_id;
	}
	fd = bpf_map_create(info.type, "bpfsnap_marks", info.key_size, info.value_size,
			    (uint32_t)nr_pages(nr_blk), &opts);
	return fd < 0 ? -errno : fd;
}

int tracker_add(struct tracker *t, uint32_t disk_key, uint64_t size_bytes,
		unsigned int block_shift)
{
	_cleanup_(closep) int marks_fd = -1;
	struct bpfsnap_device d = {
		.nr_blk = (size_bytes + (1ull << block_shift) - 1) >> block_shift,
		.block_shift = block_shift,
		.attached_ns = now_ns(),
	};
	int r;

	r = tracker_epoch(t, &d.first_epoch);
	if (r < 0)
		return r;
	uuid_generate_random(d.generation);
	marks_fd = make_marks(t, d.nr_blk);
	if (marks_fd < 0)
		return marks_fd;
	/*
	 * The programs begin with the devices entry and doubt a disk that has one but
	 * no marks: marks come first and go last.
	 */
	if (bpf_map_update_elem(t->maps[MAP_MARKS], &disk_key, &marks_fd, BPF_NOEXIST) < 0)
		return -errno;
	if (bpf_map_update_elem(t->maps[MAP_DEVICES], &disk_key, &d, BPF_NOEXIST) < 0) {
		r = -errno;
		bpf_map_delete_elem(t->maps[MAP_MARKS], &disk_key);
		return r;
	}
	return 0;
}

static int remove_checkpoints(struct tracker *t, uint32_t disk_key)
{
	_cleanup_(freep) struct tracker_checkpoint *items = NULL;
	size_t nr;
	int r;

	r = tracker_checkpoints(t, &items, &nr);
	if (r < 0)
		return r;
	for (size_t i = 0; i < nr; i++)
		if (items[i].key.dev == disk_key)
			bpf_map_delete_elem(t->maps[MAP_CHECKPOINTS], &items[i].key);
	return 0;
}

int tracker_remove(struct tracker *t, uint32_t disk_key)
{
	int r;

	if (!tracker_is_loaded(t))
		return -ENODEV;
	r = remove_checkpoints(t, disk_key);
	if (r < 0)
		return r;
	if (bpf_map_delete_elem(t->maps[MAP_DEVICES], &disk_key) < 0)
		return errno == ENOENT ? -ENODEV : -errno;
	bpf_map_delete_elem(t->maps[MAP_MARKS], &disk_key);
	return 0;
}

int tracker_marks(const struct tracker *t, uint32_t disk_key, uint64_t nr_blk,
		  struct tracker_marks *ret_marks)
{
	_cleanup_(closep) int fd = -1;
	struct bpf_map_info info = { 0 };
	uint32_t id, len = sizeof(info);
	size_t len_bytes = tracker_map_bytes(nr_blk);
	void *pages;

	if (!tracker_is_loaded(t))
		return -ENODEV;
	if (bpf_map_lookup_elem(t->maps[MAP_MARKS], &disk_key, &id) < 0)
		return -errno;
	fd = bpf_map_get_fd_by_id(id);
	if (fd < 0)
		return -errno;
	if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
		return -errno;
	/* Two entries that were not made together would be read beyond their end. */
	if (info.value_size != sizeof(struct bpfsnap_page) || info.max_entries != nr_pages(nr_blk))
		return -EBADMSG;
	pages = mmap(NULL, len_bytes, PROT_READ, MAP_SHARED, fd, 0);
	if (pages == MAP_FAILED)
		return -errno;
	*ret_marks = (struct tracker_marks){ pages, len_bytes };
	return 0;
}

void tracker_marks_done(struct tracker_marks *marks)
{
	if (marks->pages)
		munmap((void *)marks->pages, marks->len_bytes);
	*marks = (struct tracker_marks){ 0 };
}
