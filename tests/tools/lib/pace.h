/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * When do writers work, and when do they rest?  Counted in steps, so that no more
 * happens on a fast machine than on a slow one.
 */
#ifndef _PACE_H
#define _PACE_H

#include <stdbool.h>
#include <stdint.h>

/* Of a writer: before each step, return false: it is to end; and after it. */
bool pace_begin(void);
void pace_done(void);

/* Of whoever leads them. */
void pace_go(void);			/* until told otherwise */
void pace_stop_after(uint64_t more);
void pace_await(uint64_t more, unsigned int deadline_ms);
void pace_await_idle(void);
void pace_end(void);
uint64_t pace_steps(void);

#endif /* _PACE_H */
