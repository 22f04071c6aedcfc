// SPDX-License-Identifier: GPL-2.0-only
/*
 * What does a running daemon make of clients that lie, stammer and leave?
 *
 * Calls are made from the interfaces that the daemon was built with, so that a new
 * method is fuzzed from its first day: right ones, ones with odd values, ones with
 * bytes changed; sent whole, in pieces, and cut off.  Whatever comes back must be
 * messages of UTF-8 and JSON, and an honest client must be answered all the while.
 *
 *   f_daemon SOCKET SECONDS SEED DEVICE...
 */
#include <errno.h>
#include <json-c/json.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "interface.h"
#include "schema.h"
#include "strict.h"

enum {
	TEXT_ROOM	= 4 << 20,
	HONEST_MS	= 30000,	/* sanitizers are slow, and so are attaches under load */
	DEPTH_MAX	= 4,
};

static struct {
	const char *socket_path;
	char **devices;
	int nr_devices;
	struct schema *schemas[2];
	char generation[37];		/* seen in a reply */
	const char *fault;		/* what the daemon did wrong */
	unsigned long sent, mutated, good, errors, honest;
} fuzz;

static unsigned int below(unsigned int n)
{
	return (unsigned int)(random() % n);
}

static bool one_in(unsigned int n)
{
	return below(n) == 0;
}

static const char *odd_string(void)
{
	static const char *const strings[] = {
		"", "/", "/dev/null", "/dev/nothing", "relative", "7:0", "4294967295:4294967295",
		"0:0", "daily", "weekly-1", "../../etc", "a b", "%s%n%x", "image", "/tmp", "/run",
		"00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-00000000000g",
		"io.bpfsnap", "org.varlink.service", "io.bpfsnap.ListDevices", "€", "\xf0\x9f\x92\xbe",
	};
	static char text[3000];
	size_t len;

	switch (below(6)) {
	case 0:
		return fuzz.devices[below((unsigned int)fuzz.nr_devices)];
	case 1:
	case 2:
		return fuzz.devices[0];
	case 3:
		return fuzz.generation;
	case 4:
		return strings[below(sizeof(strings) / sizeof(strings[0]))];
	}
	/* long ones, of characters of two bytes, so that any cut may go through one */
	len = below(sizeof(text) - 1);
	for (size_t i = 0; i < len; i++)
		text[i] = i % 2 ? '\xa4' : '\xc3';
	text[len & ~(size_t)1] = 0;
	if (len > 1 && one_in(2)) {
		text[0] = '/';
		text[1] = 'a';
	}
	return text;
}

static int64_t odd_int(void)
{
	static const int64_t ints[] = {
		0, 1, 2, 3, -1, 511, 512, 4096, 65535, 65536, 65537, 1 << 20, 1 << 26, INT32_MAX,
		1ll << 32, 1ll << 53, INT64_MAX, INT64_MAX - 1, INT64_MIN,
	};

	if (one_in(10))
		return one_in(2) ? INT64_MAX : INT64_MIN;
	return one_in(3) ? below(200) : ints[below(sizeof(ints) / sizeof(ints[0]))];
}

static struct json_object *odd_value(const struct schema *s, const struct schema_type *type,
				     int depth);

static struct json_object *odd_struct(const struct schema *s, const struct schema_type *type,
				      int depth)
{
	struct json_object *o = json_object_new_object();

	for (size_t i = 0; i < type->nr_fields; i++) {
		const struct schema_field *field = &type->fields[i];

		if (field->type.is_nullable ? !one_in(3) : one_in(50))
			continue;
		json_object_object_add(o, field->name, odd_value(s, &field->type, depth + 1));
	}
	if (one_in(50))
		json_object_object_add(o, odd_string(), json_object_new_int64(odd_int()));
	return o;
}

static struct json_object *odd_array(const struct schema *s, const struct schema_type *type,
				     int depth)
{
	struct json_object *list = json_object_new_array();
	unsigned int nr = one_in(20) ? 100 : below(4);

	for (unsigned int i = 0; i < nr; i++)
		json_object_array_add(list, odd_value(s, type->element, depth + 1));
	return list;
}

