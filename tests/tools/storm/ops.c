// SPDX-License-Identifier: GPL-2.0-only
/*
 * In which ways are blocks changed?
 *
 * An operation is in the journal from before its first system call until it is sure
 * that the device has it.  What goes through the page cache leaves none of it behind:
 * a page that is written in part later must not bring back what another way has
 * overwritten since.
 */
#include "storm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PIECES = 8 };

static off_t way_bytes(const struct way *way, uint64_t sect)
{
	return ((int64_t)sect + way->at_sect) * SECT_BYTES;
}

static struct op op_of(const struct target *t, unsigned int way, uint8_t how, uint64_t sect,
		       uint32_t nr_sect, enum effect effect)
{
	return (struct op){ .sect = (uint32_t)sect, .nr_sect = nr_sect, .way = (uint8_t)way,
			    .how = how, .effect = effect, .target = (uint8_t)(t - targets) };
}

static uint32_t begin_data(struct writer *w, char *buf, const struct op *op)
{
	uint32_t id = journal_begin(op);

	stamp_sectors(buf, id, op);
	return id;
}

static void failed(const struct op *op)
{
	die("the origin refused us: %s of %u sectors at %u of %s: %s", op_kinds[op->how].name,
	    op->nr_sect, op->sect, targets[op->target].ways[op->way].path, strerror(errno));
}

static void write_all(const struct op *op, int fd, const char *buf, off_t at, int flags)
{
	size_t done = 0, all = (size_t)op->nr_sect * SECT_BYTES;

	while (done < all) {
		struct iovec iov = { (char *)buf + done, all - done };
		ssize_t n = pwritev2(fd, &iov, 1, at + (off_t)done, flags);

		if (n > 0)
			done += (size_t)n;
		else if (n < 0 && (errno == EAGAIN || errno == EOPNOTSUPP) && flags & RWF_NOWAIT)
			flags &= ~RWF_NOWAIT;	/* refused: the same once more, with patience */
		else
			failed(op);
	}
}

static bool run_direct_flags(struct writer *w, struct target *t, unsigned int way, uint8_t how,
			     uint64_t sect, uint32_t nr_sect, int flags)
{
	struct op op = op_of(t, way, how, sect, nr_sect, EFFECT_DATA);
	uint32_t id = begin_data(w, w->buf, &op);

	write_all(&op, t->ways[way].direct_fd, w->buf, way_bytes(&t->ways[way], sect), flags);
	journal_end(id);
	return true;
}

static bool run_direct(struct writer *w, struct target *t, unsigned int way, uint8_t how,
		       uint64_t sect, uint32_t nr_sect)
{
	return run_direct_flags(w, t, way, how, sect, nr_sect, 0);
}

static bool run_dsync(struct writer *w, struct target *t, unsigned int way, uint8_t how,
		      uint64_t sect, uint32_t nr_sect)
{
	return run_direct_flags(w, t, way, how, sect, nr_sect, RWF_DSYNC);
}

static bool run_nowait(struct writer *w, struct target *t, unsigned int way, uint8_t how,
		       uint64_t sect, uint32_t nr_sect)
{
	return run_direct_flags(w, t, way, how, sect, nr_sect, RWF_NOWAIT);
}

static bool is_cached(int fd, off_t from, size_t bytes)
{
	unsigned char pages[IO_BYTES_MAX / 4096 + 2];
	void *map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, from);
	bool cached;

	if (map == MAP_FAILED || mincore(map, bytes, pages) < 0)
		die("mincore: %s", strerror(errno));
	cached = false;
	for (size_t i = 0; i < bytes / 4096; i++)
		cached |= pages[i] & 1;
	munmap(map, bytes);
	return cached;
}

/*
 * The pages of the range, out of the cache once they are written.  A page that someone
 * else's fsync() is just looking at stays: so until they are gone.
 */
static void drop_pages(const struct op *op, int fd, off_t at)
{
	off_t from = at & ~4095L, to = (at + (off_t)op->nr_sect * SECT_BYTES + 4095) & ~4095L;

	if (sync_file_range(fd, from, to - from, SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
			    SYNC_FILE_RANGE_WAIT_AFTER) < 0)
		failed(op);
	do
		posix_fadvise(fd, from, to - from, POSIX_FADV_DONTNEED);
	while (is_cached(fd, from, (size_t)(to - from)));
}

static bool run_cached(struct writer *w, struct target *t, unsigned int way, uint8_t how,
		       uint64_t sect, uint32_t nr_sect, int flags)
{
	struct op op = op_of(t, way, how, sect, nr_sect, EFFECT_DATA);
	off_t at = way_bytes(&t->ways[way], sect);
	uint32_t id = begin_data(w, w->buf, &op);

	write_all(&op, t->ways[way].buffered_fd, w->buf, at, flags);
	drop_pages(&op, t->ways[way].buffered_fd, at);
	journal_end(id);
	return true;
}

static bool run_buffered(struct writer *w, struct target *t, unsigned int way, uint8_t how,
			 uint64_t sect, uint32_t nr_sect)
{
	return run_cached(w, t, way, how, sect, nr_sect, 0);
}

