// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * How does a call of any thread get to the daemon and back?
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lib.h"

/**
 * struct bpfsnap - a connection, and the lock of those who use it
 * @path: of the socket, as found by bpfsnap_connect()
 * @conn: NULL after it broke
 */
struct bpfsnap {
	pthread_mutex_t lock;
	char *path;
	struct bpfsnap_conn *conn;
};

int bpfsnap_connect(const char *socket_path, struct bpfsnap **ret_bpfsnap,
		    struct bpfsnap_error **ret_error)
{
	struct bpfsnap *b;
	int r;

	*ret_bpfsnap = NULL;
	if (!socket_path || !*socket_path)
		socket_path = getenv(BPFSNAP_SOCKET_ENV);
	if (!socket_path || !*socket_path)
		socket_path = BPFSNAP_SOCKET_PATH;
	b = calloc(1, sizeof(*b));
	if (!b)
		return error_local(ret_error, -ENOMEM, socket_path);
	pthread_mutex_init(&b->lock, NULL);
	b->path = strdup(socket_path);
	r = b->path ? bpfsnap_open(b->path, &b->conn) : -ENOMEM;
	if (r < 0) {
		r = error_local(ret_error, r, socket_path);
		bpfsnap_disconnect(b);
		return r;
	}
	*ret_bpfsnap = b;
	return 0;
}

void bpfsnap_disconnect(struct bpfsnap *b)
{
	if (!b)
		return;
	bpfsnap_close(b->conn);
	pthread_mutex_destroy(&b->lock);
	free(b->path);
	free(b);
}

/*
 * A daemon that was restarted has closed our connection, which shows as EPIPE when we send:
 * it can't have seen a whole message then, so that the call can be made once more.  When
 * it is the reply that does not come, nobody knows what became of the call.
 */
static int call_locked(struct bpfsnap *b, const char *method, struct json_object *parameters,
		       const char *member, int *ret_fd, struct json_object **ret_reply,
		       char **ret_error_name)
{
	int r = -EPIPE;

	for (int i = 0; i < 2 && r == -EPIPE; i++) {
		r = b->conn ? 0 : bpfsnap_open(b->path, &b->conn);
		if (r < 0)
			return r;
		r = member ? bpfsnap_call_handle(b->conn, method, parameters, member, ret_fd,
						 ret_reply, ret_error_name)
			   : bpfsnap_call(b->conn, method, parameters, ret_reply, ret_error_name);
		/* What is bound to the connection ends with it: only if it is of no more use. */
		if (r < 0 && r != -EREMOTEIO && r != -EMFILE)
			b->conn = bpfsnap_close(b->conn);
	}
	return r;
}

int handle_call_fd(struct bpfsnap *b, const char *method, struct json_object *parameters,
		   const char *member, int *ret_fd, struct json_object **ret_reply,
		   struct bpfsnap_error **ret_error)
{
	struct json_object *reply = NULL;
	char *error_name = NULL;
	int r = -ENOMEM;

	if (parameters) {
		pthread_mutex_lock(&b->lock);
		r = call_locked(b, method, parameters, member, ret_fd, &reply, &error_name);
		pthread_mutex_unlock(&b->lock);
		json_object_put(parameters);
	}
	if (r == -EREMOTEIO)
		r = error_remote(ret_error, error_name, reply);
	else if (r < 0)
		r = error_local(ret_error, r, b->path);
	free(error_name);
	if (r >= 0 && ret_reply)
		*ret_reply = reply;
	else
		json_object_put(reply);
	return r;
}

int handle_call(struct bpfsnap *b, const char *method, struct json_object *parameters,
		struct json_object **ret_reply, struct bpfsnap_error **ret_error)
{
	return handle_call_fd(b, method, parameters, NULL, NULL, ret_reply, ret_error);
}

const char *handle_path(const struct bpfsnap *b)
{
	return b->path;
}
