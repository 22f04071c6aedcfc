/* SPDX-License-Identifier: GPL-2.0-only */
/* Random numbers that a seed repeats: splitmix64, one stream for each user. */
#ifndef _RANDOM_H
#define _RANDOM_H

#include <stdint.h>

uint64_t random_seed(uint64_t seed, uint64_t stream);
uint64_t random_next(uint64_t *state);
uint64_t random_below(uint64_t *state, uint64_t bound);

#endif /* _RANDOM_H */
