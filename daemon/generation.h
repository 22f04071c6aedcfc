/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * When does the history of a disk begin anew, and why?
 */
#ifndef BPFSNAP_GENERATION_H
#define BPFSNAP_GENERATION_H

#include "reach.h"
#include "tracker.h"

/** generation_cause - why a history began, as a word for programs */
const char *generation_cause(const struct bpfsnap_device *device);

/** generation_why - the same as a sentence: when, and why */
void generation_why(const struct bpfsnap_device *device, char *ret_text, size_t room);

/**
 * generation_knows - can this history say what changed since @since?
 *
 * @since: an epoch that has ended, in it or just before it; any number, as it was asked for
 * @current: the epoch that goes on
 */
bool generation_knows(const struct bpfsnap_device *device, int64_t since, uint32_t current);

/** generation_tell - as an event */
void generation_tell(const struct tracker *tracker, uint32_t disk_key);

/** generation_disk - what a history of the disk would begin with. Return: 0 or -ENODEV */
int generation_disk(uint32_t disk_key, const struct reach *reach, enum bpfsnap_cause cause,
		    struct tracker_disk *ret_disk);

/**
 * generation_check - begin a new history where the old one does not continue
 *
 * Another size, or another disk or medium of the same number.  A disk that is not
 * there keeps its history: it may be asked for, and is told to be gone.
 */
void generation_check(struct tracker *tracker, uint32_t disk_key, const struct reach *reach);

#endif /* BPFSNAP_GENERATION_H */
