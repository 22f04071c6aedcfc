// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is a backup image still what was written to it?
 *
 * The file: a head, a little-endian word for each chunk, and the checksum of all that.
 */
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"
#include "copy.h"
#include "crc32c.h"
#include "pieces.h"
#include "sums.h"

static const char magic[8] = "bpfsums1";

struct head {
	char magic[8];
	uint64_t size_bytes;
	uint32_t chunk_bytes;
	uint32_t reserved;
	char snapshot[SIDECAR_ID_BYTES];
};

void sums_done(struct sums *sums)
{
	free(sums->crc);
	*sums = (struct sums) {};
}

int sums_make(uint64_t size_bytes, struct sums *ret)
{
	struct sums sums = {
		.size_bytes = size_bytes,
		.nr = (size_bytes + SUMS_CHUNK_BYTES - 1) / SUMS_CHUNK_BYTES,
	};

	sums.crc = calloc(sums.nr ?: 1, sizeof(*sums.crc));
	if (!sums.crc)
		return -ENOMEM;
	*ret = sums;
	return 0;
}

void sums_take(void *data, uint64_t offset, const void *bytes, uint64_t length)
{
	struct sums *sums = data;

	sums->crc[offset / SUMS_CHUNK_BYTES] = crc32c(0, bytes, length);
}

static uint64_t end_of(const struct sums *sums, uint64_t at)
{
	uint64_t end = (at / SUMS_CHUNK_BYTES + 1) * SUMS_CHUNK_BYTES;

	return end < sums->size_bytes ? end : sums->size_bytes;
}

void sums_feed(struct sums *sums, uint64_t offset, const void *bytes, uint64_t length)
{
	static const char zeros[65536];
	uint64_t end = offset + length;

	for (uint64_t at = offset, stop; at < end; at = stop) {
		uint32_t *crc = &sums->crc[at / SUMS_CHUNK_BYTES];
		const char *from = bytes ? (const char *)bytes + (at - offset) : zeros;

		stop = end_of(sums, at) < end ? end_of(sums, at) : end;
		if (!bytes && stop - at > sizeof(zeros))
			stop = at + sizeof(zeros);
		*crc = crc32c(at % SUMS_CHUNK_BYTES ? *crc : 0, from, stop - at);
	}
}

static char *sums_path(const char *image_path)
{
	char *path;

	return asprintf(&path, "%s" SUMS_SUFFIX, image_path) < 0 ? NULL : path;
}

static int parse(const char *data, size_t length, struct sums *ret, const char **ret_reason)
{
	_cleanup_(sums_done) struct sums sums = {};
	struct head head;
	uint32_t word;
	int r;

	*ret_reason = "its checksums are damaged";
	if (length < sizeof(head) + sizeof(word))
		return -EBADMSG;
	memcpy(&head, data, sizeof(head));
	memcpy(&word, data + length - sizeof(word), sizeof(word));
	if (memcmp(head.magic, magic, sizeof(magic)) ||
	    le32toh(word) != crc32c(0, data, length - sizeof(word)) ||
	    le32toh(head.chunk_bytes) != SUMS_CHUNK_BYTES ||
	    !memchr(head.snapshot, 0, sizeof(head.snapshot)))
		return -EBADMSG;
	if ((length - sizeof(head) - sizeof(word)) / sizeof(word) !=
	    (le64toh(head.size_bytes) + SUMS_CHUNK_BYTES - 1) / SUMS_CHUNK_BYTES ||
	    (length - sizeof(head)) % sizeof(word))
		return -EBADMSG;
	r = sums_make(le64toh(head.size_bytes), &sums);
	if (r < 0)
		return r;
	memcpy(sums.snapshot, head.snapshot, sizeof(sums.snapshot));
	for (size_t i = 0; i < sums.nr; i++) {
		memcpy(&word, data + sizeof(head) + i * sizeof(word), sizeof(word));
		sums.crc[i] = le32toh(word);
	}
	*ret = sums;
	sums = (struct sums) {};
	*ret_reason = NULL;
	return 0;
}

