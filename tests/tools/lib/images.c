// SPDX-License-Identifier: GPL-2.0-only
#include "images.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
	FINDINGS_SHOWN = 24,
	FAR_SNAPSHOTS = 5,	/* so many until the next old one is kept */
};

struct tally tally;

bool finding(const char *format, ...)
{
	va_list ap;

	if (tally.findings++ >= FINDINGS_SHOWN)
		return false;
	va_start(ap, format);
	printf("WRONG: ");
	vprintf(format, ap);
	putchar('\n');
	va_end(ap);
	return true;
}

static char *new_content(uint64_t nr_sect)
{
	char *content = NULL;

	if (posix_memalign((void **)&content, 4096, nr_sect * SECT_BYTES))
		die("no memory");
	return content;
}

void images_init(struct images *im, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t size_bytes;

	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &size_bytes) < 0)
		die("%s: %s", path, strerror(errno));
	close(fd);
	im->path = path;
	im->rdev = rdev_of(path);
	im->nr_sect = size_bytes / SECT_BYTES;
	im->ref = new_content(im->nr_sect);
	im->far = new_content(im->nr_sect);
	im->now = new_content(im->nr_sect);
}

void device_read(const char *path, uint64_t nr_sect, char *ret_content)
{
	int fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	uint64_t done = 0, all = nr_sect * SECT_BYTES;

	if (fd < 0)
		die("%s: %s", path, strerror(errno));
	while (done < all) {
		size_t want = all - done < 1 << 20 ? all - done : 1 << 20;
		ssize_t got = pread(fd, ret_content + done, want, (off_t)done);

		if (got <= 0)
			die("%s: read at %lu: %s", path, done,
			    got ? strerror(errno) : "it ends there");
		done += (size_t)got;
	}
	close(fd);
}

void images_states(const struct snap *snap, const char *when)
{
	for (size_t i = 0; i < snap->nr; i++) {
		const struct snap_device *d = &snap->devices[i];

		if (strcmp(d->state, "verified"))
			finding("%s: %s: %s", d->image, when, d->state);
		if (*d->error)
			finding("%s: %s: the image failed: %s", d->image, when, d->error);
	}
}

void images_ask(struct images *im, const struct snap *snap)
{
	if (!im->since)
		return;
	snap_changes(im->path, im->since, &im->before);
	snap_changes(im->path, snap_device(snap, im->rdev)->since, &im->after);
}

void images_read(struct images *im, const struct snap *snap)
{
	device_read(snap_device(snap, im->rdev)->image, im->nr_sect, im->now);
}

static const char *describe(const struct images *im, const char *content, uint64_t sect)
{
	return im->describe ? im->describe(im, content, sect) : "something";
}

static void check_block(const struct images *im, const char *old, uint64_t since, uint64_t from,
			uint64_t to, bool counts)
{
	size_t first = from * SECT_BYTES, bytes = (to - from) * SECT_BYTES;
	bool differs = memcmp(im->now + first, old + first, bytes), is_shown = false;

	for (uint64_t sect = from; differs && sect < to; sect++) {
		size_t at = sect * SECT_BYTES;

		if (im->before.sect[sect] || !memcmp(im->now + at, old + at, SECT_BYTES))
			continue;
		tally.missed_sect++;
		if (!is_shown)
			finding("%s sector %lu: MISSED: it changed since epoch %lu, from %s to %s, and is not listed",
				im->path, sect, since, describe(im, old, sect),
				describe(im, im->now, sect));
		is_shown = true;
	}
	if (!counts || memchr(im->after.sect + from, 1, to - from))
		return;
	tally.listed_blk += memchr(im->before.sect + from, 1, to - from) != NULL;
	tally.differing_blk += differs;
}

/* Is every sector of @now that differs from @old in @before? */
static void check_since(const struct images *im, const char *old, uint64_t since, bool counts)
{
	uint64_t step = im->before.granularity / SECT_BYTES;

	if (strcmp(im->before.state, "ok"))
		finding("%s: the change list is %s", im->path, im->before.state);
	if (im->before.nr_sect != im->nr_sect)
		die("%s: changes of %lu sectors, not of %lu", im->path, im->before.nr_sect, im->nr_sect);
	for (uint64_t from = 0; from < im->nr_sect; from += step)
		check_block(im, old, since, from, from + step < im->nr_sect ? from + step : im->nr_sect,
			    counts);
}

static bool is_far(void)
{
	return tally.snapshots % FAR_SNAPSHOTS == 0;
}

void images_check(struct images *im)
{
	if (!im->since)
		return;
	check_since(im, im->ref, im->since, true);
	if (!is_far())
		return;
	snap_changes(im->path, im->far_since, &im->before);
	check_since(im, im->far, im->far_since, false);
}

void images_read_again(const struct images *im, const char *content, const struct snap *snap,
		       const char *when)
{
	static char *again;
	static uint64_t room_sect;

	if (room_sect < im->nr_sect) {
		free(again);
		again = new_content(im->nr_sect);
		room_sect = im->nr_sect;
	}
	device_read(snap_device(snap, im->rdev)->image, im->nr_sect, again);
	for (uint64_t sect = 0; sect < im->nr_sect; sect++) {
		size_t at = sect * SECT_BYTES;

		if (!memcmp(content + at, again + at, SECT_BYTES))
			continue;
		finding("%s sector %lu: the image reads differently %s: %s, now %s", im->path, sect, when,
			describe(im, content, sect), describe(im, again, sect));
		return;
	}
}

void images_turn(struct images *im, const struct snap *snap)
{
	bool is_first = !im->since;
	char *ref = im->ref;

	im->ref = im->now;
	im->now = ref;
	im->since = snap_device(snap, im->rdev)->since;
	if (is_first || is_far()) {
		memcpy(im->far, im->ref, im->nr_sect * SECT_BYTES);
		im->far_since = im->since;
	}
}

void images_count(const struct snap *snap)
{
	tally.snapshots++;
	tally.hold_ns_sum += snap->hold_ns;
	if (snap->hold_ns > tally.hold_ns_max)
		tally.hold_ns_max = snap->hold_ns;
}

void tally_print(void)
{
	double ratio = tally.differing_blk ? (double)tally.listed_blk / (double)tally.differing_blk : 1;

	printf("snapshots %lu listed %lu differing %lu ratio %.3f missed %lu hold_ms %.1f max %.1f",
	       tally.snapshots, tally.listed_blk, tally.differing_blk, ratio, tally.missed_sect,
	       (double)tally.hold_ns_sum / 1e6 / (double)(tally.snapshots ?: 1),
	       (double)tally.hold_ns_max / 1e6);
}
