/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Is this text JSON, and nothing but JSON?
 */
#ifndef BPFSNAP_STRICT_H
#define BPFSNAP_STRICT_H

#include <stddef.h>

enum {
	STRICT_DEPTH_MAX	= 16,	/* nested objects and arrays */
	STRICT_KEYS_MAX		= 64,	/* fields of one object; ours have at most 12 */
};

/**
 * strict_check - check a text against RFC 8259, and what we ask beyond it
 * @text: need not be terminated
 * @len_bytes: of it
 *
 * The parser of json-c takes single quotes, NaN, a key given twice and integers
 * beyond 64 bits (which it changes), so the text is checked before it gets there.
 * Beyond the RFC: no key twice in an object, no escapes in keys, no NUL in a
 * string, integers within int64_t, and the limits above.  UTF-8 is left to json-c.
 *
 * Return: 0; -EBADMSG not JSON; -ERANGE an integer too large; -E2BIG too deep or
 * too many keys; -EEXIST a key given twice.
 */
int strict_check(const char *text, size_t len_bytes);

#endif /* BPFSNAP_STRICT_H */
