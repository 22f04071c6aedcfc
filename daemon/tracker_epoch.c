// SPDX-License-Identifier: GPL-2.0-only
/*
 * How do epochs end, and how are the marks that stand for them used again?
 *
 * Programs go on marking while marks are renumbered.  Marks only ever get smaller, and
 * what a mark stands for only later: whoever reads in between, or finds what a daemon
 * left that died, reads too much, never too little.
 *
 *   1  the new meaning of the small marks is written
 *   2  all marks but the current one are rewritten, by compare-and-swap
 *   3  the current one gets its new number; programs that know the old one end
 *   4  blocks that have the old one get the new
 */
#include "tracker_pins.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <bpf/bpf.h>

#include "log.h"
#include "renumber.h"

int tracker_epoch(const struct tracker *t, uint32_t *ret_epoch)
{
	if (!tracker_is_loaded(t))
		return -ENODEV;
	*ret_epoch = load_u32(&t->state->epoch);
	return 0;
}

uint32_t tracker_since_mark(const struct tracker *t, uint32_t since)
{
	uint32_t mark, current = load_u32(&t->state->mark);

	/* The first that is too late, even if those behind it are not in order. */
	for (mark = BPFSNAP_MARK_FIRST; mark <= current; mark++)
		if (load_u32(&t->epochs->last[mark]) > since)
			break;
	return mark - 1;
}

uint32_t tracker_epoch_of(const struct tracker *t, uint32_t mark)
{
	return load_u32(&t->epochs->last[mark & BPFSNAP_MARK_MAX]);
}

static int compare_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/*
 * Which epochs' ends must stay apart: of the checkpoints the latest ones, as many as
 * there is room for, and then of all epochs the latest.
 */
static int choose_kept(struct tracker *t, uint32_t room, uint32_t **ret_kept, size_t *ret_nr)
{
	_cleanup_(freep) struct tracker_checkpoint *items = NULL;
	_cleanup_(freep) uint32_t *kept = NULL;
	uint32_t current = t->state->mark;
	size_t nr, nr_kept = 0, first = 0;
	int r;

	r = tracker_checkpoints(t, &items, &nr);
	if (r < 0)
		return r;
	kept = calloc(nr + room + 1, sizeof(*kept));
	if (!kept)
		return -ENOMEM;
	for (size_t i = 0; i < nr; i++)
		kept[nr_kept++] = items[i].value.epoch;
	qsort(kept, nr_kept, sizeof(*kept), compare_u32);
	if (nr_kept > room)
		first = nr_kept - room;
	for (uint32_t back = 1; nr_kept - first < room && back < current; back++)
		kept[nr_kept++] = t->epochs->last[current - back];
	memmove(kept, kept + first, (nr_kept - first) * sizeof(*kept));
	nr_kept -= first;
	qsort(kept, nr_kept, sizeof(*kept), compare_u32);
	*ret_kept = TAKE_PTR(kept);
	*ret_nr = nr_kept;
	return 0;
}

