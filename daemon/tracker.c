// SPDX-License-Identifier: GPL-2.0-only
/*
 * What do the tracking programs know of a disk, and how do they come to know one?
 *
 * A slot is made whole before its room in the map of disks names it, and left alone
 * until after the room is emptied and no program runs that may have seen it full.
 */
#include "tracker_pins.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include <bpf/bpf.h>
#include <uuid/uuid.h>

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static uint64_t nr_pages(uint64_t nr_blk)
{
	return (nr_blk + BPFSNAP_PAGE_BLOCKS - 1) / BPFSNAP_PAGE_BLOCKS;
}

void tracker_set_attaching(struct tracker *t, uint32_t disk_key)
{
	t->attaching = disk_key;
}

bool tracker_is_attaching(const struct tracker *t, uint32_t disk_key)
{
	return disk_key && t->attaching == disk_key;
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

static int open_link(const struct tracker *t, enum tracker_link link)
{
	char path[512];

	tracker_pin_path(t, tracker_link_names[link], path, sizeof(path));
	return bpf_obj_get(path);
}

bool tracker_is_gated(const struct tracker *t)
{
	_cleanup_(closep) int fd = -1;

	if (!tracker_is_loaded(t))
		return false;
	fd = open_link(t, LINK_WRITE);
	return fd >= 0;
}

/* A link's program, asked how often it was skipped. */
static bool look_at_link(const struct tracker *t, enum tracker_link link, uint64_t *ret_misses)
{
	_cleanup_(closep) int fd = open_link(t, link), prog_fd = -1;
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
	static const enum tracker_link links[BPFSNAP_CHANNEL_NR] = {
		[BPFSNAP_CHANNEL_WRITE] = LINK_WRITE,
		[BPFSNAP_CHANNEL_QUEUE] = LINK_QUEUE,
		[BPFSNAP_CHANNEL_AGAIN] = LINK_AGAIN,
		[BPFSNAP_CHANNEL_REMAP] = LINK_REMAP,
		[BPFSNAP_CHANNEL_ISSUE] = LINK_ISSUE,
		[BPFSNAP_CHANNEL_DONE] = LINK_DONE,
		[BPFSNAP_CHANNEL_DONE_AGAIN] = LINK_DONE_AGAIN,
	};
	uint64_t unused;

	*ret_links = (struct tracker_links){ 0 };
	if (!tracker_is_loaded(t))
		return;
	for (int i = 0; i < BPFSNAP_CHANNEL_NR; i++)
		ret_links->has[i] = look_at_link(t, links[i], &ret_links->misses[i]);
	ret_links->has_switch = look_at_link(t, LINK_SWITCH, &unused);
}

struct bpfsnap_device *tracker_find(const struct tracker *t, uint32_t disk_key,
				    uint32_t *ret_slot)
{
	if (!tracker_is_loaded(t) || !disk_key)
		return NULL;
	for (uint32_t slot = 0; slot < BPFSNAP_TRACK_DEVICES; slot++) {
		if (t->devices[slot].dev != disk_key)
			continue;
		if (ret_slot)
			*ret_slot = slot;
		return &t->devices[slot];
	}
	return NULL;
}

int tracker_device(const struct tracker *t, uint32_t disk_key, struct bpfsnap_device *ret_device)
{
	const struct bpfsnap_device *d = tracker_find(t, disk_key, NULL);

	/* One that comes or goes is nobody's but whose turn it is. */
	if (!d || (tracker_is_attaching(t, disk_key) && !tracker_has_turn()))
		return -ENODEV;
	*ret_device = *d;
	return 0;
}

int tracker_disks(const struct tracker *t, struct keys *ret_keys)
{
	int r;

	if (!tracker_is_loaded(t))
		return 0;
	for (uint32_t slot = 0; slot < BPFSNAP_TRACK_DEVICES; slot++) {
		if (!t->devices[slot].dev)
			continue;
		r = keys_add(ret_keys, t->devices[slot].dev);
		if (r < 0)
			return r;
	}
	return 0;
}

static void add_up(const struct bpfsnap_counters *all, struct bpfsnap_stripe *sum)
{
	*sum = (struct bpfsnap_stripe){ 0 };
	for (int i = 0; i < BPFSNAP_STRIPES; i++) {
		sum->gate_bios += all->stripe[i].gate_bios;
		sum->gate_sect += all->stripe[i].gate_sect;
		sum->queue_bios += all->stripe[i].queue_bios;
		sum->queue_sect += all->stripe[i].queue_sect;
		sum->discard_sect += all->stripe[i].discard_sect;
		sum->changed_blk += all->stripe[i].changed_blk;
	}
}

void tracker_totals(const struct tracker *t, uint32_t disk_key, struct bpfsnap_stripe *ret_sum)
{
	uint32_t slot;

	*ret_sum = (struct bpfsnap_stripe){ 0 };
	if (tracker_find(t, disk_key, &slot))
		add_up(&t->counters[slot], ret_sum);
}

int tracker_history(const struct tracker *t, uint32_t disk_key, struct bpfsnap_history *ret_history)
{
	uint32_t slot;

	if (!tracker_find(t, disk_key, &slot))
		return -ENODEV;
	*ret_history = t->history[slot];
	return 0;
}

int tracker_writers(const struct tracker *t, uint32_t disk_key, struct bpfsnap_writers *ret_writers)
{
	uint32_t slot;

	if (!tracker_find(t, disk_key, &slot))
		return -ENODEV;
	*ret_writers = t->writers[slot];
	return 0;
}

void tracker_note_start(const struct tracker *t, uint32_t slot)
{
	struct bpfsnap_start *start;
	struct bpfsnap_stripe sum;

	add_up(&t->counters[slot], &sum);
	start = &t->history[slot].start[t->state->epoch % BPFSNAP_HISTORY_EPOCHS];
	start->boot_ns = clock_ns(CLOCK_BOOTTIME);
	start->queue_sect = sum.queue_sect;
	start->discard_sect = sum.discard_sect;
	start->changed_blk = sum.changed_blk;
	store_u32(&start->epoch, t->state->epoch);
}

void tracker_doubt(const struct tracker *t, uint32_t disk_key, enum bpfsnap_doubt_reason reason)
{
	tracker_doubt_in(t, disk_key, reason, load_u32(&t->state->epoch));
}

void tracker_doubt_in(const struct tracker *t, uint32_t disk_key, enum bpfsnap_doubt_reason reason,
		      uint32_t epoch)
{
	struct bpfsnap_device *d = tracker_find(t, disk_key, NULL);
	struct bpfsnap_doubt *doubt;

	if (!d)
		return;
	doubt = &d->doubts[reason];
	/* A state that lasts is not another event each time when it is looked at. */
	if (d->uncertain & 1u << reason && doubt->epoch >= epoch)
		return;
	doubt->epoch = epoch;
	doubt->boot_ns = clock_ns(CLOCK_BOOTTIME);
	doubt->count++;
	__atomic_fetch_or(&d->uncertain, 1u << reason, __ATOMIC_RELEASE);
}

void tracker_trust(const struct tracker *t, uint32_t disk_key,
		   const uint64_t misses[BPFSNAP_CHANNEL_NR])
{
	struct bpfsnap_device *d = tracker_find(t, disk_key, NULL);

	for (int i = 0; d && i < BPFSNAP_CHANNEL_NR; i++)
		d->misses[i] = misses[i];
}

bool tracker_earlier(const struct tracker *t, uint32_t disk_key, struct tracker_look *ret_look)
{
	const struct bpfsnap_device *d;
	uint32_t slot;

	d = tracker_find(t, disk_key, &slot);
	if (!d || !t->looks[slot].ns ||
	    memcmp(t->looks[slot].generation, d->generation, sizeof(d->generation)) != 0)
		return false;
	*ret_look = t->looks[slot];
	return true;
}

void tracker_note_look(struct tracker *t, uint32_t disk_key,
		       const uint64_t misses[BPFSNAP_CHANNEL_NR])
{
	const struct bpfsnap_device *d;
	struct tracker_look *look;
	uint32_t slot;

	d = tracker_find(t, disk_key, &slot);
	if (!d)
		return;
	look = &t->looks[slot];
	memcpy(look->generation, d->generation, sizeof(look->generation));
	memcpy(look->misses, misses, sizeof(look->misses));
	look->epoch = load_u32(&t->state->epoch);
	look->ns = clock_ns(CLOCK_MONOTONIC);
}

int tracker_open_marks(const struct tracker *t, uint32_t slot)
{
	uint32_t id;
	int fd;

	if (bpf_map_lookup_elem(t->maps[MAP_MARKS], &slot, &id) < 0)
		return -errno;
	fd = bpf_map_get_fd_by_id(id);
	return fd < 0 ? -errno : fd;
}

/*
 * Programs run in RCU's read sections.  The kernel waits for one grace period in
 * membarrier(), and, where that is not to be had, when an inner map is exchanged, even
 * for itself.
 */
int tracker_barrier(struct tracker *t)
{
	if (TRACKER_WAIT(t, syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0)) == 0)
		return 0;
	for (uint32_t slot = 0; slot < BPFSNAP_TRACK_DEVICES; slot++) {
		_cleanup_(closep) int fd = t->devices[slot].dev ? tracker_open_marks(t, slot) : -1;

		if (fd >= 0)
			return TRACKER_WAIT(t, bpf_map_update_elem(t->maps[MAP_MARKS], &slot, &fd,
								   BPF_ANY)) < 0 ? -errno : 0;
	}
	return 0;
}

