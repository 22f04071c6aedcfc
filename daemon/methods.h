/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What can be asked of the daemon, and what serves it?
 */
#ifndef BPFSNAP_METHODS_H
#define BPFSNAP_METHODS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "config.h"
#include "reasons.h"
#include "schema.h"
#include "tracker.h"
#include "varlink.h"
#include "worker.h"

/**
 * struct daemon - what the methods work with
 * @config: what is configured, for the hooks
 * @schemas: the interfaces, org.varlink.service among them
 * @changes: does what changes something, one after the other
 * @scans: does what looks long
 */
struct daemon {
	struct tracker *tracker;
	const char *storage_dir;
	const char *module_path;
	const struct config *config;
	struct schema *schemas[2];
	struct worker *changes;
	struct worker *scans;
};

/** enum method_place - where a method is served, with the tracker's lock */
enum method_place {
	METHOD_LOOK,	/* on the main loop: takes no time */
	METHOD_SCAN,	/* beside it: may look through all marks of a disk */
	METHOD_CHANGE,	/* beside it, in turn: changes something, may wait for disks */
};

/** enum method_access - who may call a method */
enum method_access {
	METHOD_READERS,	/* and root */
	METHOD_ROOT,
};

/**
 * struct peer - who is at the other end
 * @serial: of the connection; never given again
 * @may_read: root, or of the group for which that is configured
 */
struct peer {
	uint64_t serial;
	uid_t uid;
	pid_t pid;
	bool may_read;
	bool may_change;
};

/**
 * struct stream - replies that are made one by one, as the client takes them
 * @next: make one; *@ret_continues says whether there are more. Without a reply there is
 *        none yet: it is asked again after the next event. Return: 0 or −errno
 * @free: of @state; also when the client leaves
 * @place: where @next is called
 */
struct stream {
	int (*next)(void *state, struct json_object **ret_reply, bool *ret_continues,
		    struct fault *fault);
	void (*free)(void *state);
	void *state;
	enum method_place place;
};

enum {
	FDS_MAX = 8,	/* handles that may come with a request, or go with a reply */
};

/** struct fds - handles on their way; -1 for one that was taken */
struct fds {
	int items[FDS_MAX];
	size_t nr;
};

void fds_done(struct fds *fds);

/**
 * struct call - one call on its way through a handler
 * @args: fit the interface's declaration; never NULL
 * @more: the client takes several replies
 * @is_cancelled: nobody waits for the answer any more
 * @fds_in: that came with the call
 * @reply: out, the results, or
 * @stream: out, the maker of several
 * @fds_out: out, that go with the results
 * @guarded: out, name of a snapshot to destroy if the reply is not received, or empty
 */
struct call {
	struct daemon *daemon;
	struct json_object *args;
	struct peer peer;
	bool more;
	const atomic_bool *is_cancelled;
	struct fds fds_in;
	struct json_object *reply;
	struct stream stream;
	struct fds fds_out;
	char guarded[37];
};

/** call_check - Return: 0, or -ECANCELED if nobody waits any more */
int call_check(const struct call *call);

#define METHOD(interface, name, place, access, handler) \
	int handler(struct call *call, struct fault *fault);
#include "methods.def"
#undef METHOD

/** methods_init - parse the interfaces. Return: 0 or −errno, logged */
int methods_init(struct daemon *daemon);
void methods_done(struct daemon *daemon);

/**
 * struct answer - what comes of a call, or of a step of a stream
 * @text: to be sent, with its terminator; NULL if there is nothing (yet)
 * @stream: more to make
 * @is_idle: but only after the next event
 * @guarded: as that of a call
 * @serial: of the connection that asked, or 0 if nothing was done
 */
struct answer {
	char *text;
	size_t len_bytes;
	struct fds fds;
	struct stream stream;
	bool is_idle;
	char guarded[37];
	uint64_t serial;
};

void answer_done(struct answer *answer);

/**
 * methods_dispatch - serve a request
 * @request: taken over
 * @fds: that came with it, taken over
 * @terminator: ends the reply
 * @ret_job: if it is served elsewhere, a job that was given to a worker; else NULL and
 *           @ret_answer
 *
 * Return: 0 or -ENOMEM.
 */
int methods_dispatch(struct daemon *daemon, const struct peer *peer,
		     struct varlink_request *request, struct fds *fds, char terminator,
		     struct answer *ret_answer, struct job **ret_job);

/** methods_step - the same for the next reply of a stream, which is taken over */
int methods_step(struct daemon *daemon, struct stream *stream, char terminator,
		 struct answer *ret_answer, struct job **ret_job);

/** methods_cancel - nobody waits for a job any more; frees it, now or when it comes back */
void methods_cancel(struct daemon *daemon, struct job *job);

/** methods_result - take the answer from a job that has come back, and free the job */
void methods_result(struct job *job, struct answer *ret_answer);

/** methods_background - let a handler run in turn, for nobody; @args is taken over */
void methods_background(struct daemon *daemon, const char *what,
			int (*handler)(struct call *call, struct fault *fault),
			struct json_object *args);

/* Arguments; NULL, false or @otherwise if absent or null. */
const char *arg_string(const struct call *call, const char *name);
bool arg_bool(const struct call *call, const char *name);
int arg_int(const struct call *call, const char *name, int64_t min, int64_t max,
	    int64_t otherwise, int64_t *ret_value, struct fault *fault);

/**
 * arg_handle - a handle that came with the call, by its place; belongs to the call
 * @ret_fd: -1 if the argument is absent or null
 *
 * Errors: InvalidParameter: there is no handle in that place.
 */
int arg_handle(const struct call *call, const char *name, int *ret_fd, struct fault *fault);

/** put_handle - hand @fd, which is taken over, to the client: its place becomes the result */
int put_handle(struct call *call, struct json_object *o, const char *name, int fd);

/* Results. */
void put_string(struct json_object *o, const char *name, const char *value);
void put_u64(struct json_object *o, const char *name, uint64_t value);

#endif /* BPFSNAP_METHODS_H */