static bool run_osync(struct writer *w, struct target *t, unsigned int way, uint8_t how,
		      uint64_t sect, uint32_t nr_sect)
{
	return run_cached(w, t, way, how, sect, nr_sect, RWF_DSYNC);
}

static bool run_mmap(struct writer *w, struct target *t, unsigned int way, uint8_t how,
		     uint64_t sect, uint32_t nr_sect)
{
	struct op op = op_of(t, way, how, sect, nr_sect, EFFECT_DATA);
	off_t at = way_bytes(&t->ways[way], sect), from = at & ~4095L;
	size_t bytes = (size_t)nr_sect * SECT_BYTES, skip = (size_t)(at - from);
	int fd = t->ways[way].buffered_fd;
	char *map = mmap(NULL, bytes + skip, PROT_READ | PROT_WRITE, MAP_SHARED, fd, from);
	uint32_t id;

	if (map == MAP_FAILED)
		failed(&op);
	/* No pages around it either. */
	madvise(map, bytes + skip, MADV_RANDOM);
	id = begin_data(w, w->buf, &op);
	memcpy(map + skip, w->buf, bytes);
	if (msync(map, bytes + skip, MS_SYNC) < 0)
		failed(&op);
	munmap(map, bytes + skip);
	drop_pages(&op, fd, at);
	journal_end(id);
	return true;
}

/* The range in pieces, as many operations at once; returns how many. */
static size_t begin_pieces(struct writer *w, struct target *t, unsigned int way, uint8_t how,
			   uint64_t sect, uint32_t nr_sect, uint32_t *ids, uint64_t *offsets_bytes,
			   uint32_t *lens_bytes)
{
	uint32_t piece_sect = nr_sect / PIECES / t->lbs_sect * t->lbs_sect;
	size_t nr = piece_sect ? PIECES : 1;

	for (size_t i = 0; i < nr; i++) {
		uint64_t from = sect + i * piece_sect;
		uint32_t len_sect = i + 1 < nr ? piece_sect : (uint32_t)(sect + nr_sect - from);
		struct op op = op_of(t, way, how, from, len_sect, EFFECT_DATA);

		ids[i] = begin_data(w, w->buf + (from - sect) * SECT_BYTES, &op);
		offsets_bytes[i] = (uint64_t)way_bytes(&t->ways[way], from);
		lens_bytes[i] = len_sect * SECT_BYTES;
	}
	return nr;
}

static bool run_aio(struct writer *w, struct target *t, unsigned int way, uint8_t how,
		    uint64_t sect, uint32_t nr_sect)
{
	uint32_t ids[PIECES], lens_bytes[PIECES];
	uint64_t offsets_bytes[PIECES];
	struct iocb iocbs[PIECES] = { 0 }, *list[PIECES];
	struct io_event events[PIECES];
	struct op op = op_of(t, way, how, sect, nr_sect, EFFECT_DATA);
	char *buf = w->buf;
	size_t nr, sent = 0, seen = 0;

	if (!w->aio && syscall(SYS_io_setup, PIECES, &w->aio) < 0)
		failed(&op);
	nr = begin_pieces(w, t, way, how, sect, nr_sect, ids, offsets_bytes, lens_bytes);
	for (size_t i = 0; i < nr; buf += lens_bytes[i++]) {
		iocbs[i] = (struct iocb){
			.aio_data = i, .aio_lio_opcode = IOCB_CMD_PWRITE,
			.aio_fildes = (uint32_t)t->ways[way].direct_fd, .aio_buf = (uintptr_t)buf,
			.aio_nbytes = lens_bytes[i], .aio_offset = (int64_t)offsets_bytes[i],
		};
		list[i] = &iocbs[i];
	}
	while (sent < nr) {
		long n = syscall(SYS_io_submit, w->aio, nr - sent, list + sent);

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			failed(&op);
		sent += n > 0 ? (size_t)n : 0;
	}
	while (seen < nr) {
		long n = syscall(SYS_io_getevents, w->aio, 1, nr - seen, events, NULL);

		if (n < 0 && errno != EINTR)
			failed(&op);
		for (long i = 0; i < n; i++, seen++) {
			errno = events[i].res < 0 ? (int)-events[i].res : EIO;
			if (events[i].res != lens_bytes[events[i].data])
				failed(&op);
			journal_end(ids[events[i].data]);
		}
	}
	return true;
}

static bool run_ring(struct writer *w, struct target *t, unsigned int way, uint8_t how,
		     uint64_t sect, uint32_t nr_sect, bool is_polled)
{
	struct ring **ring = is_polled ? &w->polled_ring : &w->ring;
	uint32_t ids[PIECES], lens_bytes[PIECES];
	uint64_t offsets_bytes[PIECES];
	uint32_t refused;
	char *buf = w->buf;
	size_t nr;

	if (!*ring)
		*ring = ring_new(is_polled);
	nr = begin_pieces(w, t, way, how, sect, nr_sect, ids, offsets_bytes, lens_bytes);
	refused = ring_write(*ring, t->ways[way].direct_fd, w->buf, offsets_bytes, lens_bytes, nr);
	for (size_t i = 0; i < nr; buf += lens_bytes[i++]) {
		/* Part of it may be on the disk, and pieces that waited for a copy are: so all of it. */
		if (refused & 1u << i)
			write_all(journal_op(ids[i]), t->ways[way].direct_fd, buf,
				  (off_t)offsets_bytes[i], 0);
		journal_end(ids[i]);
	}
	return !refused;
}

