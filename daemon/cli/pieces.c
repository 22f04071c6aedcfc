// SPDX-License-Identifier: GPL-2.0-only
/*
 * How is a long range worked on, piece by piece and by several at once?
 */
#include <pthread.h>
#include <stddef.h>

#include "pieces.h"

enum {
	PIECES_PER_JOB	= 4,	/* fewer are not worth a thread */
};

/**
 * struct crew - those who work on a range
 * @lock: for what is below it
 * @next: start of the first piece that nobody has taken
 * @result, @result_at: of the lowest piece that ended the work
 */
struct crew {
	piece_fn fn;
	void *data;
	uint64_t piece_bytes;
	uint64_t end;
	pthread_mutex_t lock;
	uint64_t next;
	int result;
	uint64_t result_at;
};

static void *work(void *data)
{
	struct crew *crew = data;

	pthread_mutex_lock(&crew->lock);
	while (!crew->result && crew->next < crew->end) {
		uint64_t start = crew->next;
		uint64_t left = crew->piece_bytes - start % crew->piece_bytes;
		uint64_t stop = left < crew->end - start ? start + left : crew->end;
		int r;

		crew->next = stop;
		pthread_mutex_unlock(&crew->lock);
		r = crew->fn(crew->data, start, stop);
		pthread_mutex_lock(&crew->lock);
		/* lower pieces were taken before, and may still have something to say */
		if (r && (!crew->result || start < crew->result_at)) {
			crew->result = r;
			crew->result_at = start;
		}
	}
	pthread_mutex_unlock(&crew->lock);
	return NULL;
}

int pieces_run(unsigned int jobs, uint64_t piece_bytes, uint64_t offset, uint64_t end,
	       piece_fn fn, void *data)
{
	struct crew crew = {
		.fn = fn, .data = data, .piece_bytes = piece_bytes, .end = end, .next = offset,
		.lock = PTHREAD_MUTEX_INITIALIZER,
	};
	uint64_t enough = (end - offset) / piece_bytes / PIECES_PER_JOB;
	pthread_t threads[PIECES_JOBS_MAX];
	unsigned int nr = 0;

	jobs = jobs < PIECES_JOBS_MAX ? jobs : PIECES_JOBS_MAX;
	jobs = jobs < enough ? jobs : (unsigned int)enough;
	/* the caller is one of them; with fewer than were wanted it takes longer, no more */
	while (nr + 1 < jobs && pthread_create(&threads[nr], NULL, work, &crew) == 0)
		nr++;
	work(&crew);
	while (nr)
		pthread_join(threads[--nr], NULL);
	return crew.result;
}
