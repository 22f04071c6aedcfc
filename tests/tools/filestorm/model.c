// SPDX-License-Identifier: GPL-2.0-only
#include "filestorm.h"

#include <stdlib.h>
#include <string.h>

const char *const change_names[CHANGES] = {
	[CHANGE_CREATE] = "create",
	[CHANGE_WRITE] = "write",
	[CHANGE_WRITE_DIRECT] = "direct",
	[CHANGE_WRITE_DSYNC] = "dsync",
	[CHANGE_MMAP] = "mmap",
	[CHANGE_TRUNCATE] = "truncate",
	[CHANGE_PUNCH] = "punch",
	[CHANGE_ZERO] = "zero",
	[CHANGE_EXTEND] = "extend",
	[CHANGE_RENAME] = "rename",
	[CHANGE_CLONE] = "clone",
	[CHANGE_UNLINK] = "unlink",
	[CHANGE_SYNC] = "sync",
};

void model_init(struct model *m)
{
	for (unsigned int i = 0; i < FILES; i++) {
		m->files[i] = (struct file){ .content = calloc(1, FILE_BYTES_MAX) };
		if (!m->files[i].content)
			die("no memory");
	}
}

static void file_copy(struct file *to, const struct file *from)
{
	uint32_t len = to->len > from->len ? to->len : from->len;

	memcpy(to->content, from->content, len);
	to->exists = from->exists;
	to->len = from->len;
}

void model_copy(struct model *to, const struct model *from)
{
	for (unsigned int i = 0; i < FILES; i++)
		file_copy(&to->files[i], &from->files[i]);
}

void fill_content(char *buf, uint32_t len, uint64_t fill)
{
	for (uint32_t at = 0; at < len; at += sizeof(fill)) {
		fill = fill * 6364136223846793005ULL + 1442695040888963407ULL;
		memcpy(buf + at, &fill, len - at < sizeof(fill) ? len - at : sizeof(fill));
	}
}

static void set_len(struct file *f, uint32_t len)
{
	if (len < f->len)
		memset(f->content + len, 0, f->len - len);
	f->len = len;
}

static void remove_file(struct file *f)
{
	set_len(f, 0);
	f->exists = false;
}

void model_change(struct model *m, const struct change *c)
{
	struct file *f = &m->files[c->file];
	uint32_t end = c->offset + c->len;

	switch ((enum change_kind)c->kind) {
	case CHANGE_CREATE:
		f->exists = true;
		break;
	case CHANGE_WRITE:
	case CHANGE_WRITE_DIRECT:
	case CHANGE_WRITE_DSYNC:
	case CHANGE_MMAP:
		fill_content(f->content + c->offset, c->len, c->fill);
		if (f->len < end)
			f->len = end;
		break;
	case CHANGE_TRUNCATE:
		set_len(f, c->offset);
		break;
	case CHANGE_PUNCH:
	case CHANGE_ZERO:
		memset(f->content + c->offset, 0, c->len);
		break;
	case CHANGE_EXTEND:
		if (f->len < end)
			f->len = end;
		break;
	case CHANGE_RENAME:
		file_copy(&m->files[c->other], f);
		remove_file(f);
		break;
	case CHANGE_CLONE:
		file_copy(&m->files[c->other], f);
		break;
	case CHANGE_UNLINK:
		remove_file(f);
		break;
	case CHANGE_SYNC:
	case CHANGES:
		break;
	}
}

static bool is_sensible(const struct model *m, const struct change *c, bool can_clone)
{
	const struct file *f = &m->files[c->file], *other = &m->files[c->other];

	if (c->kind == CHANGE_CREATE)
		return !f->exists;
	if (!f->exists)
		return false;
	if (c->kind == CHANGE_MMAP || c->kind == CHANGE_PUNCH || c->kind == CHANGE_ZERO)
		return c->offset + c->len <= f->len;
	if (c->kind == CHANGE_RENAME)
		return c->file != c->other;
	if (c->kind == CHANGE_CLONE)
		return can_clone && c->file != c->other && other->exists && f->len && other->len <= f->len;
	return true;
}

static enum change_kind draw_kind(uint64_t *dice)
{
	static const uint8_t weights[CHANGES] = {
		[CHANGE_CREATE] = 20, [CHANGE_WRITE] = 30, [CHANGE_WRITE_DIRECT] = 15,
		[CHANGE_WRITE_DSYNC] = 8, [CHANGE_MMAP] = 15, [CHANGE_TRUNCATE] = 6,
		[CHANGE_PUNCH] = 8, [CHANGE_ZERO] = 8, [CHANGE_EXTEND] = 3, [CHANGE_RENAME] = 4,
		[CHANGE_CLONE] = 6, [CHANGE_UNLINK] = 2, [CHANGE_SYNC] = 4,
	};
	unsigned int all = 0, hit;
	enum change_kind kind = 0;

	for (unsigned int i = 0; i < CHANGES; i++)
		all += weights[i];
	hit = (unsigned int)random_below(dice, all);
	while (hit >= weights[kind])
		hit -= weights[kind++];
	return kind;
}

struct change model_draw(const struct model *m, uint64_t *dice, bool can_clone)
{
	struct change c;

	do {
		uint32_t max = random_below(dice, 8) ? 24 << 10 : FILE_BYTES_MAX;

		c = (struct change){
			.kind = (uint8_t)draw_kind(dice),
			.file = (uint8_t)random_below(dice, FILES),
			.other = (uint8_t)random_below(dice, FILES),
			.offset = (uint32_t)random_below(dice, FILE_BYTES_MAX),
			.len = (uint32_t)random_below(dice, max) + 1,
			.fill = random_next(dice),
		};
		if (c.kind == CHANGE_WRITE_DIRECT) {
			c.offset &= ~(PAGE_BYTES - 1u);
			c.len = (c.len + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1u);
		}
		if (c.kind == CHANGE_MMAP) {
			c.offset &= ~7u;
			c.len = 8;
		}
		if (c.offset + c.len > FILE_BYTES_MAX)
			c.len = FILE_BYTES_MAX - c.offset;
	} while (!is_sensible(m, &c, can_clone));
	return c;
}
