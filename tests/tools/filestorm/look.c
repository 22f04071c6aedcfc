// SPDX-License-Identifier: GPL-2.0-only
#include "filestorm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOOK_DIR	"/mnt/look"

/* Return: NULL, or in what way the file is not what it should be. */
static const char *differs(const char *root, const struct writer *w, unsigned int number,
			   const struct file *f)
{
	static char content[FILE_BYTES_MAX + 1], text[200];
	ssize_t got;
	int fd;

	snprintf(text, sizeof(text), "%s/%u/%u", root, w->number, number);
	fd = open(text, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno != ENOENT)
		die("%s: %s", text, strerror(errno));
	if ((fd >= 0) != f->exists) {
		if (fd >= 0)
			close(fd);
		return f->exists ? "is not there" : "is there";
	}
	if (fd < 0)
		return NULL;
	got = read(fd, content, sizeof(content));
	if (got < 0)
		die("%s: %s", text, strerror(errno));
	close(fd);
	if (got != f->len) {
		snprintf(text, sizeof(text), "has %zd bytes, not %u", got, f->len);
		return text;
	}
	for (uint32_t i = 0; i < f->len; i++)
		if (content[i] != f->content[i]) {
			snprintf(text, sizeof(text), "differs at %u", i);
			return text;
		}
	return NULL;
}

/* The first file that differs, or -1. */
static int first_difference(const char *root, const struct writer *w, const struct model *m,
			    const char **ret_how)
{
	for (unsigned int i = 0; i < FILES; i++) {
		*ret_how = differs(root, w, i, &m->files[i]);
		if (*ret_how)
			return (int)i;
	}
	return -1;
}

static void look_at_writer(struct writer *w, uint32_t done, uint32_t begun)
{
	static struct model candidate;
	const char *how;
	char first[200];
	int file;

	if (!candidate.files[0].content)
		model_init(&candidate);
	while (w->past_changes < done)
		model_change(&w->past, &w->changes[w->past_changes++]);
	file = first_difference(LOOK_DIR, w, &w->past, &how);
	if (file < 0)
		return;
	snprintf(first, sizeof(first), "%d %s", file, how);
	model_copy(&candidate, &w->past);
	for (uint32_t n = done; n < begun; n++) {
		model_change(&candidate, &w->changes[n]);
		if (first_difference(LOOK_DIR, w, &candidate, &how) < 0)
			return;
	}
	if (!finding("the files of writer %u are as after none of its changes %u..%u: after the first, %s",
		     w->number, done, begun, first))
		return;
	for (uint32_t n = begun; n-- > 0 && begun - n < 300;) {
		const struct change *c = &w->changes[n];

		if (c->file == file || (c->other == file && (c->kind == CHANGE_RENAME || c->kind == CHANGE_CLONE)))
			printf("       %u: %s %u (%u) %u+%u\n", n, change_names[c->kind], c->file,
			       c->other, c->offset, c->len);
	}
}

static bool is_xfs(void)
{
	return strcmp(settings.type, "xfs") == 0;
}

static void look_at_writers(struct writer *writers, const uint32_t *done, const uint32_t *begun)
{
	for (unsigned int i = 0; i < settings.writers; i++)
		look_at_writer(&writers[i], done[i], begun[i]);
}

void look_at_files(const char *image, struct writer *writers, const uint32_t *done,
		   const uint32_t *begun)
{
	mkdir(LOOK_DIR, 0700);
	/* Nothing is replayed: what was frozen is whole. */
	if (mount(image, LOOK_DIR, settings.type, MS_RDONLY,
		  is_xfs() ? "norecovery,nouuid" : "noload") < 0) {
		finding("the image cannot be mounted: %s", strerror(errno));
		return;
	}
	look_at_writers(writers, done, begun);
	if (umount(LOOK_DIR) < 0)
		die(LOOK_DIR ": %s", strerror(errno));
}

/* Return: did it succeed?  If not, that is a finding, with what it said. */
static bool run(const char *format, ...)
{
	char command[400], all[500];
	va_list ap;

	va_start(ap, format);
	vsnprintf(command, sizeof(command), format, ap);
	va_end(ap);
	snprintf(all, sizeof(all), "%s >/run/lab/look 2>&1", command);
	if (system(all) == 0)
		return true;
	finding("%s:", command);
	fflush(stdout);
	(void)!system("grep -v '^ *- ' /run/lab/look | head -n 30");
	return false;
}

void look_at_replayed(const char *from, struct writer *writers, const uint32_t *done,
		      const uint32_t *begun)
{
	struct stat st;

	if (stat(from, &st) < 0)
		die("%s: %s", from, strerror(errno));
	if (!run("mount -t %s -o rw%s%s %s " LOOK_DIR, settings.type, is_xfs() ? ",nouuid" : "",
		 S_ISREG(st.st_mode) ? ",loop" : "", from))
		return;
	look_at_writers(writers, done, begun);
	if (run("umount " LOOK_DIR))
		(void)run(is_xfs() ? "xfs_repair -n %s" : "e2fsck -fn %s", from);
}

void look_check_frozen(const char *image)
{
	/* XFS leaves a log on purpose: xfs_repair would take it for damage. */
	if (!is_xfs())
		(void)run("e2fsck -fn %s", image);
}

void look_at_live(const struct writer *writers)
{
	const char *how;

	for (unsigned int i = 0; i < settings.writers; i++) {
		int file = first_difference(settings.dir, &writers[i], &writers[i].live, &how);

		if (file >= 0)
			finding("live file %d of writer %u %s", file, i, how);
	}
}
