// SPDX-License-Identifier: GPL-2.0-only
#include "pace.h"

#include <pthread.h>
#include <time.h>

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint64_t begun, done, allowed;
	bool is_ending;
} pace = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

bool pace_begin(void)
{
	bool goes_on;

	pthread_mutex_lock(&pace.lock);
	while (pace.begun >= pace.allowed && !pace.is_ending)
		pthread_cond_wait(&pace.changed, &pace.lock);
	goes_on = !pace.is_ending;
	pace.begun += goes_on;
	pthread_mutex_unlock(&pace.lock);
	return goes_on;
}

void pace_done(void)
{
	pthread_mutex_lock(&pace.lock);
	pace.done++;
	pthread_cond_broadcast(&pace.changed);
	pthread_mutex_unlock(&pace.lock);
}

static void allow(uint64_t upto)
{
	pace.allowed = upto;
	pthread_cond_broadcast(&pace.changed);
}

void pace_go(void)
{
	pthread_mutex_lock(&pace.lock);
	allow(UINT64_MAX);
	pthread_mutex_unlock(&pace.lock);
}

void pace_stop_after(uint64_t more)
{
	pthread_mutex_lock(&pace.lock);
	allow(pace.begun + more);
	pthread_mutex_unlock(&pace.lock);
}

void pace_await(uint64_t more, unsigned int deadline_ms)
{
	struct timespec until;
	uint64_t target;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += deadline_ms / 1000;
	until.tv_nsec += deadline_ms % 1000 * 1000000L;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&pace.lock);
	target = pace.done + more;
	while (pace.done < target && (pace.done < pace.allowed || pace.begun > pace.done))
		if (pthread_cond_timedwait(&pace.changed, &pace.lock, &until))
			break;
	pthread_mutex_unlock(&pace.lock);
}

void pace_await_idle(void)
{
	pthread_mutex_lock(&pace.lock);
	while (pace.done < pace.begun || pace.begun < pace.allowed)
		pthread_cond_wait(&pace.changed, &pace.lock);
	pthread_mutex_unlock(&pace.lock);
}

void pace_end(void)
{
	pthread_mutex_lock(&pace.lock);
	pace.is_ending = true;
	pthread_cond_broadcast(&pace.changed);
	pthread_mutex_unlock(&pace.lock);
}

uint64_t pace_steps(void)
{
	uint64_t done;

	pthread_mutex_lock(&pace.lock);
	done = pace.done;
	pthread_mutex_unlock(&pace.lock);
	return done;
}
