// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whose are the snapshots that are held, and until when?
 */
#include "held.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <json-c/json.h>
#include <uuid/uuid.h>

#include "log.h"

enum {
	CREATE_PATIENCE_MS = 300000,	/* that a lease is longer while the snapshot is taken */
};

/**
 * struct held - a snapshot with terms
 * @request: what was asked for
 * @is_created: it was taken
 * @is_ending: it is to be ended, for @why, not before @retry_ms
 */
struct held {
	struct held *next;
	char snapshot[37];
	struct held_terms terms;
	struct json_object *request;
	bool is_created;
	bool is_ending;
	enum held_end why;
	int64_t retry_ms;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct held *all;
static char records_dir[PATH_MAX];

const char *held_end_text(enum held_end why)
{
	static const char *const texts[] = {
		[HELD_END_ASKED] = "as asked",
		[HELD_END_UNDELIVERED] = "since the reply that told of it was not received",
		[HELD_END_OWNER] = "since the connection that it was bound to has ended",
		[HELD_END_LEASE] = "since nobody renewed its lease",
	};

	return texts[why];
}

int64_t held_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void unlock(pthread_mutex_t **mutex)
{
	pthread_mutex_unlock(*mutex);
}

#define LOCKED() \
	_cleanup_(unlock) pthread_mutex_t *locked_ = &lock; \
	pthread_mutex_lock(locked_)

static struct held *find(const char *snapshot)
{
	for (struct held *h = all; h; h = h->next)
		if (strcmp(h->snapshot, snapshot) == 0)
			return h;
	return NULL;
}

static void record_path(const char *snapshot, const char *suffix, char *ret_path, size_t room)
{
	snprintf(ret_path, room, "%s/%s%s", records_dir, snapshot, suffix);
}

static int write_text(const char *path, const char *text)
{
	_cleanup_(closep) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
					0600);
	size_t len = strlen(text), done = 0;

	if (fd < 0)
		return -errno;
	while (done < len) {
		ssize_t n = write(fd, text + done, len - done);

		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += (size_t)n;
	}
	return 0;
}

