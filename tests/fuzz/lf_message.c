// SPDX-License-Identifier: GPL-2.0-only
/*
 * For libFuzzer: framing, parsing and checking of messages, without a daemon.
 *
 * The first byte says in pieces of which length the rest arrives.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "interface.h"
#include "schema.h"
#include "varlink.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct schema *schemas[2];

static void check(const char *text, size_t len)
{
	struct varlink_request request = { 0 };
	const struct schema_member *method;
	const char *name;

	if (varlink_parse(text, len, &request) == 0) {
		size_t split = varlink_split(request.method);

		for (int i = 0; split && i < 2; i++) {
			method = schema_find(schemas[i], SCHEMA_MEMBER_METHOD,
					     request.method + split + 1);
			if (method)
				(void)schema_check(schemas[i], &method->in, request.parameters, &name);
		}
	}
	varlink_request_done(&request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct varlink_framer framer = { 0 };
	size_t piece, have = 0, len;
	char *text, terminator;

	if (!schemas[0] && (schema_parse(interface_text, &schemas[0], NULL) < 0 ||
			    schema_parse(interface_service_text, &schemas[1], NULL) < 0))
		abort();
	if (size < 2)
		return 0;
	piece = 1 + data[0];
	data++, size--;
	/* memory of just the size: a read beyond it is seen */
	text = malloc(size);
	while (size) {
		size_t n = piece < size ? piece : size;

		memcpy(text + have, data, n);
		have += n, data += n, size -= n;
		for (;;) {
			int r = varlink_frame(&framer, text, have, &len, &terminator);

			if (r < 0)
				size = 0;
			if (r <= 0)
				break;
			if (len >= have)
				abort();
			check(text, len);
			memmove(text, text + len + 1, have - len - 1);
			have -= len + 1;
		}
	}
	free(text);
	return 0;
}
