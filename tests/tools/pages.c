// SPDX-License-Identifier: GPL-2.0-only
/*
 * pages fill DEVICE SALT                     every page of 4 KiB, 1 MiB at a time
 * pages touch DEVICE FIRST STEP COUNT SALT   COUNT pages, each STEP after the last, one by one
 * pages check DEVICE FIRST STEP COUNT SALT   do they hold that?
 *
 * A page is one word over and over, which its number and SALT tell: zram keeps such a page
 * in its table, and a large device costs next to no memory.  O_DIRECT; COUNT 0: up to the end.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PAGE_BYTES = 4096, WORDS = PAGE_BYTES / 8, PAGES = 256 };

static uint64_t buf[PAGES * WORDS] __attribute__((aligned(PAGE_BYTES)));

static uint64_t word(uint64_t page, uint64_t salt)
{
	return (page + 1) * 0x9e3779b97f4a7c15ULL ^ salt * 0xbf58476d1ce4e5b9ULL;
}

static void set_page(uint64_t *to, uint64_t page, uint64_t salt)
{
	for (int i = 0; i < WORDS; i++)
		to[i] = word(page, salt);
}

static int failed(const char *what, uint64_t page)
{
	fprintf(stderr, "page %llu: ", (unsigned long long)page);
	perror(what);
	return 1;
}

static int fill(int fd, uint64_t nr, uint64_t salt)
{
	for (uint64_t page = 0, here; page < nr; page += here) {
		here = nr - page < PAGES ? nr - page : PAGES;
		for (uint64_t i = 0; i < here; i++)
			set_page(buf + i * WORDS, page + i, salt);
		if (pwrite(fd, buf, here * PAGE_BYTES, page * PAGE_BYTES) != (ssize_t)(here * PAGE_BYTES))
			return failed("write", page);
	}
	return 0;
}

static int touch(int fd, uint64_t first, uint64_t step, uint64_t count, uint64_t salt)
{
	for (uint64_t i = 0, page = first; i < count; i++, page += step) {
		set_page(buf, page, salt);
		if (pwrite(fd, buf, PAGE_BYTES, page * PAGE_BYTES) != PAGE_BYTES)
			return failed("write", page);
	}
	return 0;
}

/* Reads 1 MiB at a time, and looks at one page of each STEP. */
static int check(int fd, uint64_t first, uint64_t step, uint64_t count, uint64_t salt, uint64_t nr)
{
	uint64_t from = 0, have = 0;

	for (uint64_t i = 0, page = first; i < count; i++, page += step) {
		if (page >= from + have) {
			from = page;
			have = nr - from < PAGES ? nr - from : PAGES;
			if (pread(fd, buf, have * PAGE_BYTES, from * PAGE_BYTES) !=
			    (ssize_t)(have * PAGE_BYTES))
				return failed("read", page);
		}
		for (int j = 0; j < WORDS; j++)
			if (buf[(page - from) * WORDS + j] != word(page, salt)) {
				fprintf(stderr, "page %llu differs\n", (unsigned long long)page);
				return 1;
			}
	}
	return 0;
}

int main(int argc, char **argv)
{
	uint64_t args[4] = { 0, 1, 0, 0 }, nr;
	const char *verb = argc > 2 ? argv[1] : "";
	int fd;

	fd = open(argc > 2 ? argv[2] : "", (strcmp(verb, "check") ? O_RDWR : O_RDONLY) | O_DIRECT | O_CLOEXEC);
	if (fd < 0) {
		perror("pages fill|touch|check DEVICE ...");
		return 2;
	}
	nr = (uint64_t)lseek(fd, 0, SEEK_END) / PAGE_BYTES;
	if (!strcmp(verb, "fill") && argc == 4)
		return fill(fd, nr, strtoull(argv[3], NULL, 10));
	if (argc != 7)
		return 2;
	for (int i = 0; i < 4; i++)
		args[i] = strtoull(argv[i + 3], NULL, 10);
	if (!args[2])
		args[2] = (nr - args[0] + args[1] - 1) / args[1];
	if (!strcmp(verb, "touch"))
		return touch(fd, args[0], args[1], args[2], args[3]);
	return check(fd, args[0], args[1], args[2], args[3], nr);
}