/* Whole or not at all: by another name, then renamed. In memory, so that nothing is synced. */
static int save(const struct held *h)
{
	_cleanup_(json_putp) struct json_object *o = json_object_new_object();
	char path[PATH_MAX + 64], new_path[PATH_MAX + 64];
	int r;

	json_object_object_add(o, "key", json_object_new_string(h->terms.key));
	json_object_object_add(o, "bound", json_object_new_boolean(h->terms.is_bound));
	json_object_object_add(o, "unconfirmed", json_object_new_boolean(h->terms.is_unconfirmed));
	json_object_object_add(o, "lease_s", json_object_new_int64(h->terms.lease_s));
	json_object_object_add(o, "expires_ms", json_object_new_int64(h->terms.expires_ms));
	json_object_object_add(o, "unfinished", json_object_new_boolean(h->terms.is_unfinished));
	json_object_object_add(o, "request", json_object_get(h->request));
	record_path(h->snapshot, "", path, sizeof(path));
	record_path(h->snapshot, ".new", new_path, sizeof(new_path));
	r = write_text(new_path, json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	if (r >= 0 && rename(new_path, path) < 0)
		r = -errno;
	if (r < 0)
		log_err("%s: %s", path, strerror(-r));
	return r;
}

static void unlink_record(const struct held *h)
{
	char path[PATH_MAX + 64];

	record_path(h->snapshot, "", path, sizeof(path));
	unlink(path);
}

static void drop(struct held *h)
{
	for (struct held **at = &all; *at; at = &(*at)->next) {
		if (*at != h)
			continue;
		*at = h->next;
		break;
	}
	unlink_record(h);
	json_object_put(h->request);
	free(h);
}

static void end_now(struct held *h, enum held_end why)
{
	if (h->is_ending)
		return;
	h->is_ending = true;
	h->why = why;
	h->retry_ms = 0;
}

static bool flag(struct json_object *o, const char *name)
{
	return json_object_get_boolean(json_object_object_get(o, name));
}

static int64_t number(struct json_object *o, const char *name)
{
	return json_object_get_int64(json_object_object_get(o, name));
}

/* What its owner was is gone with the last daemon, or knew only that one. */
static void adopt(const char *snapshot, struct json_object *o)
{
	struct held *h = calloc(1, sizeof(*h));
	const char *key = json_object_get_string(json_object_object_get(o, "key"));

	if (!h)
		return;
	snprintf(h->snapshot, sizeof(h->snapshot), "%s", snapshot);
	snprintf(h->terms.key, sizeof(h->terms.key), "%s", key ?: "");
	h->terms.is_bound = flag(o, "bound");
	h->terms.is_unconfirmed = flag(o, "unconfirmed");
	h->terms.lease_s = (uint32_t)number(o, "lease_s");
	h->terms.expires_ms = number(o, "expires_ms");
	/*
	 * Those of an older daemon don't say: finished, as almost all are.  Of one that is, a
	 * checkpoint that is missing or of another epoch was removed or moved on since.
	 */
	h->terms.is_unfinished = flag(o, "unfinished");
	h->request = json_object_get(json_object_object_get(o, "request"));
	h->is_created = true;
	h->next = all;
	all = h;
	if (h->terms.is_bound)
		end_now(h, HELD_END_OWNER);
	else if (h->terms.is_unconfirmed)
		end_now(h, HELD_END_UNDELIVERED);
}

static void adopt_file(const char *name, bool (*is_held)(const char *snapshot))
{
	_cleanup_(json_putp) struct json_object *o = NULL;
	char path[PATH_MAX + NAME_MAX + 2];
	uuid_t id;

	snprintf(path, sizeof(path), "%s/%s", records_dir, name);
	if (strlen(name) != 36 || uuid_parse(name, id) < 0 || !is_held(name)) {
		unlink(path);
		return;
	}
	o = json_object_from_file(path);
	/* Written whole: what can't be read is not ours, and tells nothing. */
	if (json_object_is_type(o, json_type_object))
		adopt(name, o);
	else
		log_warning("%s cannot be read: the snapshot is held until somebody ends it", path);
}

int held_open(const char *dir, bool (*is_held)(const char *snapshot))
{
	struct dirent *entry;
	DIR *d;

	LOCKED();
	if (snprintf(records_dir, sizeof(records_dir), "%s", dir) >= (int)sizeof(records_dir))
		return -ENAMETOOLONG;
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return -errno;
	d = opendir(dir);
	if (!d)
		return -errno;
	while ((entry = readdir(d)))
		if (entry->d_name[0] != '.')
			adopt_file(entry->d_name, is_held);
	closedir(d);
	return 0;
}

/* The files stay, for the next daemon. */
void held_close(void)
{
	LOCKED();
	while (all) {
		struct held *h = all;

		all = h->next;
		json_object_put(h->request);
		free(h);
	}
}

int held_plan(const char *snapshot, const struct held_terms *terms, struct json_object *request)
{
	struct held *h;
	int r;

	if (!terms->key[0] && !terms->is_bound && !terms->is_unconfirmed && !terms->lease_s)
		return 0;
	LOCKED();
	h = calloc(1, sizeof(*h));
	if (!h)
		return -ENOMEM;
	snprintf(h->snapshot, sizeof(h->snapshot), "%s", snapshot);
	h->terms = *terms;
	h->terms.expires_ms = held_now_ms() + (int64_t)terms->lease_s * 1000 + CREATE_PATIENCE_MS;
	h->terms.is_unfinished = true;
	/* A copy: the counts of references are nobody's but one thread's. */
	if (json_object_deep_copy(request, &h->request, NULL) < 0) {
		free(h);
		return -ENOMEM;
	}
	h->next = all;
	all = h;
	r = save(h);
	if (r < 0)
		drop(h);
	return r;
}

/* Here it begins in any case. */
static int begin_lease(struct held *h)
{
	h->terms.expires_ms = held_now_ms() + (int64_t)h->terms.lease_s * 1000;
	return save(h);
}

void held_created(const char *snapshot)
{
	struct held *h;

	LOCKED();
	h = find(snapshot);
	if (!h)
		return;
	h->is_created = true;
	h->terms.is_unfinished = false;
	/* What is on file meanwhile is a longer lease, and that something may have to be done. */
	(void)begin_lease(h);
}

void held_forget(const char *snapshot)
{
	struct held *h;

	LOCKED();
	h = find(snapshot);
	if (h)
		drop(h);
}

int held_find(const char *key, struct json_object *request, uint64_t serial, char ret_snapshot[37],
	      bool *ret_is_same)
{
	LOCKED();
	for (struct held *h = all; h; h = h->next) {
		if (h->is_ending || !h->is_created || strcmp(h->terms.key, key) != 0)
			continue;
		*ret_is_same = json_object_equal(h->request, request);
		memcpy(ret_snapshot, h->snapshot, sizeof(h->snapshot));
		if (!*ret_is_same)
			return 0;
		h->terms.serial = serial;
		return h->terms.lease_s ? begin_lease(h) : 0;
	}
	return -ESRCH;
}

bool held_get(const char *snapshot, struct held_terms *ret_terms)
{
	struct held *h;

	LOCKED();
	h = find(snapshot);
	if (h)
		*ret_terms = h->terms;
	return h != NULL;
}

int held_renew(const char *snapshot, uint32_t lease_s, int64_t *ret_expires_ms)
{
	struct held *h;
	int r;

	LOCKED();
	h = find(snapshot);
	if (!h || h->is_ending || !h->terms.lease_s)
		return -ESRCH;
	if (lease_s)
		h->terms.lease_s = lease_s;
	r = begin_lease(h);
	*ret_expires_ms = h->terms.expires_ms;
	return r;
}

void held_delivered(const char *snapshot)
{
	struct held *h;

	LOCKED();
	h = find(snapshot);
	if (!h || h->is_ending || !h->terms.is_unconfirmed)
		return;
	h->terms.is_unconfirmed = false;
	/* The next daemon would end what is on file as not received; what is not on file it lets be. */
	if (save(h) < 0 && !h->terms.is_bound)
		unlink_record(h);
}

/* What was received once, by whatever connection, stays; so does what another one asked for again. */
static void lose(struct held *h, uint64_t serial)
{
	if (h->terms.is_unconfirmed && h->terms.serial == serial)
		end_now(h, HELD_END_UNDELIVERED);
}

void held_undelivered(const char *snapshot, uint64_t serial)
{
	struct held *h;

	LOCKED();
	h = find(snapshot);
	if (h)
		lose(h, serial);
}

void held_disconnected(uint64_t serial)
{
	LOCKED();
	for (struct held *h = all; h; h = h->next) {
		lose(h, serial);
		if (h->terms.is_bound && h->terms.serial == serial)
			end_now(h, HELD_END_OWNER);
	}
}

void held_end(const char *snapshot, enum held_end why)
{
	struct held *h;

	LOCKED();
	h = find(snapshot);
	if (!h)
		return;
	h->is_created = true;
	end_now(h, why);
}

void held_retry(const char *snapshot)
{
	struct held *h;

	LOCKED();
	h = find(snapshot);
	if (h)
		h->retry_ms = held_now_ms() + HELD_RETRY_MS;
}

bool held_due(char ret_snapshot[37], enum held_end *ret_why)
{
	int64_t now_ms = held_now_ms();

	LOCKED();
	for (struct held *h = all; h; h = h->next) {
		if (!h->is_created)
			continue;
		if (h->terms.lease_s && now_ms >= h->terms.expires_ms)
			end_now(h, HELD_END_LEASE);
		if (!h->is_ending || now_ms < h->retry_ms)
			continue;
		h->retry_ms = INT64_MAX;
		memcpy(ret_snapshot, h->snapshot, sizeof(h->snapshot));
		*ret_why = h->why;
		return true;
	}
	return false;
}

int held_wait_ms(void)
{
	int64_t first_ms = INT64_MAX, now_ms = held_now_ms();

	LOCKED();
	for (const struct held *h = all; h; h = h->next) {
		int64_t at_ms = INT64_MAX;

		if (h->is_created && h->is_ending)
			at_ms = h->retry_ms;
		else if (h->is_created && h->terms.lease_s)
			at_ms = h->terms.expires_ms;
		first_ms = at_ms < first_ms ? at_ms : first_ms;
	}
	if (first_ms == INT64_MAX)
		return -1;
	if (first_ms <= now_ms)
		return 0;
	return first_ms - now_ms < INT_MAX ? (int)(first_ms - now_ms) : INT_MAX;
}
