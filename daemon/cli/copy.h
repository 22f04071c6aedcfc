/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How is content moved and compared between an image and a file?
 *
 * Works on descriptors of block devices and regular files alike, and knows
 * nothing of snapshots.  All offsets, lengths and sizes are bytes.
 */
#ifndef _BPFSNAP_CLI_COPY_H
#define _BPFSNAP_CLI_COPY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	COPY_BUFFER_BYTES	= 1 << 20,
	COPY_JOBS		= 4,	/* at once, unless told otherwise */
	COPY_BLOCK_BYTES	= 4096,	/* unit in which zeros are found, and of direct reads */
};

/**
 * struct copy - one piece of work
 * @jobs: how many pieces are worked on at once; 0 is one
 * @seen: shown each piece that was read, before it is written; with several jobs, several
 *        at once; may be NULL
 * @seen_data: for @seen
 * @progress: called after each piece, one call at a time, with the bytes done since the start of
 *            the work; a negative return ends the work; may be NULL
 * @data: for @progress
 * @done_bytes: read or, with copy_expand(), zeroed so far
 * @written_bytes: written so far that are not zeros made by a hole
 */
struct copy {
	unsigned int jobs;
	void (*seen)(void *data, uint64_t offset, const void *bytes, uint64_t length);
	void *seen_data;
	int (*progress)(void *data, uint64_t done_bytes);
	void *data;
	uint64_t done_bytes;
	uint64_t written_bytes;
};

/**
 * copy_open - open a block device or regular file for reading, past the page cache if possible
 * @path: of it
 * @flags: further flags for open(2)
 * @ret_fd: descriptor, to be closed
 * @ret_size_bytes: its size
 *
 * Return: 0; -ENOTBLK: neither of both; a negative errno.
 */
int copy_open(const char *path, int flags, int *ret_fd, uint64_t *ret_size_bytes);

/* Size of a block device or a regular file: 0, -ENOTBLK or a negative errno. */
int copy_size(int fd, uint64_t *ret_size_bytes);

/**
 * copy_new - copy a range into a file that holds zeros there
 *
 * Blocks of zeros are left out; the file has to be given its size by the
 * caller.  Return: 0; -ENODATA: the source ended too early; a negative errno.
 */
int copy_new(struct copy *copy, int from_fd, int to_fd, uint64_t offset, uint64_t length);

/**
 * copy_patch - overwrite a range of a file
 *
 * Blocks of zeros become holes where the filesystem can do that, else they are
 * written.  Return: as copy_new().
 */
int copy_patch(struct copy *copy, int from_fd, int to_fd, uint64_t offset, uint64_t length);

/**
 * copy_expand - write a whole file, its holes as zeros, over a device or file
 * @size: of the source; the target is at least as large
 *
 * Return: as copy_new().
 */
int copy_expand(struct copy *copy, int from_fd, int to_fd, uint64_t size);

/**
 * copy_read - read a piece
 * @start, @stop: at most COPY_BUFFER_BYTES, within one multiple of that
 * @ret_buffer: to be freed, whatever is returned
 * @ret_bytes: in it, of @start
 *
 * Return: as copy_new().
 */
int copy_read(int fd, uint64_t start, uint64_t stop, char **ret_buffer, const char **ret_bytes);

/** copy_whole - read to the end of a file, @room bytes at most. Return: how many, or -errno */
ssize_t copy_whole(int fd, char *data, size_t room);

/* Writes what belongs at @offset; zeros as copy_new() or copy_patch() do. */
int copy_write(struct copy *copy, int fd, const char *data, uint64_t offset, uint64_t length,
	       bool target_is_zero);

/* Makes a range read as zeros, for sure. */
int copy_zeros(struct copy *copy, int fd, uint64_t offset, uint64_t length);

/* Reads the first @size bytes, for copy->seen alone.  Return: as copy_new(). */
int copy_look(struct copy *copy, int fd, uint64_t size);

/**
 * copy_compare - compare the first bytes of two descriptors
 * @size: how many
 * @ret_offset: of the first difference
 *
 * Return: 0 equal; 1 different; -ENODATA: one ended too early; a negative errno.
 */
int copy_compare(struct copy *copy, int a_fd, int b_fd, uint64_t size, uint64_t *ret_offset);

#endif /* _BPFSNAP_CLI_COPY_H */
