/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How does a program talk to bpfsnapd?
 *
 * A connection carries one call at a time.  The methods, their parameters and
 * their errors are in include/io.bpfsnap.varlink.  Not thread safe: a
 * connection belongs to one thread.
 */
#ifndef _BPFSNAP_CLIENT_H
#define _BPFSNAP_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include <json-c/json.h>

#define BPFSNAP_SOCKET_PATH	"/run/bpfsnap/bpfsnapd.sock"
#define BPFSNAP_SOCKET_ENV	"BPFSNAP_SOCKET"
#define BPFSNAP_INTERFACE	"io.bpfsnap"

/* The longest reply that is accepted, in bytes without the final NUL. */
#define BPFSNAP_REPLY_MAX_BYTES	(64u << 20)

struct bpfsnap_conn;

/**
 * bpfsnap_reply_fn - take one of the replies of a streaming call
 * @parameters: of this reply, never NULL; borrowed, take a reference to keep it
 * @data: as given to bpfsnap_call_more()
 *
 * Return: 0 to go on, a negative errno to give up the call.
 */
typedef int (*bpfsnap_reply_fn)(struct json_object *parameters, void *data);

/**
 * bpfsnap_open - connect to the daemon
 * @socket_path: of its socket; NULL: $BPFSNAP_SOCKET, else BPFSNAP_SOCKET_PATH
 * @ret_conn: the connection; end it with bpfsnap_close()
 *
 * Return: 0; -ENOENT or -ECONNREFUSED: no daemon there; -EACCES: not allowed to
 * talk to it; -ENAMETOOLONG: path too long for a socket; -ENOMEM; another
 * negative errno of socket(2) or connect(2).
 */
int bpfsnap_open(const char *socket_path, struct bpfsnap_conn **ret_conn);

/**
 * bpfsnap_close - end a connection
 * @conn: or NULL
 *
 * Return: NULL.
 */
struct bpfsnap_conn *bpfsnap_close(struct bpfsnap_conn *conn);

/**
 * bpfsnap_call - call a method and wait for its reply, however long that takes
 * @conn: connection
 * @method: full name, "io.bpfsnap.ListDevices"
 * @parameters: borrowed; NULL for none
 * @ret_parameters: of the reply, or of the error; never NULL on 0 and
 *                  -EREMOTEIO, to be put by the caller
 * @ret_error: full name of the error on -EREMOTEIO, to be freed by the caller
 *
 * Waiting goes on over signals: a call that has been sent has an effect, and
 * only the reply tells which.
 *
 * Return: 0; -EREMOTEIO: the daemon answered with an error; -ECONNRESET or
 * -EPIPE: it went away; -EBADMSG: it sent something that is no reply;
 * -EMSGSIZE: it sent more than BPFSNAP_REPLY_MAX_BYTES; -ENOTCONN: an earlier
 * call broke this connection; -ENOMEM.  All but 0, -EREMOTEIO and -ENOMEM
 * break the connection.
 */
int bpfsnap_call(struct bpfsnap_conn *conn, const char *method,
		 struct json_object *parameters,
		 struct json_object **ret_parameters, char **ret_error);

/**
 * bpfsnap_call_handle - call a method whose reply brings one file descriptor
 * @member: of the reply, that tells its place
 * @ret_handle: close-on-exec, the caller's; -1 unless this returns 0
 *
 * Return: as bpfsnap_call(); -EBADMSG also if none came, or more than one; -EMFILE: it came,
 * but this process can't have another file descriptor: the connection is still good.
 */
int bpfsnap_call_handle(struct bpfsnap_conn *conn, const char *method,
			struct json_object *parameters, const char *member, int *ret_handle,
			struct json_object **ret_parameters, char **ret_error);

/** bpfsnap_now_ms - of the clock that timeouts are told by */
int64_t bpfsnap_now_ms(void);

/** bpfsnap_fd - for poll(2); the connection's */
int bpfsnap_fd(const struct bpfsnap_conn *conn);

/** bpfsnap_more_begin - call a method whose stream of replies is taken one by one */
int bpfsnap_more_begin(struct bpfsnap_conn *conn, const char *method,
		       struct json_object *parameters);

/**
 * bpfsnap_more_next - the next reply
 * @timeout_ms: -1: wait for ever
 * @ret_continues: others follow
 *
 * Return: as bpfsnap_call(); -ETIMEDOUT: it has not come, or not all of it; ask again.
 */
int bpfsnap_more_next(struct bpfsnap_conn *conn, int timeout_ms,
		      struct json_object **ret_parameters, bool *ret_continues, char **ret_error);

/**
 * bpfsnap_call_more - call a method that answers with a stream of replies
 * @conn: connection
 * @method: full name
 * @parameters: borrowed; NULL for none
 * @on_reply: called for each reply, the last one too
 * @data: for @on_reply
 * @ret_parameters: of the error on -EREMOTEIO, to be put by the caller
 * @ret_error: full name of the error on -EREMOTEIO, to be freed by the caller
 *
 * An error may come after some replies: what they said is then incomplete.
 *
 * Return: as bpfsnap_call(), and what @on_reply returned if that was negative;
 * the connection is then broken.
 */
int bpfsnap_call_more(struct bpfsnap_conn *conn, const char *method,
		      struct json_object *parameters,
		      bpfsnap_reply_fn on_reply, void *data,
		      struct json_object **ret_parameters, char **ret_error);

#endif /* _BPFSNAP_CLIENT_H */