static struct json_object *odd_value(const struct schema *s, const struct schema_type *type,
				     int depth)
{
	const struct schema_member *named;
	enum schema_kind kind = type->kind;

	if (depth > DEPTH_MAX || one_in(40))
		return NULL;
	if (one_in(40))
		kind = (enum schema_kind[]){ SCHEMA_BOOL, SCHEMA_INT, SCHEMA_STRING, SCHEMA_FLOAT }[below(4)];
	switch (kind) {
	case SCHEMA_BOOL:
		return json_object_new_boolean((int)below(2));
	case SCHEMA_INT:
		return json_object_new_int64(odd_int());
	case SCHEMA_FLOAT:
		return json_object_new_double((double)odd_int() / 3);
	case SCHEMA_STRING:
		return json_object_new_string(odd_string());
	case SCHEMA_ENUM:
		return json_object_new_string(type->fields[below((unsigned int)type->nr_fields)].name);
	case SCHEMA_STRUCT:
		return odd_struct(s, type, depth);
	case SCHEMA_ARRAY:
		return odd_array(s, type, depth);
	case SCHEMA_NAMED:
		named = schema_find(s, SCHEMA_MEMBER_TYPE, type->name);
		return named ? odd_value(s, &named->in, depth + 1) : NULL;
	case SCHEMA_OBJECT:
	case SCHEMA_MAP:
		break;
	}
	return json_object_new_object();
}

/* The more there is to say, the more often; and what is detached answers little. */
static bool is_chosen(const struct schema_member *m)
{
	if (m->kind != SCHEMA_MEMBER_METHOD)
		return false;
	return strncmp(m->name, "Detach", 6) ? below(6) <= m->in.nr_fields : one_in(20);
}

static const struct schema_member *some_method(const struct schema **ret_schema)
{
	const struct schema *s = fuzz.schemas[one_in(10)];
	const struct schema_member *m;

	do
		m = &s->members[below((unsigned int)s->nr_members)];
	while (!is_chosen(m));
	*ret_schema = s;
	return m;
}

static struct json_object *make_call(void)
{
	struct json_object *call = json_object_new_object();
	const struct schema *s;
	const struct schema_member *m = some_method(&s);
	char name[256];

	snprintf(name, sizeof(name), "%s.%s", s->interface, m->name);
	json_object_object_add(call, "method", json_object_new_string(name));
	if (m->in.nr_fields || one_in(2))
		json_object_object_add(call, "parameters", odd_struct(s, &m->in, 0));
	if (one_in(3))
		json_object_object_add(call, "more", json_object_new_boolean((int)below(4) > 0));
	if (one_in(10))
		json_object_object_add(call, "oneway", json_object_new_boolean((int)below(2)));
	if (one_in(30))
		json_object_object_add(call, "upgrade", json_object_new_boolean((int)below(2)));
	return call;
}

/* One change of some bytes; @text has room for as many again. */
static size_t mutate(char *text, size_t len)
{
	static const char pieces[] = "{}[]\",:\\\0\n0123456789eE.-+tfnu \xc3\xa4\xff";
	size_t at = below((unsigned int)len), nr = 1 + below(8);

	switch (below(5)) {
	case 0:
		text[at] = (char)below(256);
		return len;
	case 1:
		text[at] ^= (char)(1 << below(8));
		return len;
	case 2:	/* take some away */
		nr = nr < len - at ? nr : len - at;
		memmove(text + at, text + at + nr, len - at - nr);
		return len - nr;
	case 3:	/* put some in */
		memmove(text + at + nr, text + at, len - at);
		for (size_t i = 0; i < nr; i++)
			text[at + i] = pieces[below(sizeof(pieces) - 1)];
		return len + nr;
	}
	/* twice what is before */
	nr = at < 200 ? at : 200;
	memmove(text + at + nr, text + at, len - at);
	memcpy(text + at, text + at - nr, nr);
	return len + nr;
}

