/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How is a long range worked on, piece by piece and by several at once?
 */
#ifndef _BPFSNAP_CLI_PIECES_H
#define _BPFSNAP_CLI_PIECES_H

#include <stdint.h>

enum {
	PIECES_JOBS_MAX	= 64,
};

/*
 * Works on [@start, @stop), which ends at a multiple of the piece's size or at the end of all.
 * 0 to go on; anything else ends the work.
 */
typedef int (*piece_fn)(void *data, uint64_t start, uint64_t stop);

/**
 * pieces_run - cut a range at multiples of @piece_bytes, and work on each piece
 * @jobs: threads, where there are pieces enough; @fn must stand that
 *
 * Pieces are taken in ascending order.  Return: 0; what @fn returned for the lowest piece
 * for which that was not 0; -errno if no thread could be made.
 */
int pieces_run(unsigned int jobs, uint64_t piece_bytes, uint64_t offset, uint64_t end,
	       piece_fn fn, void *data);

#endif /* _BPFSNAP_CLI_PIECES_H */
