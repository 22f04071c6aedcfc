// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is this text JSON, and nothing but JSON?
 */
#include "strict.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct scan {
	const char *at, *end;
	unsigned int depth;
};

struct span {
	const char *text;
	size_t len;
};

static int scan_value(struct scan *s);

static void skip_space(struct scan *s)
{
	while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r'))
		s->at++;
}

static bool take(struct scan *s, char c)
{
	if (s->at >= s->end || *s->at != c)
		return false;
	s->at++;
	return true;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int scan_literal(struct scan *s, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(s->end - s->at) < len || memcmp(s->at, word, len) != 0)
		return -EBADMSG;
	s->at += len;
	return 0;
}

static int scan_escape(struct scan *s)
{
	unsigned int code = 0;

	if (s->at >= s->end)
		return -EBADMSG;
	if (*s->at != 'u')
		return *s->at && strchr("\"\\/bfnrt", *s->at++) ? 0 : -EBADMSG;
	s->at++;
	for (int i = 0; i < 4; i++, s->at++) {
		const char *digits = "0123456789abcdefABCDEF", *d;

		d = s->at < s->end && *s->at ? strchr(digits, *s->at) : NULL;
		if (!d)
			return -EBADMSG;
		code = code << 4 | (unsigned int)(d - digits);	/* only compared with 0 */
	}
	return code ? 0 : -EBADMSG;
}

static int scan_string(struct scan *s, bool is_key)
{
	int r;

	if (!take(s, '"'))
		return -EBADMSG;
	while (s->at < s->end) {
		unsigned char c = (unsigned char)*s->at++;

		if (c == '"')
			return 0;
		if (c < 0x20)
			return -EBADMSG;
		if (c != '\\')
			continue;
		if (is_key)
			return -EBADMSG;
		r = scan_escape(s);
		if (r < 0)
			return r;
	}
	return -EBADMSG;
}

static int scan_digits(struct scan *s)
{
	const char *first = s->at;

	while (s->at < s->end && is_digit(*s->at))
		s->at++;
	return s->at > first ? 0 : -EBADMSG;
}

static int check_integer(const char *digits, const char *end, bool negative)
{
	uint64_t max = (uint64_t)INT64_MAX + negative, n = 0;

	for (; digits < end; digits++) {
		unsigned int d = (unsigned int)(*digits - '0');

		if (n > (max - d) / 10)
			return -ERANGE;
		n = n * 10 + d;
	}
	return 0;
}

static int scan_number(struct scan *s)
{
	bool negative = take(s, '-');
	const char *digits = s->at;
	int r;

	r = scan_digits(s);
	if (r < 0)
		return r;
	if (*digits == '0' && s->at - digits > 1)
		return -EBADMSG;
	if (s->at >= s->end || !strchr(".eE", *s->at) || !*s->at)
		return check_integer(digits, s->at, negative);
	if (take(s, '.')) {
		r = scan_digits(s);
		if (r < 0)
			return r;
	}
	if (take(s, 'e') || take(s, 'E')) {
		if (!take(s, '+'))
			take(s, '-');
		return scan_digits(s);
	}
	return 0;
}

static int scan_member(struct scan *s, struct span *keys, size_t nr_keys)
{
	const char *key;
	size_t len;
	int r;

	skip_space(s);
	key = s->at;
	r = scan_string(s, true);
	if (r < 0)
		return r;
	len = (size_t)(s->at - key);
	for (size_t i = 0; i < nr_keys; i++)
		if (keys[i].len == len && memcmp(keys[i].text, key, len) == 0)
			return -EEXIST;
	keys[nr_keys] = (struct span){ key, len };
	skip_space(s);
	if (!take(s, ':'))
		return -EBADMSG;
	return scan_value(s);
}

static int scan_object(struct scan *s)
{
	struct span keys[STRICT_KEYS_MAX];
	size_t nr_keys = 0;
	int r;

	skip_space(s);
	if (take(s, '}'))
		return 0;
	do {
		if (nr_keys == STRICT_KEYS_MAX)
			return -E2BIG;
		r = scan_member(s, keys, nr_keys++);
		if (r < 0)
			return r;
		skip_space(s);
	} while (take(s, ','));
	return take(s, '}') ? 0 : -EBADMSG;
}

static int scan_array(struct scan *s)
{
	int r;

	skip_space(s);
	if (take(s, ']'))
		return 0;
	do {
		r = scan_value(s);
		if (r < 0)
			return r;
		skip_space(s);
	} while (take(s, ','));
	return take(s, ']') ? 0 : -EBADMSG;
}

static int scan_nested(struct scan *s, int (*scan)(struct scan *s))
{
	int r;

	if (s->depth == STRICT_DEPTH_MAX)
		return -E2BIG;
	s->depth++;
	s->at++;
	r = scan(s);
	s->depth--;
	return r;
}

static int scan_value(struct scan *s)
{
	skip_space(s);
	if (s->at >= s->end)
		return -EBADMSG;
	switch (*s->at) {
	case '{':
		return scan_nested(s, scan_object);
	case '[':
		return scan_nested(s, scan_array);
	case '"':
		return scan_string(s, false);
	case 't':
		return scan_literal(s, "true");
	case 'f':
		return scan_literal(s, "false");
	case 'n':
		return scan_literal(s, "null");
	default:
		return scan_number(s);
	}
}

int strict_check(const char *text, size_t len_bytes)
{
	struct scan s = { .at = text, .end = text + len_bytes };
	int r;

	r = scan_value(&s);
	if (r < 0)
		return r;
	skip_space(&s);
	return s.at == s.end ? 0 : -EBADMSG;
}
