/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whose are the snapshots that are held, and until when?
 *
 *   bound        to a connection: it ends with it
 *   lease        it ends when nobody renews it in time
 *   unconfirmed  it ends if the reply that told of it is not received
 *   key          a name that the client gave it, so that it can ask again
 *
 * Written down in a file for each before the snapshot is taken: the next daemon ends what
 * was bound to a connection of the last one, and goes on with leases.  Snapshots on which
 * nothing was agreed have no file, and are held until somebody ends them.
 *
 * Thread-safe; takes no other lock.
 */
#ifndef BPFSNAP_HELD_H
#define BPFSNAP_HELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"

enum {
	HELD_KEY_MAX		= 128,	/* bytes of a key */
	HELD_LEASE_MAX_S	= 7 * 24 * 3600,
	HELD_RETRY_MS		= 1000,	/* an image that was in use is tried again */
};

/** enum held_end - why a snapshot is to be ended */
enum held_end {
	HELD_END_ASKED,
	HELD_END_UNDELIVERED,
	HELD_END_OWNER,
	HELD_END_LEASE,
};

/**
 * struct held_terms - what was agreed on a snapshot
 * @key: or empty
 * @serial: of the connection that it is bound to, or that waits for the reply
 * @lease_s: 0 for none
 * @expires_ms: when the lease ends, as CLOCK_BOOTTIME has it; out
 * @is_unfinished: not all is done that belongs to it: it is being taken, or the daemon died; out
 */
struct held_terms {
	char key[HELD_KEY_MAX + 1];
	uint64_t serial;
	bool is_bound;
	bool is_unconfirmed;
	uint32_t lease_s;
	int64_t expires_ms;
	bool is_unfinished;
};

/**
 * held_open - take over what the last daemon wrote down
 * @dir: of the files; made if it is not there
 * @is_held: is there such a snapshot?
 */
int held_open(const char *dir, bool (*is_held)(const char *snapshot));
void held_close(void);

/**
 * held_plan - a snapshot will be taken
 * @request: what was asked for, to be compared with what is asked for later
 *
 * Return: 0 or -errno; without a record it must not be taken.
 */
int held_plan(const char *snapshot, const struct held_terms *terms, struct json_object *request);
/** held_created - it was taken, and all that belongs to it is done: the lease begins */
void held_created(const char *snapshot);
/** held_forget - it was not, or it is gone */
void held_forget(const char *snapshot);

/**
 * held_find - the snapshot with a key, that is not about to end
 * @ret_is_same: was it asked for in the same way?
 *
 * It is this connection's from now on, and its lease begins anew.
 *
 * Return: 0; -ESRCH: there is none; or -errno: the lease cannot be written down.
 */
int held_find(const char *key, struct json_object *request, uint64_t serial, char ret_snapshot[37],
	      bool *ret_is_same);

/** held_get - Return: whether anything was agreed on it */
bool held_get(const char *snapshot, struct held_terms *ret_terms);

/**
 * held_renew - the lease begins anew
 * @lease_s: 0: as long as before
 *
 * Return: 0; -ESRCH: it has none, or is about to end; or -errno: the lease has begun anew, but
 * the next daemon would not know.
 */
int held_renew(const char *snapshot, uint32_t lease_s, int64_t *ret_expires_ms);

void held_delivered(const char *snapshot);
/** held_undelivered - nor will it be by this connection: it ends, unless another one has it now */
void held_undelivered(const char *snapshot, uint64_t serial);
void held_disconnected(uint64_t serial);
/** held_end - it is to be ended, and is not being taken any more */
void held_end(const char *snapshot, enum held_end why);
/** held_retry - that could not be done now */
void held_retry(const char *snapshot);

/** held_due - one that is to be ended now; each is told once, until held_retry() */
bool held_due(char ret_snapshot[37], enum held_end *ret_why);
/** held_wait_ms - until the next one may be due; -1 for ever */
int held_wait_ms(void);

/** held_end_text - a reason as part of a sentence */
const char *held_end_text(enum held_end why);

int64_t held_now_ms(void);

#endif /* BPFSNAP_HELD_H */
