// SPDX-License-Identifier: GPL-2.0-only
/*
 * How is slow work done beside the main loop?
 */
#include "worker.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>

#include "cleanup.h"

#define WORKER_SIGNAL	SIGUSR1

struct queue {
	struct job *first, **end;
};

struct done {
	pthread_mutex_t lock;
	struct queue queue;
	int fd;
};

/**
 * struct worker - a thread and what it has to do
 * @lock: for all that follows
 * @current: the job that is run
 */
struct worker {
	pthread_t thread;
	struct done *done;
	pthread_mutex_t lock;
	pthread_cond_t wakes;
	struct queue queue;
	struct job *current;
	bool is_ending;
};

static void queue_init(struct queue *q)
{
	q->first = NULL;
	q->end = &q->first;
}

static void queue_put(struct queue *q, struct job *job)
{
	job->next = NULL;
	*q->end = job;
	q->end = &job->next;
}

static struct job *queue_get(struct queue *q)
{
	struct job *job = q->first;

	if (!job)
		return NULL;
	q->first = job->next;
	if (!q->first)
		q->end = &q->first;
	return job;
}

static bool queue_remove(struct queue *q, struct job *job)
{
	for (struct job **at = &q->first; *at; at = &(*at)->next) {
		if (*at != job)
			continue;
		*at = job->next;
		if (!*at)
			q->end = at;
		return true;
	}
	return false;
}

int done_new(struct done **ret_done)
{
	struct done *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	d->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (d->fd < 0) {
		int r = -errno;

		free(d);
		return r;
	}
	pthread_mutex_init(&d->lock, NULL);
	queue_init(&d->queue);
	*ret_done = d;
	return 0;
}

void done_free(struct done *done)
{
	struct job *job;

	if (!done)
		return;
	while ((job = queue_get(&done->queue)))
		job->free(job);
	close(done->fd);
	pthread_mutex_destroy(&done->lock);
	free(done);
}

int done_fd(const struct done *done)
{
	return done->fd;
}

static void done_put(struct done *done, struct job *job)
{
	uint64_t one = 1;

	pthread_mutex_lock(&done->lock);
	queue_put(&done->queue, job);
	pthread_mutex_unlock(&done->lock);
	(void)!write(done->fd, &one, sizeof(one));
}

struct job *done_take(struct done *done)
{
	struct job *job;
	uint64_t count;

	pthread_mutex_lock(&done->lock);
	job = queue_get(&done->queue);
	/* One that comes after this look writes again. */
	if (!done->queue.first)
		(void)!read(done->fd, &count, sizeof(count));
	pthread_mutex_unlock(&done->lock);
	return job;
}

static struct job *await_job(struct worker *w)
{
	struct job *job;

	pthread_mutex_lock(&w->lock);
	w->current = NULL;
	while (!w->queue.first && !w->is_ending)
		pthread_cond_wait(&w->wakes, &w->lock);
	job = w->current = w->is_ending ? NULL : queue_get(&w->queue);
	pthread_mutex_unlock(&w->lock);
	return job;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct job *job;

	while ((job = await_job(w))) {
		job->run(job);
		pthread_mutex_lock(&w->lock);
		w->current = NULL;	/* the main loop may free it from here on */
		pthread_mutex_unlock(&w->lock);
		done_put(w->done, job);
	}
	return NULL;
}

/* Only there to end a system call. */
static void on_signal(int sig)
{
}

static int start(struct worker *w, const char *name)
{
	const struct sigaction action = { .sa_handler = on_signal };
	sigset_t all, before, mine;
	int r;

	sigaction(WORKER_SIGNAL, &action, NULL);
	sigfillset(&all);
	mine = all;
	sigdelset(&mine, WORKER_SIGNAL);
	sigdelset(&mine, SIGALRM);
	pthread_sigmask(SIG_SETMASK, &mine, &before);
	r = -pthread_create(&w->thread, NULL, work, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r >= 0)
		pthread_setname_np(w->thread, name);
	return r;
}

int worker_new(const char *name, struct done *done, struct worker **ret_worker)
{
	struct worker *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->done = done;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->wakes, NULL);
	queue_init(&w->queue);
	r = start(w, name);
	if (r < 0) {
		pthread_cond_destroy(&w->wakes);
		pthread_mutex_destroy(&w->lock);
		free(w);
		return r;
	}
	*ret_worker = w;
	return 0;
}

/* Context: with the worker's lock. */
static void interrupt(struct worker *w)
{
	atomic_store(&w->current->is_cancelled, true);
	pthread_kill(w->thread, WORKER_SIGNAL);
}

void worker_free(struct worker *worker)
{
	struct job *job;

	if (!worker)
		return;
	pthread_mutex_lock(&worker->lock);
	worker->is_ending = true;
	if (worker->current)
		interrupt(worker);
	pthread_cond_signal(&worker->wakes);
	pthread_mutex_unlock(&worker->lock);
	pthread_join(worker->thread, NULL);
	while ((job = queue_get(&worker->queue)))
		job->free(job);
	pthread_cond_destroy(&worker->wakes);
	pthread_mutex_destroy(&worker->lock);
	free(worker);
}

void worker_add(struct worker *worker, struct job *job)
{
	pthread_mutex_lock(&worker->lock);
	queue_put(&worker->queue, job);
	pthread_cond_signal(&worker->wakes);
	pthread_mutex_unlock(&worker->lock);
}

bool worker_cancel(struct worker *worker, struct job *job)
{
	bool is_removed;

	pthread_mutex_lock(&worker->lock);
	is_removed = queue_remove(&worker->queue, job);
	if (!is_removed && worker->current == job)
		interrupt(worker);
	pthread_mutex_unlock(&worker->lock);
	if (is_removed)
		job->free(job);
	return is_removed;
}
