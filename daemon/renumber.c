// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which marks become one when they run out?
 */
#include "renumber.h"

#include <stdbool.h>

uint32_t renumber_plan(const __u32 *last, uint32_t current, const uint32_t *kept, size_t nr_kept,
		       uint16_t *plan)
{
	uint32_t group = 0;
	size_t next = 0;

	for (uint32_t m = BPFSNAP_MARK_FIRST; m < current; m++) {
		bool is_apart = m == BPFSNAP_MARK_FIRST;

		/* Does a boundary lie between this mark and the one before? */
		while (next < nr_kept && kept[next] < last[m]) {
			is_apart |= m > BPFSNAP_MARK_FIRST && kept[next] >= last[m - 1];
			next++;
		}
		group += is_apart;
		plan[m] = (uint16_t)group;
	}
	return group;
}