/* An array like the prototype, as long as the disk needs it. */
static int make_marks(int proto_fd, uint64_t nr_blk)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts);
	_cleanup_(closep) int btf_fd = -1;
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);
	int fd;

	if (nr_pages(nr_blk) > UINT32_MAX)
		return -EFBIG;
	if (bpf_obj_get_info_by_fd(proto_fd, &info, &len) < 0)
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

static int put_marks(const struct tracker *t, uint32_t slot, int marks_fd)
{
	return bpf_map_update_elem(t->maps[MAP_MARKS], &slot, &marks_fd, BPF_ANY) < 0 ? -errno : 0;
}

static uint64_t nr_blk_of(const struct tracker_disk *disk, unsigned int block_shift)
{
	return (disk->size_bytes + (1ull << block_shift) - 1) >> block_shift;
}

/* A history's name.  What another one lists is no part of it: it is written before marks go. */
static void begin(const struct tracker *t, uint32_t slot, const struct tracker_disk *disk)
{
	struct bpfsnap_device *d = &t->devices[slot];

	memcpy(d->previous, d->generation, sizeof(d->previous));
	uuid_generate_random(d->generation);
	d->first_epoch = t->state->epoch;
	d->began_ns = clock_ns(CLOCK_REALTIME);
	d->cause = disk->cause;
}

