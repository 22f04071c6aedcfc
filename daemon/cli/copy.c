// SPDX-License-Identifier: GPL-2.0-only
/*
 * How is content moved and compared between an image and a file?
 */
#include <errno.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "cli.h"
#include "copy.h"
#include "pieces.h"

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static char *new_buffer(void)
{
	void *buffer;

	return posix_memalign(&buffer, COPY_BLOCK_BYTES, COPY_BUFFER_BYTES) ? NULL : buffer;
}

int copy_size(int fd, uint64_t *ret_size_bytes)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (S_ISREG(st.st_mode)) {
		*ret_size_bytes = st.st_size;
		return 0;
	}
	if (!S_ISBLK(st.st_mode))
		return -ENOTBLK;
	return ioctl(fd, BLKGETSIZE64, ret_size_bytes) ? -errno : 0;
}

int copy_open(const char *path, int flags, int *ret_fd, uint64_t *ret_size_bytes)
{
	int fd, r;

	/* O_NONBLOCK: a FIFO by mistake must not hang us */
	flags |= O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	fd = open(path, flags | O_DIRECT);
	if (fd < 0 && errno == EINVAL)
		fd = open(path, flags);
	if (fd < 0)
		return -errno;
	r = copy_size(fd, ret_size_bytes);
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

/* pread() that falls back from direct to buffered once it finds that it must. */
static ssize_t read_some(int fd, char *buffer, size_t length, uint64_t offset)
{
	for (;;) {
		ssize_t n = pread(fd, buffer, length, offset);
		int flags;

		if (n >= 0)
			return n;
		if (errno == EINTR)
			continue;
		if (errno != EINVAL)
			return -errno;
		flags = fcntl(fd, F_GETFL);
		if (flags < 0 || !(flags & O_DIRECT))
			return -EINVAL;
		if (fcntl(fd, F_SETFL, flags & ~O_DIRECT))
			return -errno;
	}
}

/*
 * Fills the buffer from @start, a multiple of COPY_BLOCK_BYTES, at least up to
 * @end.  Whole blocks are asked for, as direct reads need it; the end of the
 * source may cut the last one.
 */
static int read_blocks(int fd, char *buffer, uint64_t start, uint64_t end)
{
	uint64_t room = (end - start + COPY_BLOCK_BYTES - 1) & ~(uint64_t)(COPY_BLOCK_BYTES - 1);
	uint64_t have = 0;

	while (have < end - start) {
		ssize_t n = read_some(fd, buffer + have, room - have, start + have);

		if (n < 0)
			return n;
		if (n == 0)
			return -ENODATA;
		have += n;
	}
	return 0;
}

static int write_all(int fd, const char *data, size_t length, uint64_t offset)
{
	while (length) {
		ssize_t n = pwrite(fd, data, length, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		data += n;
		offset += n;
		length -= n;
	}
	return 0;
}

static bool is_zero(const char *data, size_t length)
{
	return !length || (!data[0] && !memcmp(data, data + 1, length - 1));
}

/* Makes a range read as zeros without writing it: 0, or -EOPNOTSUPP. */
static int punch(int fd, uint64_t offset, uint64_t length)
{
	int r;

	do {
		r = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
	} while (r && errno == EINTR);
	return r ? -EOPNOTSUPP : 0;
}

/*
 * Writes @length bytes that belong at @offset: runs of data, and of zeros.  Adds to
 * @written what is no zeros made by a hole.
 */
static int put_runs(int fd, const char *data, uint64_t offset, uint64_t length,
		    bool target_is_zero, uint64_t *written)
{
	uint64_t at = 0;

	while (at < length) {
		bool zero = false;
		uint64_t run = 0;
		int r = 0;

		while (at + run < length) {
			/* blocks of the file, not of the buffer */
			uint64_t block = min_u64(COPY_BLOCK_BYTES -
						 (offset + at + run) % COPY_BLOCK_BYTES,
						 length - at - run);
			bool z = is_zero(data + at + run, block);

			if (run && z != zero)
				break;
			zero = z;
			run += block;
		}
		if (!zero || (!target_is_zero && punch(fd, offset + at, run) < 0)) {
			r = write_all(fd, data + at, run, offset + at);
			if (r == 0)
				*written += run;
		}
		if (r < 0)
			return r;
		at += run;
	}
	return 0;
}

static int step(struct copy *copy, uint64_t length)
{
	copy->done_bytes += length;
	return copy->progress ? copy->progress(copy->data, copy->done_bytes) : 0;
}

/**
 * struct range - work that is done in pieces, perhaps several at once
 * @a_fd: is read
 * @b_fd: is read too, or written; or -1
 * @offset: of a difference that was found, the lowest
 * @lock: for @offset and the counters of @copy
 */
struct range {
	struct copy *copy;
	int a_fd;
	int b_fd;
	bool target_is_zero;
	uint64_t offset;
	pthread_mutex_t lock;
};

static int step_locked(struct range *range, uint64_t length, uint64_t written)
{
	int r;

	pthread_mutex_lock(&range->lock);
	range->copy->written_bytes += written;
	r = step(range->copy, length);
	pthread_mutex_unlock(&range->lock);
	return r;
}

int copy_read(int fd, uint64_t start, uint64_t stop, char **ret_buffer, const char **ret_bytes)
{
	/* pieces end at multiples of the buffer's size, but the first may begin anywhere */
	uint64_t first = start & ~(uint64_t)(COPY_BLOCK_BYTES - 1);

	*ret_buffer = new_buffer();
	if (!*ret_buffer)
		return -ENOMEM;
	*ret_bytes = *ret_buffer + (start - first);
	return read_blocks(fd, *ret_buffer, first, stop);
}

int copy_write(struct copy *copy, int fd, const char *data, uint64_t offset, uint64_t length,
	       bool target_is_zero)
{
	return put_runs(fd, data, offset, length, target_is_zero, &copy->written_bytes);
}

static int copy_piece(void *data, uint64_t offset, uint64_t stop)
{
	_cleanup_free_ char *buffer = NULL;
	struct range *range = data;
	const char *bytes = NULL;
	uint64_t written = 0;
	int r;

	r = copy_read(range->a_fd, offset, stop, &buffer, &bytes);
	if (r < 0)
		return r;
	if (range->copy->seen)
		range->copy->seen(range->copy->seen_data, offset, bytes, stop - offset);
	if (range->b_fd >= 0)
		r = put_runs(range->b_fd, bytes, offset, stop - offset, range->target_is_zero,
			     &written);
	return r < 0 ? r : step_locked(range, stop - offset, written);
}

static int copy_range_of(struct copy *copy, int from_fd, int to_fd, uint64_t offset,
			 uint64_t length, bool target_is_zero)
{
	struct range range = {
		.copy = copy, .a_fd = from_fd, .b_fd = to_fd, .target_is_zero = target_is_zero,
		.lock = PTHREAD_MUTEX_INITIALIZER,
	};

	if (offset + length < offset)
		return -EOVERFLOW;
	return pieces_run(copy->jobs, COPY_BUFFER_BYTES, offset, offset + length, copy_piece, &range);
}

int copy_look(struct copy *copy, int fd, uint64_t size)
{
	return copy_range_of(copy, fd, -1, 0, size, false);
}

int copy_new(struct copy *copy, int from_fd, int to_fd, uint64_t offset, uint64_t length)
{
	return copy_range_of(copy, from_fd, to_fd, offset, length, true);
}

int copy_patch(struct copy *copy, int from_fd, int to_fd, uint64_t offset, uint64_t length)
{
	return copy_range_of(copy, from_fd, to_fd, offset, length, false);
}

/* Zeros for sure: a discard alone would promise nothing. */
static int zero_piece(int fd, bool is_device, const char *zeros, uint64_t offset, uint64_t length)
{
	uint64_t range[2] = { offset, length };

	if (!is_device && punch(fd, offset, length) == 0)
		return 0;
	if (is_device && !((offset | length) % COPY_BLOCK_BYTES) &&
	    ioctl(fd, BLKZEROOUT, range) == 0)
		return 0;
	while (length) {
		uint64_t piece = min_u64(length, COPY_BUFFER_BYTES);
		int r = write_all(fd, zeros, piece, offset);

		if (r < 0)
			return r;
		offset += piece;
		length -= piece;
	}
	return 0;
}

int copy_zeros(struct copy *copy, int fd, uint64_t offset, uint64_t length)
{
	enum { PIECE_BYTES = 64 << 20 };	/* between two looks for a signal */
	_cleanup_free_ char *zeros = new_buffer();
	struct stat st;

	if (!zeros)
		return -ENOMEM;
	memset(zeros, 0, COPY_BUFFER_BYTES);
	if (fstat(fd, &st))
		return -errno;
	while (length) {
		uint64_t piece = min_u64(length, PIECE_BYTES);
		int r = zero_piece(fd, S_ISBLK(st.st_mode), zeros, offset, piece);

		if (r == 0)
			r = step(copy, piece);
		if (r < 0)
			return r;
		offset += piece;
		length -= piece;
	}
	return 0;
}

static int write_range(struct copy *copy, int from_fd, int to_fd, uint64_t offset, uint64_t end)
{
	_cleanup_free_ char *buffer = new_buffer();

	if (!buffer)
		return -ENOMEM;
	while (offset < end) {
		uint64_t start = offset & ~(uint64_t)(COPY_BLOCK_BYTES - 1);
		uint64_t stop = min_u64(end, (offset | (COPY_BUFFER_BYTES - 1)) + 1);
		int r = read_blocks(from_fd, buffer, start, stop);

		if (r == 0)
			r = write_all(to_fd, buffer + (offset - start), stop - offset, offset);
		if (r < 0)
			return r;
		copy->written_bytes += stop - offset;
		r = step(copy, stop - offset);
		if (r < 0)
			return r;
		offset = stop;
	}
	return 0;
}

int copy_expand(struct copy *copy, int from_fd, int to_fd, uint64_t size)
{
	uint64_t at = 0;

	while (at < size) {
		off_t data = lseek(from_fd, at, SEEK_DATA), hole;
		uint64_t start, end;
		int r = 0;

		if (data < 0 && errno != ENXIO)
			return -errno;
		start = data < 0 ? size : min_u64(data, size);	/* ENXIO: all hole */
		if (start > at)
			r = copy_zeros(copy, to_fd, at, start - at);
		if (r < 0)
			return r;
		if (start == size)
			break;
		hole = lseek(from_fd, start, SEEK_HOLE);
		if (hole < 0)
			return -errno;
		end = min_u64(hole, size);
		r = write_range(copy, from_fd, to_fd, start, end);
		if (r < 0)
			return r;
		at = end;
	}
	return 0;
}

static uint64_t first_difference(const char *a, const char *b, uint64_t length)
{
	uint64_t i = 0;

	while (i < length && a[i] == b[i])
		i++;
	return i;
}

static int compare_piece(void *data, uint64_t start, uint64_t stop)
{
	_cleanup_free_ char *a = new_buffer(), *b = new_buffer();
	struct range *range = data;
	int r;

	if (!a || !b)
		return -ENOMEM;
	r = read_blocks(range->a_fd, a, start, stop);
	if (r == 0)
		r = read_blocks(range->b_fd, b, start, stop);
	if (r < 0)
		return r;
	if (memcmp(a, b, stop - start)) {
		uint64_t offset = start + first_difference(a, b, stop - start);

		pthread_mutex_lock(&range->lock);
		range->offset = min_u64(range->offset, offset);
		pthread_mutex_unlock(&range->lock);
		return 1;
	}
	return step_locked(range, stop - start, 0);
}

int copy_compare(struct copy *copy, int a_fd, int b_fd, uint64_t size, uint64_t *ret_offset)
{
	struct range range = {
		.copy = copy, .a_fd = a_fd, .b_fd = b_fd, .offset = UINT64_MAX,
		.lock = PTHREAD_MUTEX_INITIALIZER,
	};
	int r = pieces_run(copy->jobs, COPY_BUFFER_BYTES, 0, size, compare_piece, &range);

	if (r == 1)
		*ret_offset = range.offset;
	return r;
}

ssize_t copy_whole(int fd, char *data, size_t room)
{
	size_t have = 0;

	while (have < room) {
		ssize_t n = read(fd, data + have, room - have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		have += n;
	}
	return have;
}