static size_t make_text(char *text)
{
	struct json_object *call = make_call();
	size_t len;

	len = (size_t)snprintf(text, TEXT_ROOM / 2, "%s", json_object_to_json_string_ext(call,
			       one_in(2) ? JSON_C_TO_STRING_PLAIN : JSON_C_TO_STRING_PRETTY));
	json_object_put(call);
	if (one_in(2)) {
		fuzz.mutated++;
		for (unsigned int i = 1 + below(4); i && len > 1; i--)
			len = mutate(text, len);
	}
	if (one_in(400)) {	/* more than anybody may say */
		memset(text + len, "[ \"0"[below(4)], TEXT_ROOM / 4);
		len += TEXT_ROOM / 4;
	}
	if (!one_in(20))
		text[len++] = one_in(8) ? '\n' : '\0';
	return len;
}

static int connect_to_daemon(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strncpy(address.sun_path, fuzz.socket_path, sizeof(address.sun_path) - 1);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		fuzz.fault = "it can't be connected to";
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

/* What only the daemon can have said makes for better questions. */
static void learn(const char *text, size_t len)
{
	static const char key[] = "\"generation\":\"";
	const char *at = memmem(text, len, key, strlen(key));

	if (at && (size_t)(at - text) + strlen(key) + 36 <= len)
		memcpy(fuzz.generation, at + strlen(key), 36);
}

/* Must be an object, and a reply or an error. */
static void check_reply(const char *text, size_t len)
{
	struct json_tokener *tokener = json_tokener_new_ex(32);
	struct json_object *reply;

	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	reply = json_tokener_parse_ex(tokener, text, (int)len);
	if (json_tokener_get_error(tokener) != json_tokener_success ||
	    !json_object_is_type(reply, json_type_object) || strict_check(text, len) < 0) {
		fuzz.fault = "a reply is no JSON";
		fprintf(stderr, "%.*s\n", (int)(len < 4000 ? len : 4000), text);
	} else if (json_object_object_get_ex(reply, "error", NULL)) {
		fuzz.errors++;
	} else {
		fuzz.good++;
		learn(text, len);
	}
	json_object_put(reply);
	json_tokener_free(tokener);
}

/* Checks all whole replies in the buffer, and keeps what is left. */
static size_t take_replies(char *in, size_t have)
{
	size_t start = 0;

	for (size_t i = 0; i < have; i++) {
		if (in[i] && in[i] != '\n')
			continue;
		check_reply(in + start, i - start);
		start = i + 1;
	}
	memmove(in, in + start, have - start);
	return have - start;
}

/* Reads for as long as there is something within @wait_ms; false at the end. */
static bool receive(int fd, char *in, size_t *have, int wait_ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	while (poll(&pfd, 1, wait_ms) > 0) {
		ssize_t n = recv(fd, in + *have, TEXT_ROOM - *have, MSG_DONTWAIT);

		if (n <= 0)
			return n < 0 && errno == EAGAIN;
		*have = take_replies(in, *have + (size_t)n);
		if (*have == TEXT_ROOM) {
			fuzz.fault = "a reply has no end";
			return false;
		}
	}
	return true;
}

/* A daemon that does not read is waited for, but not for ever. */
static bool send_some(int fd, const char *text, size_t len)
{
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };
	int tries = 50;

	while (len && tries--) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno != EAGAIN)
			return false;
		if (n < 0) {
			poll(&pfd, 1, 2);
			continue;
		}
		text += n;
		len -= (size_t)n;
	}
	return true;
}

/* One that lies and stammers. */
static void dishonest_client(char *text, char *in)
{
	int fd = connect_to_daemon();
	size_t have = 0;

	if (fd < 0)
		return;
	for (unsigned int i = 1 + below(5); i; i--) {
		size_t len = make_text(text), cut = one_in(4) ? below((unsigned int)len) : len;

		fuzz.sent++;
		if (!send_some(fd, text, cut))
			break;
		if (cut < len && !one_in(4) && (receive(fd, in, &have, 1),
						!send_some(fd, text + cut, len - cut)))
			break;
		if (one_in(2) && !receive(fd, in, &have, (int)below(10)))
			break;
	}
	if (one_in(3)) {
		shutdown(fd, SHUT_WR);
		receive(fd, in, &have, 50);
	}
	close(fd);
}

