// SPDX-License-Identifier: GPL-2.0-only
#include "filestorm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { NAMES = 24, DIRS = 4 };

static const char *name(char *room, size_t bytes, unsigned int number, uint64_t *dice)
{
	snprintf(room, bytes, "%s/s%u/%lu/%lu", settings.dir, number, random_below(dice, DIRS),
		 random_below(dice, NAMES));
	return room;
}

static void write_some(const char *path, uint64_t *dice)
{
	static const char content[3000] = "whatever";
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	if (fd < 0)
		return;
	/* Files that stay small, or the filesystem would fill up. */
	if (lseek(fd, 0, SEEK_END) < 30000)
		(void)!write(fd, content, random_below(dice, sizeof(content)));
	close(fd);
}

/* Refusals are fine: the names are drawn blindly. */
static void one_step(unsigned int number, uint64_t *dice)
{
	char a[160], b[160], value[200];

	name(a, sizeof(a), number, dice);
	name(b, sizeof(b), number, dice);
	switch (random_below(dice, 10)) {
	case 0:
		mkdir(a, 0700);
		break;
	case 1:
		rmdir(a);
		break;
	case 2:
		(void)!symlink(b, a);
		break;
	case 3:
		(void)!link(a, b);
		break;
	case 4:
	case 5:
		rename(a, b);
		break;
	case 6:
		unlink(a);
		break;
	case 7:
		memset(value, 'x', sizeof(value));
		setxattr(a, "user.some", value, random_below(dice, sizeof(value)), 0);
		break;
	default:
		write_some(a, dice);
	}
}

void *stress_run(void *number_arg)
{
	unsigned int number = (unsigned int)(uintptr_t)number_arg;
	uint64_t dice = random_seed(settings.seed, WRITERS_MAX + number);
	char dir[160];

	snprintf(dir, sizeof(dir), "%s/s%u", settings.dir, number);
	mkdir(dir, 0700);
	for (unsigned int i = 0; i < DIRS; i++) {
		snprintf(dir, sizeof(dir), "%s/s%u/%u", settings.dir, number, i);
		mkdir(dir, 0700);
	}
	while (pace_begin()) {
		one_step(number, &dice);
		pace_done();
	}
	return NULL;
}
