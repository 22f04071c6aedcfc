// SPDX-License-Identifier: GPL-2.0-only
#include "filestorm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static char *path_of(const struct writer *w, unsigned int file)
{
	static __thread char paths[2][160];
	static __thread unsigned int next;
	char *path = paths[next++ % 2];

	snprintf(path, sizeof(paths[0]), "%s/%u", w->dir, file);
	return path;
}

static void failed(const struct writer *w, const struct change *c)
{
	die("the filesystem refused us: %s of %u at %u of %s: %s", change_names[c->kind], c->len,
	    c->offset, path_of(w, c->file), strerror(errno));
}

static int open_file(const struct writer *w, const struct change *c, unsigned int file, int flags)
{
	int fd = open(path_of(w, file), O_RDWR | O_CLOEXEC | flags, 0600);

	if (fd < 0)
		failed(w, c);
	return fd;
}

static long do_write(const struct change *c, int fd, int flags)
{
	static __thread char *buf;
	struct iovec iov;

	if (!buf && posix_memalign((void **)&buf, PAGE_BYTES, FILE_BYTES_MAX))
		die("no memory");
	fill_content(buf, c->len, c->fill);
	iov = (struct iovec){ buf, c->len };
	return pwritev2(fd, &iov, 1, c->offset, flags) - (long)c->len;
}

static long do_mmap(const struct change *c, int fd)
{
	off_t from = c->offset & ~(PAGE_BYTES - 1u);
	char *map = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, from);
	uint64_t value;

	if (map == MAP_FAILED)
		return -1;
	fill_content((char *)&value, sizeof(value), c->fill);
	/* At once, or not at all. */
	*(volatile uint64_t *)(map + (c->offset - from)) = value;
	return munmap(map, PAGE_BYTES);
}

static long do_clone(const struct writer *w, const struct change *c, int fd)
{
	int other = open_file(w, c, c->other, 0);
	long r = ioctl(other, FICLONE, fd);

	close(other);
	return r;
}

static long do_change(const struct writer *w, const struct change *c)
{
	int fd = -1, flags = c->kind == CHANGE_CREATE ? O_CREAT | O_EXCL :
			     c->kind == CHANGE_WRITE_DIRECT ? O_DIRECT : 0;
	long r = 0;

	if (c->kind == CHANGE_RENAME)
		return rename(path_of(w, c->file), path_of(w, c->other));
	if (c->kind == CHANGE_UNLINK)
		return unlink(path_of(w, c->file));
	fd = open_file(w, c, c->file, flags);
	switch ((enum change_kind)c->kind) {
	case CHANGE_WRITE:
	case CHANGE_WRITE_DIRECT:
		r = do_write(c, fd, 0);
		break;
	case CHANGE_WRITE_DSYNC:
		r = do_write(c, fd, RWF_DSYNC);
		break;
	case CHANGE_MMAP:
		r = do_mmap(c, fd);
		break;
	case CHANGE_TRUNCATE:
		r = ftruncate(fd, c->offset);
		break;
	case CHANGE_PUNCH:
		r = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, c->offset, c->len);
		break;
	case CHANGE_ZERO:
		r = fallocate(fd, FALLOC_FL_ZERO_RANGE, c->offset, c->len);
		break;
	case CHANGE_EXTEND:
		r = fallocate(fd, 0, c->offset, c->len);
		break;
	case CHANGE_CLONE:
		r = do_clone(w, c, fd);
		break;
	case CHANGE_SYNC:
		r = fsync(fd);
		break;
	case CHANGE_CREATE:
	case CHANGE_RENAME:
	case CHANGE_UNLINK:
	case CHANGES:
		break;
	}
	close(fd);
	return r;
}

void writer_init(struct writer *w, unsigned int number)
{
	w->number = number;
	w->dice = random_seed(settings.seed, number);
	w->changes = mmap(NULL, OPS_MAX * sizeof(*w->changes), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (w->changes == MAP_FAILED)
		die("no memory");
	model_init(&w->live);
	model_init(&w->past);
	snprintf(w->dir, sizeof(w->dir), "%s/%u", settings.dir, number);
	if (mkdir(w->dir, 0700) < 0)
		die("%s: %s", w->dir, strerror(errno));
}

void *writer_run(void *writer)
{
	struct writer *w = writer;

	while (pace_begin()) {
		struct change *c = &w->changes[w->begun];

		if (w->begun == OPS_MAX - 1)
			die("the journal is full");
		*c = model_draw(&w->live, &w->dice, strcmp(settings.type, "xfs") == 0);
		__atomic_store_n(&w->begun, w->begun + 1, __ATOMIC_SEQ_CST);
		if (do_change(w, c) != 0)
			failed(w, c);
		__atomic_store_n(&w->done, w->begun, __ATOMIC_SEQ_CST);
		model_change(&w->live, c);
		w->counts[c->kind]++;
		pace_done();
	}
	return NULL;
}
