// SPDX-License-Identifier: GPL-2.0-only
/* Which devices are there, and which ways lead to them? */
#include "storm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
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

struct target *target_add(const char *path)
{
	struct target *t = &targets[nr_targets];
	uint64_t nr_sect;

	if (nr_targets == TARGETS_MAX)
		die("more than %d targets", TARGETS_MAX);
	images_init(&t->im, path);
	t->im.describe = check_describe;
	close(open_device(path, O_RDONLY, &nr_sect, &t->lbs_sect));
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
