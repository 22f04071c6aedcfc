// SPDX-License-Identifier: GPL-2.0-only
/*
 * How does a verb ask the daemon, and what becomes of an error in its answer?
 *
 * Each call has a connection of its own: hours may pass between two calls of
 * a backup, and the daemon may have been started anew by then.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

static void conn_closep(struct bpfsnap_conn **conn)
{
	*conn = bpfsnap_close(*conn);
}

#define _cleanup_conn_	_cleanup_(conn_closep)

static const char *socket_path(const struct cli *cli)
{
	const char *path = cli->socket_path;

	if (!path || !*path)
		path = getenv(BPFSNAP_SOCKET_ENV);
	return path && *path ? path : BPFSNAP_SOCKET_PATH;
}

static int fail_connection(struct cli *cli, int r)
{
	struct json_object *members = json_object_new_object();
	const char *path = socket_path(cli);

	member_add_string(members, "socket", path);
	switch (-r) {
	case EACCES:
	case EPERM:
		return cli_fail(cli, "PermissionDenied", members,
				"%s: not allowed to talk to the daemon", path);
	case EBADMSG:
	case EMSGSIZE:
		return cli_fail(cli, "BadReply", members,
				"%s: the daemon's reply is malformed or too long", path);
	case ENOMEM:
		return cli_fail(cli, "SystemFailure", members, "%s", strerror(-r));
	default:
		return cli_fail(cli, "DaemonUnreachable", members,
				"%s: the daemon can't be reached: %s", path, strerror(-r));
	}
}

/* Consumes the parameters and the name of the error. */
static int fail_remote(struct cli *cli, const char *method, char *error,
		       struct json_object *parameters)
{
	static const char *const ours[] = { BPFSNAP_INTERFACE ".", "org.varlink.service." };
	const char *name = error, *reason = NULL, *detail = NULL;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(ours); i++) {
		if (!strncmp(error, ours[i], strlen(ours[i])))
			name = error + strlen(ours[i]);
	}
	if (member_string(parameters, "reason", &reason))
		r = cli_fail(cli, name, json_object_get(parameters), "%s", reason);
	else if (member_string(parameters, "parameter", &detail))
		r = cli_fail(cli, name, json_object_get(parameters), "%s: %s: %s",
			     method, name, detail);
	else
		r = cli_fail(cli, name, json_object_get(parameters), "%s: %s", method, name);
	json_object_put(parameters);
	free(error);
	return r;
}

static void full_name(const char *method, char *ret_name, size_t room_bytes)
{
	snprintf(ret_name, room_bytes, "%s%s",
		 strchr(method, '.') ? "" : BPFSNAP_INTERFACE ".", method);
}

int cli_call(struct cli *cli, const char *method, struct json_object *parameters,
	     struct json_object **ret_reply)
{
	_cleanup_conn_ struct bpfsnap_conn *conn = NULL;
	_cleanup_json_ struct json_object *owned = parameters;
	struct json_object *reply = NULL;
	char *error = NULL, name[256];
	int r;

	full_name(method, name, sizeof(name));
	r = bpfsnap_open(cli->socket_path, &conn);
	if (r < 0)
		return fail_connection(cli, r);
	r = bpfsnap_call(conn, name, owned, &reply, &error);
	if (r == -EREMOTEIO)
		return fail_remote(cli, name, error, reply);
	if (r < 0)
		return fail_connection(cli, r);
	if (ret_reply)
		*ret_reply = reply;
	else
		json_object_put(reply);
	return 0;
}

int cli_try_call(struct cli *cli, const char *method, struct json_object *parameters,
		 struct json_object **ret_reply)
{
	_cleanup_conn_ struct bpfsnap_conn *conn = NULL;
	_cleanup_json_ struct json_object *owned = parameters, *reply = NULL;
	_cleanup_free_ char *error = NULL;
	char name[256];
	int r;

	full_name(method, name, sizeof(name));
	r = bpfsnap_open(cli->socket_path, &conn);
	if (r == 0)
		r = bpfsnap_call(conn, name, owned, &reply, &error);
	if (r == 0 && ret_reply)
		*ret_reply = json_object_get(reply);
	return r;
}

/* Tells an error of the callback from one of the connection. */
struct stream {
	bpfsnap_reply_fn on_reply;
	void *data;
	int r;
};

static int stream_reply(struct json_object *reply, void *data)
{
	struct stream *stream = data;

	stream->r = stream->on_reply(reply, stream->data);
	return stream->r;
}

int cli_call_more(struct cli *cli, const char *method, struct json_object *parameters,
		  bpfsnap_reply_fn on_reply, void *data)
{
	_cleanup_conn_ struct bpfsnap_conn *conn = NULL;
	_cleanup_json_ struct json_object *owned = parameters;
	struct stream stream = { .on_reply = on_reply, .data = data };
	struct json_object *details = NULL;
	char *error = NULL, name[256];
	int r;

	full_name(method, name, sizeof(name));
	r = bpfsnap_open(cli->socket_path, &conn);
	if (r < 0)
		return fail_connection(cli, r);
	r = bpfsnap_call_more(conn, name, owned, stream_reply, &stream, &details, &error);
	if (stream.r < 0)
		return stream.r;
	if (r == -EREMOTEIO)
		return fail_remote(cli, name, error, details);
	return r < 0 ? fail_connection(cli, r) : 0;
}