/*
 * What goes with its marks; its counters too.  The number of blocks goes before the size, and
 * both before the sequence number: a daemon that finds the old ones begins yet another history.
 */
static void describe(const struct tracker *t, uint32_t slot, const struct tracker_disk *disk)
{
	struct bpfsnap_device *d = &t->devices[slot];
	struct tracker_links links;

	tracker_links(t, &links);
	d->zone_sect = disk->zone_sect;
	d->transport = disk->transport;
	d->floor = 0;
	d->is_settled = 1;	/* no boundary is behind it */
	memcpy(d->misses, links.misses, sizeof(d->misses));
	memset(d->doubts, 0, sizeof(d->doubts));
	d->nr_blk = nr_blk_of(disk, d->block_shift);
	__atomic_store_n(&d->nr_sect, disk->size_bytes >> 9, __ATOMIC_RELEASE);
	__atomic_store_n(&d->uncertain, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&d->diskseq, disk->diskseq, __ATOMIC_RELEASE);
	memset(&t->history[slot], 0, sizeof(t->history[slot]));
	tracker_note_start(t, slot);
}

/* Where a disk's room is, or could be; NULL if all that it may have are taken. */
static struct bpfsnap_disk *find_room(const struct tracker *t, uint32_t disk_key)
{
	struct bpfsnap_disk *left = NULL;

	for (uint32_t i = 0; i < BPFSNAP_DISK_PROBES; i++) {
		struct bpfsnap_disk *room = &t->disks->room[(bpfsnap_disk_hash(disk_key) + i) %
							    BPFSNAP_DISK_ROOMS];

		if (room->dev == disk_key)
			return room;
		if (!left && (room->dev == BPFSNAP_DISK_LEFT || !room->dev))
			left = room;
		if (!room->dev)
			break;
	}
	return left;
}

bool tracker_is_found(const struct tracker *t, uint32_t disk_key)
{
	const struct bpfsnap_disk *room = find_room(t, disk_key);
	uint32_t slot;

	return tracker_find(t, disk_key, &slot) && room && room->dev == disk_key &&
	       room->slot == slot;
}

