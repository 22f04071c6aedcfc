/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which marks become one when they run out?
 *
 *   mark   1    2    3    4    5        a checkpoint at 11, another at 13
 *   last  10   11   12   13   14        epoch 14 is the current one
 *
 * Marks between two boundaries that someone may ask for become one: 1 and 2 (up to 11), 3
 * and 4 (up to 13), and the current one, which the caller renumbers:
 *
 *   mark   1    2    3
 *   last  11   13   14
 *
 * A merged mark stands for the latest of its epochs.  So a question about an epoch that
 * nobody kept gets a list that is too long, and those of all checkpoints and of the
 * latest epochs get the same lists as before.
 */
#ifndef BPFSNAP_RENUMBER_H
#define BPFSNAP_RENUMBER_H

#include <stddef.h>
#include <stdint.h>

#include <linux/types.h>

#include "bpfsnap_track.h"

/**
 * renumber_plan - new numbers of marks, none larger than the old one
 * @last: of each mark the last epoch it stands for, ascending
 * @current: the current mark; those below are renumbered
 * @kept: epochs whose ends must stay apart, ascending
 * @plan: out, by mark
 *
 * Return: the largest new number, 0 if there is nothing to renumber.
 */
uint32_t renumber_plan(const __u32 *last, uint32_t current, const uint32_t *kept, size_t nr_kept,
		       uint16_t *plan);

#endif /* BPFSNAP_RENUMBER_H */
