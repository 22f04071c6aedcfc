// SPDX-License-Identifier: GPL-2.0-only
#include "filestorm.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOK_DIR	"/mnt/look"

extern char **environ;

/* Return: NULL, or in what way the file is not what it should be. */
static const char *differs(const struct writer *w, unsigned int number, const struct file *f)
{
	static char content[FILE_BYTES_MAX + 1], text[160];
	ssize_t got;
	int fd;

	snprintf(text, sizeof(text), LOOK_DIR "/%u/%u", w->number, number);
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
static int first_difference(const struct writer *w, const struct model *m, const char **ret_how)
{
	for (unsigned int i = 0; i < FILES; i++) {
		*ret_how = differs(w, i, &m->files[i]);
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
	file = first_difference(w, &w->past, &how);
	if (file < 0)
		return;
	snprintf(first, sizeof(first), "%d %s", file, how);
	model_copy(&candidate, &w->past);
	for (uint32_t n = done; n < begun; n++) {
		model_change(&candidate, &w->changes[n]);
		if (first_difference(w, &candidate, &how) < 0)
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

void look_at_files(const struct snap *snap, const char *image, struct writer *writers,
		   const uint32_t *done, const uint32_t *begun)
{
	bool is_xfs = strcmp(settings.type, "xfs") == 0;

	mkdir(LOOK_DIR, 0700);
	/* Nothing is replayed: what was frozen is whole. */
	if (mount(image, LOOK_DIR, settings.type, MS_RDONLY,
		  is_xfs ? "norecovery,nouuid" : "noload") < 0) {
		finding("the image cannot be mounted: %s", strerror(errno));
		return;
	}
	for (unsigned int i = 0; i < settings.writers; i++)
		look_at_writer(&writers[i], done[i], begun[i]);
	if (umount(LOOK_DIR) < 0)
		die(LOOK_DIR ": %s", strerror(errno));
}

void look_check(const char *image)
{
	const char *const ext4[] = { "e2fsck", "-fn", image, NULL };
	const char *const xfs[] = { "xfs_repair", "-n", image, NULL };
	const char *const *argv = strcmp(settings.type, "xfs") == 0 ? xfs : ext4;
	posix_spawn_file_actions_t actions;
	int status;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 1, "/run/lab/fsck",
					 O_WRONLY | O_CREAT | O_TRUNC, 0600);
	posix_spawn_file_actions_adddup2(&actions, 1, 2);
	if (posix_spawnp(&pid, argv[0], &actions, NULL, (char **)argv, environ))
		die("%s: no such command", argv[0]);
	posix_spawn_file_actions_destroy(&actions);
	if (waitpid(pid, &status, 0) < 0 || status == 0)
		return;
	finding("%s finds something to mend:", argv[0]);
	fflush(stdout);
	(void)!system("grep -v '^ *- ' /run/lab/fsck | head -n 30");
}
