/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Is a backup image still what was written to it, when nobody has the snapshot any more?
 *
 * IMAGE.bpfsnap.sums lies beside IMAGE, with a checksum of each MiB.  It belongs to the
 * backup that its sidecar names: one of another backup tells nothing.
 */
#ifndef _BPFSNAP_CLI_SUMS_H
#define _BPFSNAP_CLI_SUMS_H

#include "copy.h"
#include "sidecar.h"

#define SUMS_SUFFIX	".bpfsnap.sums"

enum {
	SUMS_CHUNK_BYTES = COPY_BUFFER_BYTES,
};

/**
 * struct sums - of an image
 * @size_bytes: of the image
 * @snapshot: id of the snapshot that it shows
 * @crc: CRC-32C of each chunk, the last may be shorter
 * @nr: of them
 */
struct sums {
	uint64_t size_bytes;
	char snapshot[SIDECAR_ID_BYTES];
	uint32_t *crc;
	size_t nr;
};

void sums_done(struct sums *sums);

/* Makes room for those of an image: 0 or -ENOMEM. */
int sums_make(uint64_t size_bytes, struct sums *ret);

/* The piece of struct copy that takes them while content is copied; @data is struct sums. */
void sums_take(void *data, uint64_t offset, const void *bytes, uint64_t length);

/*
 * The same of a part, of which there are more than one in a chunk: in ascending order, and
 * with no gaps.  @bytes: NULL for zeros.
 */
void sums_feed(struct sums *sums, uint64_t offset, const void *bytes, uint64_t length);

/**
 * sums_read - read those of an image
 * @ret_reason: why they can't be used
 *
 * Return: 0; -EBADMSG; -ENOENT there are none; another negative errno.
 */
int sums_read(const char *image_path, struct sums *ret, const char **ret_reason);

/* Replaces them, and waits until they are on disk: 0 or a negative errno. */
int sums_write(const char *image_path, const struct sums *sums);

/* Removes them; 0 too if there are none. */
int sums_remove(const char *image_path);

/**
 * sums_renew - take those of the chunks that a range touches from the image itself
 *
 * Return: 0 or a negative errno.
 */
int sums_renew(struct sums *sums, int image_fd, uint64_t offset, uint64_t length);

/**
 * sums_compare - read the image and compare
 * @ret_offset: of the first chunk that differs
 *
 * Return: 0 equal; 1 different; a negative errno.
 */
int sums_compare(const struct sums *sums, struct copy *copy, int image_fd, uint64_t *ret_offset);

#endif /* _BPFSNAP_CLI_SUMS_H */
