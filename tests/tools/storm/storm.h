/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DOC: the storm and its oracle
 *
 * Writers change disks in every way that there is, while snapshots are taken. After
 * each the oracle compares its images with those before, and with a journal that the
 * storm keeps itself.
 *
 * Time is a count: one tick for each beginning and each end of an operation, and for
 * what else is to be ordered with them. The tick of its beginning is the name of an
 * operation, and stands in each sector that it writes ("stamp"). Operations in flight
 * at once never overlap: each claims its sectors first. So of two stamps in one
 * place the higher one is the newer one.
 */
#ifndef _STORM_H
#define _STORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../lib/images.h"
#include "../lib/pace.h"
#include "../lib/random.h"

enum {
	PAGE_SECT	= 8,
	TARGETS_MAX	= 8,
	WAYS_MAX	= 4,
	WRITERS_MAX	= 16,
	HELD_MAX	= 8,
	IO_BYTES_MAX	= 4 << 20,
	TICKS_MAX	= 1 << 24,
};

/* A device through which the sectors of a target can be reached, @at_sect further on. */
struct way {
	const char *path;
	int direct_fd, buffered_fd;
	int64_t at_sect;
	uint64_t nr_sect;
};

/**
 * struct target - a device of which snapshots are taken
 * @im: what was seen of it; first, so that it tells the target
 * @lbs_sect: logical block
 * @ways: none: it is not written to by us but by what is stacked on it
 * @busy: per sector, claimed
 * @data: per sector, the last operation ended that wrote data
 * @zero: per sector, the last operation ended that zeroed or discarded
 * @data_then, @zero_then: both at a moment, see journal_moment()
 * @seen: per sector of an image, the operation that it shows, 0 for zeros
 * @zeroing: per sector, the last operation that zeroed it while the snapshot was taken
 * @torn: per sector, likewise, 1 if it may be seen half done
 * @unknown: bit per op_kind that the device does not do
 */
struct target {
	struct images im;
	uint32_t lbs_sect;
	struct way ways[WAYS_MAX];
	size_t nr_ways;
	uint8_t *busy, *torn;
	uint32_t *data, *zero, *data_then, *zero_then, *seen, *zeroing;
	uint32_t unknown;
};

/* How data and zeros of an operation may be seen. */
enum effect {
	EFFECT_DATA,		/* stamps */
	EFFECT_ZERO,		/* zeros */
	EFFECT_MAYBE_ZERO,	/* zeros, or nothing */
};

/**
 * struct op - an operation of the journal, at the index of its beginning
 * @end: tick, 0 while in flight
 * @how: index into op_kinds
 */
struct op {
	uint32_t end;
	uint32_t sect, nr_sect;
	uint8_t target, way, how, effect;
};

struct stamp {
	uint32_t magic;
	uint32_t op;
	uint64_t place;		/* target << 56 | sector */
};

struct writer {
	unsigned int number;
	uint64_t random;
	char *buf;		/* IO_BYTES_MAX */
	char *zeros;
	struct ring *ring, *polled_ring;
	unsigned long aio;
};

/* One thing that a writer can do to the sectors that it has claimed. */
struct op_kind {
	const char *name;
	unsigned int weight;
	bool by_pages;		/* claims and changes whole pages */
	bool is_torn;		/* while it lasts, a sector may have any part of it */
	bool goes_on;		/* where it is refused, too: what waits for a copy is not */
	bool (*run)(struct writer *w, struct target *t, unsigned int way, uint8_t how,
		    uint64_t sect, uint32_t nr_sect);
	bool off;		/* not wanted */
	uint64_t count;
};

struct settings {
	uint64_t seed;
	unsigned int snapshots, writers;
	uint32_t align_sect;	/* of places and sizes, 0: logical blocks */
	const char *storage;
	uint64_t memory_bytes, limit_bytes;	/* of a snapshot, 0: the daemon's */
	unsigned int held;			/* snapshots at once */
};

extern struct settings settings;
extern struct target targets[TARGETS_MAX];
extern size_t nr_targets;
extern struct op_kind op_kinds[];
extern const size_t nr_op_kinds;

/* target.c */
struct target *target_add(const char *path);
void way_add(struct target *t, const char *path, int64_t at_sect);

/* journal.c */
void journal_add(struct target *t);
uint32_t journal_tick(void);
void journal_claim(struct target *t, uint64_t sect, uint32_t nr_sect);
void journal_release(struct target *t, uint64_t sect, uint32_t nr_sect);
uint32_t journal_begin(const struct op *op);
void journal_end(uint32_t id);
/* It turned out that nothing happens: the device knows no such operation. */
void journal_void(uint32_t id);
const struct op *journal_op(uint32_t id);
/* Remembers what has ended by now, in data_then and zero_then; returns the tick. */
uint32_t journal_moment(void);
void stamp_sectors(char *buf, uint32_t id, const struct op *op);
/* Is it a sector of ours? */
bool stamp_read(const char *sector, struct stamp *ret_stamp);
uint64_t place_of(size_t target, uint64_t sect);

/* ops.c, uring.c */
void op_kinds_choose(const char *names, bool off);
struct ring *ring_new(bool is_polled);
uint32_t ring_write(struct ring *ring, int fd, const char *buf, const uint64_t *offsets_bytes,
		    const uint32_t *lens_bytes, size_t nr);

/* writer.c */
void writers_start(void);
void writers_fill(struct target *t);
void writers_end(void);

/* held.c: snapshots that stay for a while after all has been said about them */
void held_add(const struct snap *snap);
void held_end(void);

/* check.c: are the images of all targets, taken between two ticks, one instant? */
void check_content(uint32_t begin, uint32_t end);
/* For struct images. */
const char *check_describe(const struct images *im, const char *content, uint64_t sect);

#endif /* _STORM_H */
