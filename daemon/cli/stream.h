/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DOC: a backup as a stream of bytes, through a pipe to another machine
 *
 *   "bpfsnap-stream 1\n"
 *   one line of JSON: what it is of, as in a sidecar; "base" is the epoch since which it
 *   has the changes, or null if it has everything
 *   records: struct stream_record, little-endian, followed by its data
 *     STREAM_DATA    length bytes that belong at offset
 *     STREAM_ZEROS   length zeros there, with no data
 *     STREAM_END     the last one: offset is the number of records before it, length the sum
 *                    of their lengths, crc that of their heads
 *
 * Records ascend and do not overlap; those of a stream that has everything leave no gap.
 * What has no end, or any other flaw, is not a backup.
 */
#ifndef _BPFSNAP_CLI_STREAM_H
#define _BPFSNAP_CLI_STREAM_H

#include "backup.h"

#define STREAM_MAGIC	"bpfsnap-stream 1\n"

enum stream_kind {
	STREAM_DATA	= 1,
	STREAM_ZEROS	= 2,
	STREAM_END	= 3,
};

/**
 * struct stream_record - head of a record
 * @magic: STREAM_RECORD_MAGIC
 * @kind: enum stream_kind
 * @crc: CRC-32C of the data, of STREAM_END of all heads before; else 0
 * @head_crc: of all fields before it
 */
struct stream_record {
	uint32_t magic;
	uint32_t kind;
	uint64_t offset;
	uint64_t length;
	uint32_t crc;
	uint32_t head_crc;
};

enum {
	STREAM_RECORD_MAGIC	= 0x31527342,	/* "BsR1" */
	STREAM_DATA_MAX_BYTES	= 1 << 20,
	STREAM_HEAD_MAX_BYTES	= 64 << 10,
};

/**
 * struct stream - one that is read or written
 * @head: what it is of, without what only concerns a file
 * @base: changes since this epoch; has_base: it has not everything
 * @reason: why tracking was uncertain, or NULL
 * @at_bytes: end of the last record
 * @nr, @sum_bytes, @crc: as STREAM_END has them
 * @fault: what is wrong with a stream that is read
 */
struct stream {
	int fd;
	struct sidecar head;
	uint64_t base;
	bool has_base;
	char *reason;
	uint64_t at_bytes;
	uint64_t nr;
	uint64_t sum_bytes;
	uint32_t crc;
	const char *fault;
};

void stream_done(struct stream *stream);

/* Writing: 0 or a negative errno. */
int stream_begin(struct stream *stream);
int stream_put(struct stream *stream, const char *data, uint64_t offset, uint64_t length);
int stream_end(struct stream *stream);

/* Is this the beginning of a stream?  @start: as many bytes as STREAM_MAGIC has. */
bool stream_is(const char *start);

/**
 * stream_open - read the head
 * @fd: of a stream, at its start
 *
 * Return: 0; -EBADMSG with stream->fault; a negative errno of read(2).
 */
int stream_open(struct stream *stream, int fd);

/**
 * stream_next - read a record
 * @data: room for STREAM_DATA_MAX_BYTES
 * @ret: its head, in the byte order of this machine
 *
 * Return: 1; 0 at the end, which is the end of the stream, too; -EBADMSG with
 * stream->fault; a negative errno.
 */
int stream_next(struct stream *stream, char *data, struct stream_record *ret);

/* backup_stream.c: a backup to stdout. */
int backup_stream(struct backup *backup);

/**
 * struct receive - from a stream to an image or a device
 * @jobs: pieces that are read back at once
 * @sums: of what has come, of a stream that has everything
 * @written_bytes: result
 */
struct receive {
	struct cli *cli;
	struct stream *stream;
	const char *target;
	unsigned int jobs;
	struct sums sums;
	struct progress progress;
	uint64_t written_bytes;
};

/* receive.c: to a file, which becomes an image with a sidecar, or is one. */
int receive_image(struct receive *receive);

/* To an open device that is large enough, of a stream that has everything; read back and compared. */
int receive_device(struct receive *receive, int fd);

#endif /* _BPFSNAP_CLI_STREAM_H */
