// SPDX-License-Identifier: GPL-2.0-only
/*
 * How is a backup a stream of bytes?
 */
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <linux/types.h>

#include "bpfsnap_track.h"
#include "crc32c.h"
#include "stream.h"

void stream_done(struct stream *stream)
{
	free(stream->reason);
	stream->reason = NULL;
}

static int write_whole(int fd, const void *data, size_t length)
{
	const char *at = data;

	while (length) {
		ssize_t n = write(fd, at, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		length -= n;
	}
	return 0;
}

int stream_begin(struct stream *stream)
{
	_cleanup_json_ struct json_object *object = json_object_new_object();
	const struct sidecar *head = &stream->head;
	_cleanup_free_ char *text = NULL;
	int n;

	member_add_string(object, "device", head->device);
	member_add_number(object, "disk_offset", head->disk_offset_bytes);
	member_add_number(object, "size", head->size_bytes);
	member_add_string(object, "generation", head->generation);
	json_object_object_add(object, "base", stream->has_base ?
			       json_object_new_uint64(stream->base) : NULL);
	member_add_number(object, "since", head->since);
	member_add_string(object, "snapshot", head->snapshot);
	member_add_number(object, "created_ns", head->created_ns);
	json_object_object_add(object, "uncertain", json_object_new_boolean(head->uncertain));
	json_object_object_add(object, "reason", stream->reason ?
			       json_object_new_string(stream->reason) : NULL);
	n = asprintf(&text, STREAM_MAGIC "%s\n", json_object_to_json_string_ext(object,
		     JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	return n < 0 ? -ENOMEM : write_whole(stream->fd, text, n);
}

static int put_record(struct stream *stream, enum stream_kind kind, uint64_t offset,
		      uint64_t length, uint32_t crc)
{
	struct stream_record record = {
		.magic = htole32(STREAM_RECORD_MAGIC), .kind = htole32(kind),
		.offset = htole64(offset), .length = htole64(length), .crc = htole32(crc),
	};

	record.head_crc = htole32(crc32c(0, &record, offsetof(struct stream_record, head_crc)));
	if (kind != STREAM_END) {
		stream->nr++;
		stream->sum_bytes += length;
		stream->at_bytes = offset + length;
		stream->crc = crc32c(stream->crc, &record, sizeof(record));
	}
	return write_whole(stream->fd, &record, sizeof(record));
}

int stream_put(struct stream *stream, const char *data, uint64_t offset, uint64_t length)
{
	int r;

	if (length && !data[0] && !memcmp(data, data + 1, length - 1))
		return put_record(stream, STREAM_ZEROS, offset, length, 0);
	r = put_record(stream, STREAM_DATA, offset, length, crc32c(0, data, length));
	return r < 0 ? r : write_whole(stream->fd, data, length);
}

int stream_end(struct stream *stream)
{
	return put_record(stream, STREAM_END, stream->nr, stream->sum_bytes, stream->crc);
}

bool stream_is(const char *start)
{
	return !memcmp(start, STREAM_MAGIC, strlen(STREAM_MAGIC));
}

static int fault(struct stream *stream, const char *what)
{
	stream->fault = what;
	return -EBADMSG;
}

static int read_whole(struct stream *stream, void *data, size_t length)
{
	char *at = data;

	while (length) {
		ssize_t n = read(stream->fd, at, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return fault(stream, "it ends too early");
		at += n;
		length -= n;
	}
	return 0;
}

static bool take_string(struct json_object *object, const char *key, char *ret, size_t room)
{
	const char *text;

	return member_string(object, key, &text) && *text && strlen(text) < room &&
	       strcpy(ret, text);
}

static int take_head(struct stream *stream, struct json_object *object)
{
	struct sidecar *head = &stream->head;
	struct json_object *base = NULL;
	const char *reason;
	uint64_t since;

	if (!json_object_is_type(object, json_type_object) ||
	    !take_string(object, "device", head->device, sizeof(head->device)) ||
	    !take_string(object, "generation", head->generation, sizeof(head->generation)) ||
	    !take_string(object, "snapshot", head->snapshot, sizeof(head->snapshot)) ||
	    !member_number(object, "disk_offset", &head->disk_offset_bytes) ||
	    !member_number(object, "size", &head->size_bytes) || !head->size_bytes ||
	    !member_number(object, "created_ns", &head->created_ns) ||
	    !member_number(object, "since", &since) || since < BPFSNAP_EPOCH_FIRST ||
	    since > BPFSNAP_EPOCH_MAX || !json_object_object_get_ex(object, "base", &base))
		return fault(stream, "its head is malformed");
	head->since = since;
	head->state = SIDECAR_COMPLETE;
	head->uncertain = json_object_get_boolean(json_object_object_get(object, "uncertain"));
	stream->has_base = base != NULL;
	if (base && (!member_number(object, "base", &stream->base) || stream->base > since))
		return fault(stream, "its head is malformed");
	if (member_string(object, "reason", &reason)) {
		stream->reason = strdup(reason);
		if (!stream->reason)
			return -ENOMEM;
	}
	return 0;
}

int stream_open(struct stream *stream, int fd)
{
	_cleanup_free_ char *line = malloc(STREAM_HEAD_MAX_BYTES);
	_cleanup_json_ struct json_object *object = NULL;
	char start[sizeof(STREAM_MAGIC) - 1];
	size_t have = 0;
	int r;

	*stream = (struct stream) { .fd = fd };
	if (!line)
		return -ENOMEM;
	r = read_whole(stream, start, sizeof(start));
	if (r < 0)
		return r;
	if (!stream_is(start))
		return fault(stream, "it is no stream of this version");
	/* byte by byte: what follows is to be read by others */
	do {
		if (have == STREAM_HEAD_MAX_BYTES)
			return fault(stream, "its head is too long");
		r = read_whole(stream, line + have, 1);
		if (r < 0)
			return r;
	} while (line[have++] != '\n');
	line[have - 1] = 0;
	object = json_tokener_parse(line);
	return take_head(stream, object);
}

/* Whether it goes where it may. */
static int check_record(struct stream *stream, const struct stream_record *record)
{
	uint64_t size = stream->head.size_bytes;

	if (!record->length || record->offset > size || record->length > size - record->offset)
		return fault(stream, "a record lies beyond the end of the device");
	if (record->offset < stream->at_bytes)
		return fault(stream, "its records are out of order");
	if (!stream->has_base && record->offset != stream->at_bytes)
		return fault(stream, "something is missing between its records");
	if (record->kind == STREAM_DATA && record->length > STREAM_DATA_MAX_BYTES)
		return fault(stream, "a record is too long");
	return 0;
}

static int check_end(struct stream *stream, const struct stream_record *record)
{
	char byte;
	ssize_t n;

	if (record->offset != stream->nr || record->length != stream->sum_bytes ||
	    record->crc != stream->crc)
		return fault(stream, "records are missing");
	if (!stream->has_base && stream->at_bytes != stream->head.size_bytes)
		return fault(stream, "it does not reach the end of the device");
	do
		n = read(stream->fd, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return n ? fault(stream, "something follows its end") : 0;
}

int stream_next(struct stream *stream, char *data, struct stream_record *ret)
{
	struct stream_record raw, record;
	int r = read_whole(stream, &raw, sizeof(raw));

	if (r < 0)
		return r;
	record = (struct stream_record) {
		.magic = le32toh(raw.magic), .kind = le32toh(raw.kind),
		.offset = le64toh(raw.offset), .length = le64toh(raw.length),
		.crc = le32toh(raw.crc), .head_crc = le32toh(raw.head_crc),
	};
	if (record.magic != STREAM_RECORD_MAGIC ||
	    record.head_crc != crc32c(0, &raw, offsetof(struct stream_record, head_crc)))
		return fault(stream, "a record is damaged");
	if (record.kind == STREAM_END)
		return check_end(stream, &record);
	if (record.kind != STREAM_DATA && record.kind != STREAM_ZEROS)
		return fault(stream, "a record is of an unknown kind");
	r = check_record(stream, &record);
	if (r == 0 && record.kind == STREAM_DATA)
		r = read_whole(stream, data, record.length);
	if (r < 0)
		return r;
	if (record.kind == STREAM_DATA && record.crc != crc32c(0, data, record.length))
		return fault(stream, "a record's data is damaged");
	stream->nr++;
	stream->sum_bytes += record.length;
	stream->at_bytes = record.offset + record.length;
	stream->crc = crc32c(stream->crc, &raw, sizeof(raw));
	*ret = record;
	return 1;
}