static int free_slot(const struct tracker *t, uint32_t *ret_slot)
{
	for (*ret_slot = 0; *ret_slot < BPFSNAP_TRACK_DEVICES; ++*ret_slot)
		if (!t->devices[*ret_slot].dev)
			return 0;
	return -E2BIG;
}

/* A hint for the programs, that spares the others a look at each slot. */
static void count_nvme(const struct tracker *t)
{
	uint32_t nr = 0;

	for (uint32_t slot = 0; slot < BPFSNAP_TRACK_DEVICES; slot++)
		nr += t->devices[slot].dev &&
		      t->devices[slot].transport == BPFSNAP_TRANSPORT_NVME;
	store_u32(&t->state->nvme, nr);
}

int tracker_add(struct tracker *t, uint32_t disk_key, const struct tracker_disk *disk,
		unsigned int block_shift)
{
	_cleanup_(keys_done) struct keys others = { 0 };
	_cleanup_(closep) int fd = -1;
	struct bpfsnap_disk *room;
	struct bpfsnap_device *d;
	uint32_t slot, unused;
	int r;

	if (!tracker_is_loaded(t))
		return -ENODEV;
	if (tracker_find(t, disk_key, NULL))
		return -EEXIST;
	room = find_room(t, disk_key);
	if (!room || free_slot(t, &slot) < 0)
		return -E2BIG;
	/* The history begins with an epoch of its own: what was before the attach is no part of it. */
	r = tracker_disks(t, &others);
	if (r >= 0 && others.nr > 0)
		r = tracker_advance(t, false, &unused);
	if (r < 0)
		return r;
	/* Memory for a huge disk takes its time. */
	fd = TRACKER_WAIT(t, make_marks(t->maps[MAP_PROTO], nr_blk_of(disk, block_shift)));
	if (fd < 0)
		return fd;
	d = &t->devices[slot];
	memset(d, 0, sizeof(*d));
	memset(&t->counters[slot], 0, sizeof(t->counters[slot]));
	memset(&t->writers[slot], 0, sizeof(t->writers[slot]));
	d->block_shift = block_shift;
	begin(t, slot, disk);
	describe(t, slot, disk);
	d->attached_ns = d->began_ns;
	r = TRACKER_WAIT(t, put_marks(t, slot, fd));
	if (r < 0)
		return r;
	store_u32(&d->dev, disk_key);
	count_nvme(t);
	room->slot = slot;
	/* A program that finds the room must find what it leads to, on machines that reorder, too. */
	r = tracker_barrier(t);
	if (r < 0) {
		store_u32(&d->dev, 0);
		return r;
	}
	store_u32(&room->dev, disk_key);
	/* From here on every write is marked: a program that saw no room has ended. */
	return tracker_barrier(t);
}

int tracker_renew(struct tracker *t, uint32_t disk_key, const struct tracker_disk *disk)
{
	_cleanup_(closep) int fd = -1;
	struct bpfsnap_device *d;
	uint32_t slot, unused;
	int r;

	d = tracker_find(t, disk_key, &slot);
	if (!d)
		return -ENODEV;
	fd = TRACKER_WAIT(t, make_marks(t->maps[MAP_PROTO], nr_blk_of(disk, d->block_shift)));
	if (fd < 0)
		return fd;
	r = tracker_advance(t, false, &unused);
	if (r < 0)
		return r;
	/*
	 * Without giving up the lock: nobody sees the one with the other but a daemon that comes
	 * after us.  The new history with the old marks lists too much, and is put up with if the
	 * marks can't be exchanged; the old one with new marks would lack all of its changes.
	 */
	begin(t, slot, disk);
	r = put_marks(t, slot, fd);
	if (r < 0)
		return r;
	describe(t, slot, disk);
	count_nvme(t);
	return tracker_barrier(t);
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
	struct bpfsnap_disk *room;
	struct bpfsnap_device *d;
	uint32_t slot;
	int r;

	d = tracker_find(t, disk_key, &slot);
	if (!d)
		return -ENODEV;
	r = remove_checkpoints(t, disk_key);
	if (r < 0)
		return r;
	room = find_room(t, disk_key);
	if (room && room->dev == disk_key)
		store_u32(&room->dev, BPFSNAP_DISK_LEFT);
	r = tracker_barrier(t);
	store_u32(&d->dev, 0);
	(void)TRACKER_WAIT(t, bpf_map_delete_elem(t->maps[MAP_MARKS], &slot));
	count_nvme(t);
	return r;
}
