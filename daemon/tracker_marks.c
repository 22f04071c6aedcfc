// SPDX-License-Identifier: GPL-2.0-only
/*
 * How are a disk's marks read, and written beside the programs?
 */
#include "tracker_pins.h"

#include <errno.h>
#include <sys/mman.h>

#include <bpf/bpf.h>

static int map_marks(const struct tracker *t, uint32_t slot, uint64_t nr_blk, int protection,
		     void **ret_pages)
{
	_cleanup_(closep) int fd = tracker_open_marks(t, slot);
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);
	size_t len_bytes = tracker_map_bytes(nr_blk);

	if (fd < 0)
		return fd;
	if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
		return -errno;
	/* Two entries that were not made together would be read beyond their end. */
	if (info.value_size != sizeof(struct bpfsnap_page) ||
	    info.max_entries != len_bytes / sizeof(struct bpfsnap_page))
		return -EBADMSG;
	*ret_pages = mmap(NULL, len_bytes, protection, MAP_SHARED, fd, 0);
	return *ret_pages == MAP_FAILED ? -errno : 0;
}

int tracker_marks(const struct tracker *t, uint32_t disk_key, uint64_t nr_blk,
		  struct tracker_marks *ret_marks)
{
	uint32_t slot;
	void *pages;
	int r;

	if (!tracker_find(t, disk_key, &slot))
		return -ENODEV;
	r = map_marks(t, slot, nr_blk, PROT_READ, &pages);
	if (r < 0)
		return r;
	*ret_marks = (struct tracker_marks){ pages, tracker_map_bytes(nr_blk) };
	return 0;
}

void tracker_marks_done(struct tracker_marks *marks)
{
	if (marks->pages)
		munmap((void *)marks->pages, marks->len_bytes);
	*marks = (struct tracker_marks){ 0 };
}

/* A program may have marked the block already, with this mark or a later one: that one stays. */
static void mark_block(__u16 *place, uint32_t mark)
{
	__u16 old = __atomic_load_n(place, __ATOMIC_RELAXED);

	do {
		if ((old & BPFSNAP_MARK_MAX) > mark || old == mark)
			return;
	} while (!__atomic_compare_exchange_n(place, &old, (__u16)mark, true, __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
}

static void mark_blocks(const struct tracker *t, struct bpfsnap_page *pages, uint64_t first_blk,
			uint64_t last_blk)
{
	uint32_t mark;

	/* Should the epoch move meanwhile, all is marked once more: in the later one. */
	do {
		mark = load_u32(&t->state->mark);
		for (uint64_t blk = first_blk; blk <= last_blk; blk++)
			mark_block(&pages[blk / BPFSNAP_PAGE_BLOCKS].mark[blk % BPFSNAP_PAGE_BLOCKS],
				   mark);
	} while (load_u32(&t->state->mark) != mark);
}

int tracker_mark_dirty(struct tracker *t, uint32_t disk_key, uint64_t first_blk, uint64_t last_blk)
{
	struct bpfsnap_device *d;
	size_t len_bytes;
	uint32_t slot;
	void *mapped;
	int r;

	d = tracker_find(t, disk_key, &slot);
	if (!d)
		return -ENODEV;
	if (first_blk > last_blk || last_blk >= d->nr_blk)
		return -ERANGE;
	r = map_marks(t, slot, d->nr_blk, PROT_READ | PROT_WRITE, &mapped);
	if (r < 0)
		return r;
	len_bytes = tracker_map_bytes(d->nr_blk);
	tracker_marks_change(t);
	tracker_unlock(t);
	mark_blocks(t, mapped, first_blk, last_blk);
	tracker_lock(t);
	tracker_marks_changed(t);
	munmap(mapped, len_bytes);
	return 0;
}
