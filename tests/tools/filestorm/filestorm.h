/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DOC: files under snapshots, and their reference
 *
 * Each writer changes files of its own, one operation after the other, and knows what
 * they must hold after each of them: the model.  An image shows the filesystem as it was
 * after some operation of each writer: not one that ended before the snapshot is
 * lacking, not one is there that began after it.
 */
#ifndef _FILESTORM_H
#define _FILESTORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../lib/images.h"
#include "../lib/pace.h"
#include "../lib/random.h"

enum {
	FILES		= 6,
	FILE_BYTES_MAX	= 256 << 10,
	WRITERS_MAX	= 8,
	OPS_MAX		= 1 << 20,
	PAGE_BYTES	= 4096,
};

enum change_kind {
	CHANGE_CREATE,
	CHANGE_WRITE,		/* through the page cache */
	CHANGE_WRITE_DIRECT,
	CHANGE_WRITE_DSYNC,
	CHANGE_MMAP,		/* eight bytes */
	CHANGE_TRUNCATE,
	CHANGE_PUNCH,
	CHANGE_ZERO,
	CHANGE_EXTEND,		/* fallocate() beyond the end */
	CHANGE_RENAME,		/* @file over @other */
	CHANGE_CLONE,		/* the content of @file to @other, which is no longer */
	CHANGE_UNLINK,
	CHANGE_SYNC,		/* nothing, and fsync() */
	CHANGES,
};

/* @fill tells the content that is written. */
struct change {
	uint8_t kind, file, other;
	uint32_t offset, len;
	uint64_t fill;
};

struct file {
	bool exists;
	uint32_t len;
	char *content;		/* FILE_BYTES_MAX, zeros beyond @len */
};

struct model {
	struct file files[FILES];
};

/* model.c: what files must hold, without any filesystem */
void model_init(struct model *m);
void model_copy(struct model *to, const struct model *from);
void model_change(struct model *m, const struct change *c);
/* A change that makes sense for @m. */
struct change model_draw(const struct model *m, uint64_t *dice, bool can_clone);
void fill_content(char *buf, uint32_t len, uint64_t fill);
extern const char *const change_names[CHANGES];

/**
 * struct writer - one writer and what it has done
 * @begun, @done: how many of @changes
 * @live: as it must be after @done;  @past: after @past_changes
 */
struct writer {
	unsigned int number;
	char dir[128];
	uint64_t dice;
	struct change *changes;
	uint32_t begun, done, past_changes;
	struct model live, past;
	uint64_t counts[CHANGES];
};

struct settings {
	const char *device, *dir, *type, *storage;
	uint64_t seed, limit_bytes;
	unsigned int snapshots, writers, stressers;
};

extern struct settings settings;

/* writer.c: the changes, by system calls */
void writer_init(struct writer *w, unsigned int number);
void *writer_run(void *writer);

/* stress.c: names that come and go, of which nobody keeps account */
void *stress_run(void *number);

/* look.c: the image's files, and its filesystem as such */
void look_at_files(const char *image, struct writer *writers, const uint32_t *done,
		   const uint32_t *begun);
/* As a backup would: @from, a device or a file, is mounted for writing, and its log replayed. */
void look_at_replayed(const char *from, struct writer *writers, const uint32_t *done,
		      const uint32_t *begun);
/* Is the filesystem whole as it was frozen, with nothing replayed? */
void look_check_frozen(const char *image);
/* Are the live files what they must be, now that nobody changes them? */
void look_at_live(const struct writer *writers);

#endif /* _FILESTORM_H */
