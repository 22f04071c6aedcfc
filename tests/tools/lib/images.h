/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Is every sector in which an image differs from the one before in the change list,
 * and does the image stay what it is?  What is wrong is printed and counted.
 */
#ifndef _IMAGES_H
#define _IMAGES_H

#include "snap.h"

enum { SECT_BYTES = 512 };

/**
 * struct images - what was seen of a device in one snapshot after the other
 * @describe: what a sector of @content has, for people; or NULL
 * @since: the epoch that ended with the last snapshot, @far_since: some time before
 * @ref, @far: content then;  @now: of the image that is being looked at
 * @before, @after: what is listed since the last snapshot, and since this one
 */
struct images {
	const char *path;
	dev_t rdev;
	uint64_t nr_sect;
	const char *(*describe)(const struct images *im, const char *content, uint64_t sect);
	uint64_t since, far_since;
	char *ref, *far, *now;
	struct snap_changes before, after;
};

/**
 * struct tally - what has come about so far
 * @listed_blk: blocks that were listed for one snapshot and not written after it
 * @differing_blk: of those not written after it, the blocks that differ
 */
struct tally {
	unsigned int findings;
	uint64_t snapshots, hold_ns_sum, hold_ns_max;
	uint64_t listed_blk, differing_blk, missed_sect;
};

extern struct tally tally;

/* Return: was it printed?  Not all are. */
bool finding(const char *format, ...) __attribute__((format(printf, 1, 2)));

void images_init(struct images *im, const char *path);

/* A block device's content, past the page cache. */
void device_read(const char *path, uint64_t nr_sect, char *ret_content);

/* The steps of looking at one snapshot, in this order. */
void images_states(const struct snap *snap, const char *when);
void images_ask(struct images *im, const struct snap *snap);
void images_read(struct images *im, const struct snap *snap);
void images_check(struct images *im);
void images_read_again(const struct images *im, const char *content, const struct snap *snap,
		       const char *when);
/* The image becomes what the next one is compared with. */
void images_turn(struct images *im, const struct snap *snap);
void images_count(const struct snap *snap);

/* "snapshots 8 listed ..." without a line's end. */
void tally_print(void);

#endif /* _IMAGES_H */