static bool run_uring(struct writer *w, struct target *t, unsigned int way, uint8_t how,
		      uint64_t sect, uint32_t nr_sect)
{
	return run_ring(w, t, way, how, sect, nr_sect, false);
}

static bool run_polled(struct writer *w, struct target *t, unsigned int way, uint8_t how,
		       uint64_t sect, uint32_t nr_sect)
{
	return run_ring(w, t, way, how, sect, nr_sect, true);
}

static bool run_ioctl(struct target *t, unsigned int way, uint8_t how, uint64_t sect,
		      uint32_t nr_sect, unsigned long request, enum effect effect)
{
	struct op op = op_of(t, way, how, sect, nr_sect, effect);
	uint64_t range[2] = { (uint64_t)way_bytes(&t->ways[way], sect), (uint64_t)nr_sect * SECT_BYTES };
	uint32_t id = journal_begin(&op);

	if (ioctl(t->ways[way].direct_fd, request, range) < 0) {
		if (errno != EOPNOTSUPP)
			failed(&op);
		journal_void(id);
		return false;
	}
	journal_end(id);
	return true;
}

static bool run_zero(struct writer *w, struct target *t, unsigned int way, uint8_t how,
		     uint64_t sect, uint32_t nr_sect)
{
	return run_ioctl(t, way, how, sect, nr_sect, BLKZEROOUT, EFFECT_ZERO);
}

static bool run_discard(struct writer *w, struct target *t, unsigned int way, uint8_t how,
			uint64_t sect, uint32_t nr_sect)
{
	return run_ioctl(t, way, how, sect, nr_sect, BLKDISCARD, EFFECT_MAYBE_ZERO);
}

static bool run_secerase(struct writer *w, struct target *t, unsigned int way, uint8_t how,
			 uint64_t sect, uint32_t nr_sect)
{
	return run_ioctl(t, way, how, sect, nr_sect, BLKSECDISCARD, EFFECT_MAYBE_ZERO);
}

static bool run_punch(struct writer *w, struct target *t, unsigned int way, uint8_t how,
		      uint64_t sect, uint32_t nr_sect)
{
	struct op op = op_of(t, way, how, sect, nr_sect, EFFECT_ZERO);
	uint32_t id = journal_begin(&op);

	if (fallocate(t->ways[way].direct_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		      way_bytes(&t->ways[way], sect), (off_t)nr_sect * SECT_BYTES) < 0) {
		if (errno != EOPNOTSUPP)
			failed(&op);
		journal_void(id);
		return false;
	}
	journal_end(id);
	return true;
}

static bool run_flush(struct writer *w, struct target *t, unsigned int way, uint8_t how,
		      uint64_t sect, uint32_t nr_sect)
{
	struct op op = op_of(t, way, how, sect, 0, EFFECT_DATA);

	if (fdatasync(t->ways[way].direct_fd) < 0)
		failed(&op);
	return true;
}

struct op_kind op_kinds[] = {
	{ .name = "direct", .weight = 24, .run = run_direct },
	{ .name = "dsync", .weight = 8, .run = run_dsync },
	{ .name = "buffered", .weight = 12, .run = run_buffered, .by_pages = true },
	{ .name = "osync", .weight = 4, .run = run_osync, .by_pages = true },
	{ .name = "mmap", .weight = 4, .run = run_mmap, .by_pages = true, .is_torn = true },
	{ .name = "nowait", .weight = 8, .run = run_nowait },
	{ .name = "aio", .weight = 8, .run = run_aio },
	{ .name = "uring", .weight = 8, .run = run_uring },
	{ .name = "polled", .weight = 4, .run = run_polled, .goes_on = true },
	{ .name = "zero", .weight = 4, .run = run_zero },
	{ .name = "punch", .weight = 2, .run = run_punch },
	{ .name = "discard", .weight = 4, .run = run_discard },
	{ .name = "secerase", .weight = 1, .run = run_secerase },
	{ .name = "flush", .weight = 4, .run = run_flush },
};

const size_t nr_op_kinds = sizeof(op_kinds) / sizeof(op_kinds[0]);

/* Switches the kinds named in a list with commas on or off. */
void op_kinds_choose(const char *names, bool off)
{
	while (*names) {
		size_t len = strcspn(names, ",");
		bool found = false;

		for (size_t i = 0; i < nr_op_kinds; i++)
			if (strlen(op_kinds[i].name) == len && !strncmp(op_kinds[i].name, names, len)) {
				op_kinds[i].off = off;
				found = true;
			}
		if (!found)
			die("%s: no such operation", names);
		names += len + (names[len] == ',');
	}
}
