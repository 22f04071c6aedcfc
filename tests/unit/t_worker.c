// SPDX-License-Identifier: GPL-2.0-only
/*
 * Are jobs run in order, come back, and be given up? Are events numbered, and missed ones told?
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "events.h"
#include "worker.h"

struct number {
	struct job job;
	int value;
	int ended_by;	/* errno of its wait */
};

static atomic_int freed, running;
static int order[16], nr_run;

static void run(struct job *job)
{
	order[nr_run++] = ((struct number *)job)->value;
}

static void run_long(struct job *job)
{
	const struct timespec long_time = { .tv_sec = 20 };

	atomic_store(&running, 1);
	while (!atomic_load(&job->is_cancelled) && nanosleep(&long_time, NULL) < 0)
		((struct number *)job)->ended_by = errno;
}

static void put(struct job *job)
{
	atomic_fetch_add(&freed, 1);
	free(job);
}

static struct job *make(int value, void (*run_it)(struct job *job))
{
	struct number *n = calloc(1, sizeof(*n));

	n->job.run = run_it;
	n->job.free = put;
	n->value = value;
	return &n->job;
}

static struct job *await(struct done *done)
{
	struct pollfd fd = { .fd = done_fd(done), .events = POLLIN };
	struct job *job;

	while (!(job = done_take(done)))
		assert_int_equal(poll(&fd, 1, 5000), 1);
	return job;
}

static void in_order(void **state)
{
	struct worker *w;
	struct done *d;

	(void)state;
	nr_run = 0;
	atomic_store(&freed, 0);
	assert_int_equal(done_new(&d), 0);
	assert_int_equal(worker_new("test", d, &w), 0);
	for (int i = 0; i < 10; i++)
		worker_add(w, make(i, run));
	for (int i = 0; i < 10; i++) {
		struct job *job = await(d);

		assert_int_equal(((struct number *)job)->value, i);
		job->free(job);
	}
	for (int i = 0; i < 10; i++)
		assert_int_equal(order[i], i);
	worker_free(w);
	done_free(d);
	assert_int_equal(freed, 10);
}

static void given_up(void **state)
{
	struct job *first, *second;
	struct worker *w;
	struct done *d;

	(void)state;
	nr_run = 0;
	atomic_store(&freed, 0);
	assert_int_equal(done_new(&d), 0);
	assert_int_equal(worker_new("test", d, &w), 0);
	first = make(1, run_long);
	second = make(2, run);
	worker_add(w, first);
	worker_add(w, second);
	while (!atomic_load(&running))
		usleep(1000);
	usleep(50000);
	/* One that waits in the queue is taken from it, one that runs comes back soon. */
	assert_true(worker_cancel(w, second));
	assert_int_equal(freed, 1);
	assert_false(worker_cancel(w, first));
	assert_ptr_equal(await(d), first);
	assert_int_equal(((struct number *)first)->ended_by, EINTR);
	first->free(first);
	assert_int_equal(nr_run, 0);
	/* The end takes everything with it. */
	atomic_store(&running, 0);
	worker_add(w, make(3, run_long));
	worker_add(w, make(4, run));
	while (!atomic_load(&running))
		usleep(1000);
	usleep(50000);
	worker_free(w);
	done_free(d);
	assert_int_equal(freed, 4);
}

static void missed(void **state)
{
	struct event *got = calloc(EVENTS_KEPT, sizeof(*got));
	uint64_t nr_missed;
	int fd;

	(void)state;
	fd = events_open();
	assert_true(fd >= 0);
	assert_int_equal(events_get(0, got, EVENTS_KEPT, &nr_missed), 0);
	assert_int_equal(nr_missed, 0);
	for (int i = 1; i <= EVENTS_KEPT + 10; i++)
		events_add(&(struct event){ .kind = EVENT_EPOCH, .value = i }, "%d", i);
	assert_int_equal(events_next(), EVENTS_KEPT + 11);
	assert_int_equal(events_get(0, got, EVENTS_KEPT, &nr_missed), EVENTS_KEPT);
	assert_int_equal(nr_missed, 10);
	for (int i = 0; i < EVENTS_KEPT; i++) {
		assert_int_equal(got[i].seq, 11 + i);
		assert_int_equal(got[i].value, 11 + i);
	}
	assert_int_equal(events_get(EVENTS_KEPT + 8, got, 1, &nr_missed), 1);
	assert_int_equal(got[0].seq, EVENTS_KEPT + 9);
	assert_int_equal(nr_missed, 0);
	assert_int_equal(events_get(EVENTS_KEPT + 10, got, 1, &nr_missed), 0);
	for (int i = 0; i < EVENT_KIND_NR; i++)
		assert_non_null(event_name((enum event_kind)i));
	close(fd);
	free(got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_order),
		cmocka_unit_test(given_up),
		cmocka_unit_test(missed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
