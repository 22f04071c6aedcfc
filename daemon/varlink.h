/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where does a Varlink message end, what does it ask, and how is one answered?
 *
 * A message is a JSON object and a NUL.  Beyond the specification a newline ends
 * a message too, if the braces before it are closed; what answers it then ends
 * with a newline, so that a person can speak to the socket.
 */
#ifndef BPFSNAP_VARLINK_H
#define BPFSNAP_VARLINK_H

#include <stdbool.h>
#include <stddef.h>

#include "cleanup.h"

enum {
	VARLINK_MESSAGE_MAX_BYTES = 1 << 20,	/* a longer request is nobody's honest one */
};

/**
 * struct varlink_framer - how far a buffer has been looked through
 * @pos: bytes looked at
 * @depth: open braces and brackets there
 *
 * All zero at the start of each message.
 */
struct varlink_framer {
	size_t pos;
	int depth;
	bool in_string;
	bool escaped;
	bool has_text;
};

/**
 * varlink_frame - find the end of the first message in a buffer
 * @buf: the same bytes as at the last call, and perhaps more
 * @ret_len_bytes: of the message, without its terminator
 * @ret_terminator: '\0' or '\n'
 *
 * Return: 1 a message; 0 more bytes are needed; -EMSGSIZE it is too long.
 */
int varlink_frame(struct varlink_framer *framer, const char *buf, size_t len_bytes,
		  size_t *ret_len_bytes, char *ret_terminator);

/**
 * struct varlink_request - a call
 * @method: qualified name; belongs to @message
 * @parameters: an object, or NULL if there were none; belongs to @message
 */
struct varlink_request {
	struct json_object *message;
	const char *method;
	struct json_object *parameters;
	bool more;
	bool oneway;
	bool upgrade;
};

/** varlink_parse - Return: 0, -EBADMSG or what strict_check() returns */
int varlink_parse(const char *text, size_t len_bytes, struct varlink_request *ret_request);
void varlink_request_done(struct varlink_request *request);

/** varlink_split - "io.bpfsnap.ListDevices" to the length of "io.bpfsnap"; 0 if there is none */
size_t varlink_split(const char *method);

/* Each takes over @parameters, which may be NULL, and returns a message. */
struct json_object *varlink_reply(struct json_object *parameters, bool continues);
struct json_object *varlink_error(const char *name, struct json_object *parameters);

/** varlink_encode - a message as bytes, its terminator included */
int varlink_encode(struct json_object *message, char terminator, char **ret_text,
		   size_t *ret_len_bytes);

#endif /* BPFSNAP_VARLINK_H */
