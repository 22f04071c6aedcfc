/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How is slow work done beside the main loop?
 *
 *   main loop ── worker_add ──► queue ──► thread: job->run ──► done ── eventfd ──► main loop
 *
 * A job owns its data: the main loop does not touch it between worker_add() and
 * done_take(), but for worker_cancel().  Jobs of one worker are run one by one, in order.
 */
#ifndef BPFSNAP_WORKER_H
#define BPFSNAP_WORKER_H

#include <stdatomic.h>
#include <stdbool.h>

/**
 * struct job - a piece of work
 * @run: on the worker's thread
 * @free: with all that it owns
 * @owner: the main loop's, the worker does not look at it
 * @is_cancelled: nobody waits for the result; @run may look at it and give up
 */
struct job {
	struct job *next;
	void (*run)(struct job *job);
	void (*free)(struct job *job);
	void *owner;
	atomic_bool is_cancelled;
};

struct done;
struct worker;

/** done_new - where finished jobs of several workers are gathered */
int done_new(struct done **ret_done);
void done_free(struct done *done);
/** done_fd - readable when there may be finished jobs */
int done_fd(const struct done *done);
/** done_take - the oldest finished job, or NULL */
struct job *done_take(struct done *done);

/**
 * worker_new - start a thread
 *
 * Signals that are blocked by the caller are blocked there, too, but for the two that end a
 * system call: SIGALRM and SIGUSR1.
 */
int worker_new(const char *name, struct done *done, struct worker **ret_worker);

/** worker_free - cancel and free all jobs; waits for the one that runs */
void worker_free(struct worker *worker);

void worker_add(struct worker *worker, struct job *job);

/**
 * worker_cancel - nobody waits for a job any more
 *
 * One that was not begun is freed; one that is running is told, and the system call that it
 * waits in is ended if it can be.  It comes to done_take() then.
 *
 * Return: whether it was freed.
 */
bool worker_cancel(struct worker *worker, struct job *job);

#endif /* BPFSNAP_WORKER_H */