static void rewrite(__u16 *mark, const uint16_t *plan)
{
	__u16 old = __atomic_load_n(mark, __ATOMIC_RELAXED), new;

	do {
		new = plan[old & BPFSNAP_MARK_MAX];
		if (!new || new == (old & BPFSNAP_MARK_MAX))
			return;
		new |= old & BPFSNAP_MARK_DISCARDED;
	} while (!__atomic_compare_exchange_n(mark, &old, new, true, __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
}

static int rewrite_disk(const struct tracker *t, uint32_t slot, const uint16_t *plan)
{
	const struct bpfsnap_device *d = &t->devices[slot];
	uint64_t len = tracker_map_bytes(d->nr_blk);
	_cleanup_(closep) int fd = tracker_open_marks(t, slot);
	struct bpfsnap_page *pages;

	if (fd < 0)
		return fd;
	pages = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (pages == MAP_FAILED)
		return -errno;
	for (uint64_t blk = 0; blk < d->nr_blk; blk++)
		rewrite(&pages[blk / BPFSNAP_PAGE_BLOCKS].mark[blk % BPFSNAP_PAGE_BLOCKS], plan);
	munmap(pages, len);
	return 0;
}

static int rewrite_all(struct tracker *t, const uint16_t *plan)
{
	int r = 0;

	for (uint32_t slot = 0; slot < BPFSNAP_TRACK_DEVICES && r >= 0; slot++) {
		struct bpfsnap_device *d = &t->devices[slot];
		uint32_t floor = load_u32(&d->floor);

		if (!d->dev)
			continue;
		r = TRACKER_WAIT(t, rewrite_disk(t, slot, plan));
		/* A program may put up a new floor meanwhile: that one stays. */
		if (plan[floor & BPFSNAP_MARK_MAX])
			__atomic_compare_exchange_n(&d->floor, &floor, plan[floor & BPFSNAP_MARK_MAX],
						    false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
	}
	return r;
}

static int renumber_locked(struct tracker *t)
{
	_cleanup_(freep) uint16_t *plan = calloc(BPFSNAP_MARK_MAX + 1, sizeof(*plan));
	_cleanup_(freep) uint32_t *kept = NULL;
	uint32_t current = t->state->mark, last = 0;
	size_t nr_kept;
	int r;

	if (!plan)
		return -ENOMEM;
	r = choose_kept(t, t->state->mark_max / 2, &kept, &nr_kept);
	if (r < 0)
		return r;
	last = renumber_plan(t->epochs->last, current, kept, nr_kept, plan);
	store_u32(&t->state->renumbering, t->state->renumbering + 1);
	for (uint32_t m = BPFSNAP_MARK_FIRST; m < current; m++)
		if (m + 1 == current || plan[m + 1] != plan[m])
			store_u32(&t->epochs->last[plan[m]], t->epochs->last[m]);
	r = rewrite_all(t, plan);
	if (r < 0)
		return r;
	store_u32(&t->epochs->last[last + 1], t->state->epoch);
	store_u32(&t->state->mark, last + 1);
	r = tracker_barrier(t);
	if (r < 0)
		return r;
	memset(plan, 0, (BPFSNAP_MARK_MAX + 1) * sizeof(*plan));
	plan[current] = (uint16_t)(last + 1);
	r = rewrite_all(t, plan);
	if (r < 0)
		return r;
	store_u32(&t->state->renumbering, t->state->renumbering + 1);
	log_info("renumbered the marks: %u epochs are told apart from now on", last + 1);
	return 0;
}

/* Whoever looks through marks has computed what to look for: that must hold until it is done. */
static int renumber(struct tracker *t)
{
	int r;

	tracker_marks_change(t);
	r = renumber_locked(t);
	tracker_marks_changed(t);
	return r;
}

/* Where step 4 had not come to, marks are those of epochs to come: they would be listed until then. */
static int lower_all(struct tracker *t)
{
	_cleanup_(freep) uint16_t *plan = calloc(BPFSNAP_MARK_MAX + 1, sizeof(*plan));
	uint32_t current = t->state->mark;

	if (!plan)
		return -ENOMEM;
	for (uint32_t m = current + 1; m <= BPFSNAP_MARK_MAX; m++)
		plan[m] = (uint16_t)current;
	return rewrite_all(t, plan);
}

/* Whatever the marks say: all blocks count as changed now, which is too much and not too little. */
void tracker_recover(struct tracker *t)
{
	int r;

	if (!(load_u32(&t->state->renumbering) & 1))
		return;
	log_warning("a daemon died while it renumbered marks: all blocks count as changed");
	r = lower_all(t);
	if (r < 0)
		log_warning("marks that are too late stay so: %s", strerror(-r));
	for (uint32_t slot = 0; slot < BPFSNAP_TRACK_DEVICES; slot++)
		if (t->devices[slot].dev)
			store_u32(&t->devices[slot].floor, t->state->mark);
	store_u32(&t->state->renumbering, t->state->renumbering + 1);
}

int tracker_next_epoch(struct tracker *t, uint32_t *ret_epoch)
{
	int r;

	if (!tracker_is_loaded(t))
		return -ENODEV;
	if (t->state->epoch >= BPFSNAP_EPOCH_MAX)
		return -EOVERFLOW;
	if (t->state->mark >= t->state->mark_max) {
		r = renumber(t);
		if (r < 0)
			return r;
	}
	*ret_epoch = t->state->epoch + 1;
	return 0;
}

static uint64_t monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void note_starts(const struct tracker *t)
{
	for (uint32_t slot = 0; slot < BPFSNAP_TRACK_DEVICES; slot++)
		if (t->devices[slot].dev)
			tracker_note_start(t, slot);
}

int tracker_advance(struct tracker *t, bool is_boundary, uint32_t *ret_ended)
{
	uint32_t epoch, mark;
	int r;

	r = tracker_next_epoch(t, &epoch);
	if (r < 0)
		return r;
	for (uint32_t slot = 0; is_boundary && slot < BPFSNAP_TRACK_DEVICES; slot++)
		t->devices[slot].is_settled = 0;
	/* Until the boundary's time is known, every completion counts as one behind it. */
	if (is_boundary)
		__atomic_store_n(&t->state->boundary_ns, UINT64_MAX, __ATOMIC_SEQ_CST);
	mark = t->state->mark + 1;
	store_u32(&t->epochs->last[mark], epoch);
	store_u32(&t->state->epoch, epoch);
	store_u32(&t->state->mark, mark);
	/* For those who look while we wait; it is written again when all counts are in. */
	note_starts(t);
	r = tracker_barrier(t);
	if (r < 0)
		return r;
	if (is_boundary)
		__atomic_store_n(&t->state->boundary_ns, monotonic_ns(), __ATOMIC_SEQ_CST);
	note_starts(t);
	*ret_ended = epoch - 1;
	return 0;
}

void tracker_settled(const struct tracker *t, uint32_t disk_key)
{
	struct bpfsnap_device *d = tracker_find(t, disk_key, NULL);

	if (d)
		d->is_settled = 1;
}

void tracker_unsettled(const struct tracker *t, uint32_t disk_key)
{
	struct bpfsnap_device *d = tracker_find(t, disk_key, NULL);

	if (d)
		d->is_settled = 0;
}
