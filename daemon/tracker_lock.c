// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who may look at the tracker, and who may change what it tracks?
 *
 * Whoever has the turn may wait with the lock given up: nobody else moves the epoch, begins
 * a history or takes the maps away meanwhile, and what the others see in between is whole.
 */
#include "tracker_pins.h"

#include <errno.h>

/* Of this thread: has it the turn? There is one tracker. */
static _Thread_local bool has_turn;

void tracker_locks_init(struct tracker *t)
{
	pthread_mutex_init(&t->turn, NULL);
	pthread_mutex_init(&t->lock, NULL);
	pthread_rwlock_init(&t->marks_lock, NULL);
}

void tracker_locks_done(struct tracker *t)
{
	pthread_rwlock_destroy(&t->marks_lock);
	pthread_mutex_destroy(&t->lock);
	pthread_mutex_destroy(&t->turn);
}

void tracker_take_turn(struct tracker *t)
{
	pthread_mutex_lock(&t->turn);
	has_turn = true;
}

bool tracker_try_turn(struct tracker *t)
{
	if (has_turn || pthread_mutex_trylock(&t->turn) != 0)
		return false;
	has_turn = true;
	return true;
}

void tracker_give_turn(struct tracker *t)
{
	has_turn = false;
	pthread_mutex_unlock(&t->turn);
}

bool tracker_has_turn(void)
{
	return has_turn;
}

void tracker_lock(struct tracker *t)
{
	pthread_mutex_lock(&t->lock);
}

void tracker_unlock(struct tracker *t)
{
	pthread_mutex_unlock(&t->lock);
}

void tracker_marks_begin(struct tracker *t)
{
	pthread_rwlock_rdlock(&t->marks_lock);
}

void tracker_marks_end(struct tracker *t)
{
	pthread_rwlock_unlock(&t->marks_lock);
}

void tracker_marks_change(struct tracker *t)
{
	tracker_unlock(t);
	pthread_rwlock_wrlock(&t->marks_lock);
	tracker_lock(t);
}

void tracker_marks_changed(struct tracker *t)
{
	pthread_rwlock_unlock(&t->marks_lock);
}