/* A call with the largest number that there is, about the history that is there. */
static void ask_beyond(int fd, char *in, size_t *have)
{
	unsigned long before = fuzz.errors;
	char call[512];

	snprintf(call, sizeof(call),
		 "{\"method\":\"io.bpfsnap.CommitCheckpoint\",\"parameters\":{\"device\":\"%s\",\"name\":\"beyond\",\"generation\":\"%.36s\",\"since\":%lld}}",
		 fuzz.devices[0], fuzz.generation, LLONG_MAX);
	if (!send_some(fd, call, strlen(call) + 1))
		return;
	for (int ms = 0; fuzz.errors == before && ms < HONEST_MS; ms += 10)
		if (!receive(fd, in, have, 10))
			break;
	if (!fuzz.fault && fuzz.errors == before)
		fuzz.fault = "it does not refuse an epoch that nobody has reached";
}

/* One that asks, and waits for the answer; it attaches the disk, too, if it is not. */
static void honest_client(char *in)
{
	static const char call[] = "{\"method\":\"org.varlink.service.GetInfo\"}";
	unsigned long before;
	int fd = connect_to_daemon();
	size_t have = 0;

	if (fd < 0)
		return;
	snprintf(in, 512, "{\"method\":\"io.bpfsnap.AttachDevice\",\"parameters\":{\"device\":\"%s\"}}",
		 fuzz.devices[0]);
	before = fuzz.good + fuzz.errors;
	if (!send_some(fd, in, strlen(in) + 1))
		fuzz.fault = "it does not listen to an honest client";
	for (int ms = 0; !fuzz.fault && fuzz.good + fuzz.errors == before && ms < HONEST_MS; ms += 10)
		if (!receive(fd, in, &have, 10))
			break;
	if (!fuzz.fault)
		ask_beyond(fd, in, &have);
	before = fuzz.good;
	if (!send_some(fd, call, sizeof(call)))
		fuzz.fault = "it does not listen to an honest client";
	for (int ms = 0; !fuzz.fault && fuzz.good == before && ms < HONEST_MS; ms += 10)
		if (!receive(fd, in, &have, 10))
			break;
	if (!fuzz.fault && fuzz.good == before)
		fuzz.fault = "it does not answer an honest client";
	fuzz.honest++;
	close(fd);
}

int main(int argc, char *argv[])
{
	char *text = malloc(TEXT_ROOM), *in = malloc(TEXT_ROOM);
	time_t end;

	if (argc < 5 || !text || !in)
		return 2;
	fuzz.socket_path = argv[1];
	end = time(NULL) + atoi(argv[2]);
	srandom((unsigned int)atoi(argv[3]));
	fuzz.devices = argv + 4;
	fuzz.nr_devices = argc - 4;
	if (schema_parse(interface_text, &fuzz.schemas[0], NULL) < 0 ||
	    schema_parse(interface_service_text, &fuzz.schemas[1], NULL) < 0)
		return 2;
	while (!fuzz.fault && time(NULL) < end) {
		honest_client(in);
		for (int i = 0; !fuzz.fault && i < 50; i++)
			dishonest_client(text, in);
	}
	printf("# %lu messages, %lu of them changed; %lu good replies, %lu errors, %lu honest clients\n",
	       fuzz.sent, fuzz.mutated, fuzz.good, fuzz.errors, fuzz.honest);
	if (fuzz.fault)
		printf("# %s\n", fuzz.fault);
	else if (fuzz.good <= fuzz.honest || fuzz.errors < 100)
		printf("# %s\n", fuzz.fault = "too little was asked to tell anything");
	schema_free(fuzz.schemas[0]);
	schema_free(fuzz.schemas[1]);
	free(text);
	free(in);
	return fuzz.fault != NULL;
}