int sums_read(const char *image_path, struct sums *ret, const char **ret_reason)
{
	_cleanup_free_ char *path = sums_path(image_path), *data = NULL;
	_cleanup_close_ int fd = -1;
	struct stat st;
	ssize_t n;

	*ret_reason = "its checksums can't be read";
	if (!path)
		return -ENOMEM;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size > UINT32_MAX)
		return -EBADMSG;
	data = malloc(st.st_size + 1);
	if (!data)
		return -ENOMEM;
	n = copy_whole(fd, data, st.st_size);
	return n < 0 ? (int)n : parse(data, n, ret, ret_reason);
}

static int write_file(FILE *f, const struct sums *sums)
{
	struct head head = {
		.size_bytes = htole64(sums->size_bytes), .chunk_bytes = htole32(SUMS_CHUNK_BYTES),
	};
	uint32_t word, crc;

	memcpy(head.magic, magic, sizeof(magic));
	memcpy(head.snapshot, sums->snapshot, sizeof(head.snapshot));
	crc = crc32c(0, &head, sizeof(head));
	fwrite(&head, sizeof(head), 1, f);
	for (size_t i = 0; i < sums->nr; i++) {
		word = htole32(sums->crc[i]);
		crc = crc32c(crc, &word, sizeof(word));
		fwrite(&word, sizeof(word), 1, f);
	}
	word = htole32(crc);
	fwrite(&word, sizeof(word), 1, f);
	if (fflush(f) || ferror(f))
		return -EIO;
	return fsync(fileno(f)) ? -errno : 0;
}

int sums_write(const char *image_path, const struct sums *sums)
{
	_cleanup_free_ char *path = sums_path(image_path), *temporary = NULL;
	FILE *f;
	int fd, r;

	if (!path || asprintf(&temporary, "%s.XXXXXX", path) < 0)
		return -ENOMEM;
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	f = fdopen(fd, "w");
	if (!f) {
		close(fd);
		unlink(temporary);
		return -ENOMEM;
	}
	r = write_file(f, sums);
	if (fclose(f) && r == 0)
		r = -errno;
	if (r == 0 && rename(temporary, path))
		r = -errno;
	if (r < 0) {
		unlink(temporary);
		return r;
	}
	return sync_directory_of(path);
}

int sums_remove(const char *image_path)
{
	_cleanup_free_ char *path = sums_path(image_path);

	if (!path)
		return -ENOMEM;
	return unlink(path) && errno != ENOENT ? -errno : 0;
}

int sums_renew(struct sums *sums, int image_fd, uint64_t offset, uint64_t length)
{
	_cleanup_free_ char *buffer = malloc(SUMS_CHUNK_BYTES);
	uint64_t end = offset + length;

	if (!buffer)
		return -ENOMEM;
	for (uint64_t at = offset - offset % SUMS_CHUNK_BYTES; at < end; at = end_of(sums, at)) {
		uint64_t want = end_of(sums, at) - at;
		ssize_t n = 0;

		for (uint64_t have = 0; have < want; have += n) {
			n = pread(image_fd, buffer + have, want - have, at + have);
			if (n < 0 && errno == EINTR)
				n = 0;
			else if (n <= 0)
				return n < 0 ? -errno : -ENODATA;
		}
		sums_take(sums, at, buffer, want);
	}
	return 0;
}

/* Takes the checksums of what is read into @now; nothing is written. */
int sums_compare(const struct sums *sums, struct copy *copy, int image_fd, uint64_t *ret_offset)
{
	_cleanup_(sums_done) struct sums now = {};
	int r = sums_make(sums->size_bytes, &now);

	if (r < 0)
		return r;
	copy->seen = sums_take;
	copy->seen_data = &now;
	r = copy_look(copy, image_fd, sums->size_bytes);
	if (r < 0)
		return r;
	for (size_t i = 0; i < sums->nr; i++) {
		if (sums->crc[i] != now.crc[i]) {
			*ret_offset = i * (uint64_t)SUMS_CHUNK_BYTES;
			return 1;
		}
	}
	return 0;
}
