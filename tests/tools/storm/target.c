// SPDX-License-Identifier: GPL-2.0-only
/* Which devices are there, how large are they, and what is on them? */
#include "storm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct target targets[TARGETS_MAX];
size_t nr_targets;

static int open_device(const char *path, int flags, uint64_t *ret_nr_sect, uint32_t *ret_lbs_sect)
{
	int fd = open(path, flags | O_CLOEXEC), lbs_bytes;
	uint64_t size_bytes;

	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &size_bytes) < 0 || ioctl(fd, BLKSSZGET, &lbs_bytes) < 0)
		die("%s: %s", path, strerror(errno));
	*ret_nr_sect = size_bytes / SECT_BYTES;
	*ret_lbs_sect = lbs_bytes / SECT_BYTES;
	return fd;
}

static char *new_content(const struct target *t)
{
	char *content = NULL;

	if (posix_memalign((void **)&content, 4096, t->nr_sect * SECT_BYTES))
		die("no memory");
	return content;
}

struct target *target_add(const char *path)
{
	struct target *t = &targets[nr_targets];

	if (nr_targets == TARGETS_MAX)
		die("more than %d targets", TARGETS_MAX);
	t->path = path;
	t->rdev = rdev_of(path);
	close(open_device(path, O_RDONLY, &t->nr_sect, &t->lbs_sect));
	t->ref = new_content(t);
	t->far = new_content(t);
	t->now = new_content(t);
	nr_targets++;
	return t;
}

void way_add(struct target *t, const char *path, int64_t at_sect)
{
	struct way *way = &t->ways[t->nr_ways];
	uint32_t lbs_sect;

	if (t->nr_ways == WAYS_MAX)
		die("more than %d ways", WAYS_MAX);
	if (!t->nr_ways++)
		journal_add(t);
	way->path = path;
	way->at_sect = at_sect;
	way->direct_fd = open_device(path, O_RDWR | O_DIRECT, &way->nr_sect, &lbs_sect);
	way->buffered_fd = open_device(path, O_RDWR, &way->nr_sect, &lbs_sect);
	/* Nothing old in the page cache: see ops.c. */
	ioctl(way->buffered_fd, BLKFLSBUF, 0);
}

void target_read(const char *device, uint64_t nr_sect, char *ret_content)
{
	int fd = open(device, O_RDONLY | O_DIRECT | O_CLOEXEC);
	uint64_t done = 0, all = nr_sect * SECT_BYTES;

	if (fd < 0)
		die("%s: %s", device, strerror(errno));
	while (done < all) {
		size_t want = all - done < 1 << 20 ? all - done : 1 << 20;
		ssize_t got = pread(fd, ret_content + done, want, (off_t)done);

		if (got <= 0)
			die("%s: read at %lu: %s", device, done,
			    got ? strerror(errno) : "it ends there");
		done += (size_t)got;
	}
	close(fd);
}
