// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where does a device change, as a picture?
 *
 * A cell in which anything has changed never looks like one in which nothing has, and
 * one that is not whole never like one that is.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "output.h"
#include "picture.h"

enum {
	GUTTER_COLUMNS	= 8,	/* for the offset of a row */
	PRINT_ROWS	= 16,
	PRINT_COLUMNS_MIN = 8,
	LEVELS		= 4,
	SVG_COLUMNS	= 128,
	SVG_ROWS	= 64,
	SVG_CELL	= 7,	/* pixels, with the gap */
	SVG_MARGIN	= 72,
	SVG_TOP		= 56,
	SVG_AGES	= 8,
};

void picture_done(struct picture *picture)
{
	free(picture->cells);
	*picture = (struct picture) {};
}

static void add_extent(struct picture *picture, const struct extent *e)
{
	uint64_t at = e->offset_bytes, end = e->offset_bytes + e->length_bytes;

	while (at < end) {
		size_t i = at / picture->cell_bytes;
		uint64_t stop = (i + 1) * picture->cell_bytes;
		struct cell *cell = &picture->cells[i];

		stop = stop < end ? stop : end;
		cell->changed_bytes += stop - at;
		if (e->epoch > cell->epoch)
			cell->epoch = e->epoch;
		at = stop;
	}
}

int picture_make(const struct changes *changes, unsigned int nr_columns, unsigned int max_rows,
		 struct picture *ret)
{
	struct picture picture = { .nr_columns = nr_columns };

	picture.cell_bytes = changes->granularity_bytes ?: 1;
	while (changes->size_bytes > picture.cell_bytes * nr_columns * max_rows)
		picture.cell_bytes *= 2;
	picture.nr = (changes->size_bytes + picture.cell_bytes - 1) / picture.cell_bytes;
	picture.cells = calloc(picture.nr ?: 1, sizeof(*picture.cells));
	if (!picture.cells)
		return -ENOMEM;
	for (size_t i = 0; i < changes->nr; i++)
		add_extent(&picture, &changes->extents[i]);
	*ret = picture;
	return 0;
}

static uint64_t bytes_of(const struct picture *picture, uint64_t size_bytes, size_t cell)
{
	uint64_t left = size_bytes - cell * picture->cell_bytes;

	return left < picture->cell_bytes ? left : picture->cell_bytes;
}

unsigned int picture_level(const struct picture *picture, uint64_t size_bytes, size_t cell,
			   unsigned int max)
{
	uint64_t changed = picture->cells[cell].changed_bytes;
	uint64_t whole = bytes_of(picture, size_bytes, cell);

	if (!changed)
		return 0;
	if (changed >= whole)
		return max;
	return 1 + (unsigned int)((double)changed / (double)whole * (max - 1));
}

static void print_head(const struct changes *changes, FILE *f)
{
	char changed[32], size[32];

	human_size(changed, sizeof(changed), changes->changed_bytes);
	human_size(size, sizeof(size), changes->size_bytes);
	fprintf(f, "%s since epoch %" PRIu64 ": %s of %s changed (%.2g %%)%s",
		changes->device, changes->since, changed, size,
		100.0 * changes->changed_bytes / (changes->size_bytes ?: 1),
		changes->uncertain ? ", uncertain" : "");
}

static const char *const glyphs[2][LEVELS + 1] = {
	{ ".", "-", "+", "*", "#" },
	{ "\u00b7", "\u2591", "\u2592", "\u2593", "\u2588" },
};

static const int colours[LEVELS + 1] = { 240, 228, 221, 208, 196 };

static void print_cell(FILE *f, unsigned int level, bool is_utf8, bool has_colour,
		       unsigned int *shown_level)
{
	if (has_colour && level != *shown_level) {
		fprintf(f, "\033[38;5;%dm", colours[level]);
		*shown_level = level;
	}
	fputs(glyphs[is_utf8][level], f);
}

int picture_print(const struct changes *changes, FILE *f, unsigned int width, bool is_utf8,
		  bool has_colour)
{
	_cleanup_(picture_done) struct picture picture = {};
	unsigned int nr_columns = width > GUTTER_COLUMNS + PRINT_COLUMNS_MIN ?
				  width - GUTTER_COLUMNS : PRINT_COLUMNS_MIN;
	char cell[32];
	int r = picture_make(changes, nr_columns, PRINT_ROWS, &picture);

	if (r < 0)
		return r;
	print_head(changes, f);
	fputc('\n', f);
	for (size_t i = 0; i < picture.nr; i += nr_columns) {
		unsigned int shown_level = UINT32_MAX;
		char offset[32];

		human_size(offset, sizeof(offset), i * picture.cell_bytes);
		fprintf(f, "%*s ", GUTTER_COLUMNS - 1, offset);
		for (size_t c = i; c < i + nr_columns && c < picture.nr; c++)
			print_cell(f, picture_level(&picture, changes->size_bytes, c, LEVELS),
				   is_utf8, has_colour, &shown_level);
		fputs(has_colour ? "\033[0m\n" : "\n", f);
	}
	human_size(cell, sizeof(cell), picture.cell_bytes);
	fprintf(f, "%*s a cell is %s: %s nothing %s%s%s some %s all\n", GUTTER_COLUMNS - 1, "", cell,
		glyphs[is_utf8][0], glyphs[is_utf8][1], glyphs[is_utf8][2], glyphs[is_utf8][3],
		glyphs[is_utf8][LEVELS]);
	return 0;
}

static void print_xml(FILE *f, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '&':
			fputs("&amp;", f);
			break;
		case '<':
			fputs("&lt;", f);
			break;
		case '>':
			fputs("&gt;", f);
			break;
		case '"':
			fputs("&quot;", f);
			break;
		default:
			/* what XML can't hold; a tab it could, but nobody means one here */
			fputc((unsigned char)*text < ' ' ? '?' : *text, f);
		}
	}
}

/* 0: in the latest epoch, SVG_AGES - 1: that long ago or longer. */
static unsigned int age_of(const struct changes *changes, const struct cell *cell)
{
	uint64_t age = cell->epoch && changes->epoch > cell->epoch ? changes->epoch - cell->epoch : 0;

	return age < SVG_AGES ? (unsigned int)age : SVG_AGES - 1;
}

/* Warm is new, cold is old; pale is little, strong is much. */
static void print_colour(FILE *f, unsigned int age, unsigned int level)
{
	fprintf(f, "hsl(%u,85%%,%u%%)", age * 230 / (SVG_AGES - 1), 88 - level * 10);
}

static bool same_look(const struct changes *changes, const struct picture *p, size_t a, size_t b)
{
	unsigned int level = picture_level(p, changes->size_bytes, a, LEVELS);

	return level == picture_level(p, changes->size_bytes, b, LEVELS) &&
	       (!level || age_of(changes, &p->cells[a]) == age_of(changes, &p->cells[b]));
}

/* Neighbours that look the same are one shape: a picture of a disk stays small. */
static size_t print_run(const struct changes *changes, const struct picture *p, FILE *f, size_t first)
{
	size_t row = first / p->nr_columns, end = first + 1;
	unsigned int level = picture_level(p, changes->size_bytes, first, LEVELS);
	uint64_t changed = p->cells[first].changed_bytes;
	char offset[32], size[32];

	while (end < p->nr && end / p->nr_columns == row && same_look(changes, p, first, end))
		changed += p->cells[end++].changed_bytes;
	if (!level)
		return end;
	human_size(offset, sizeof(offset), first * p->cell_bytes);
	human_size(size, sizeof(size), changed);
	fprintf(f, "<rect x=\"%zu\" y=\"%zu\" width=\"%zu\" height=\"%d\" fill=\"",
		SVG_MARGIN + first % p->nr_columns * SVG_CELL, SVG_TOP + row * SVG_CELL,
		(end - first) * SVG_CELL - 1, SVG_CELL - 1);
	print_colour(f, age_of(changes, &p->cells[first]), level);
	fprintf(f, "\"><title>%s changed from %s on</title></rect>\n", size, offset);
	return end;
}

static void print_row_names(const struct picture *p, FILE *f)
{
	size_t nr_rows = (p->nr + p->nr_columns - 1) / p->nr_columns;

	for (size_t row = 0; row < nr_rows; row += 4) {
		char offset[32];

		human_size(offset, sizeof(offset), row * p->nr_columns * p->cell_bytes);
		fprintf(f, "<text x=\"%d\" y=\"%zu\" text-anchor=\"end\">%s</text>\n",
			SVG_MARGIN - 6, SVG_TOP + row * SVG_CELL + SVG_CELL - 1, offset);
	}
}

static void print_legend(const struct changes *changes, const struct picture *p, FILE *f, size_t y)
{
	bool has_ages = changes->nr && changes->extents[0].epoch;
	char cell[32];

	human_size(cell, sizeof(cell), p->cell_bytes);
	for (unsigned int level = 1; level <= LEVELS; level++) {
		fprintf(f, "<rect x=\"%u\" y=\"%zu\" width=\"%d\" height=\"%d\" fill=\"",
			SVG_MARGIN + level * SVG_CELL * 2, y, SVG_CELL * 2 - 1, SVG_CELL + 2);
		print_colour(f, 0, level);
		fputs("\"/>\n", f);
	}
	fprintf(f, "<text x=\"%d\" y=\"%zu\">a little to all of a cell of %s</text>\n",
		SVG_MARGIN + (LEVELS + 2) * SVG_CELL * 2, y + SVG_CELL + 1, cell);
	for (unsigned int age = 0; has_ages && age < SVG_AGES; age++) {
		fprintf(f, "<rect x=\"%u\" y=\"%zu\" width=\"%d\" height=\"%d\" fill=\"",
			SVG_MARGIN + 300 + age * SVG_CELL * 2, y, SVG_CELL * 2 - 1, SVG_CELL + 2);
		print_colour(f, age, LEVELS - 1);
		fputs("\"/>\n", f);
	}
	if (has_ages)
		fprintf(f, "<text x=\"%d\" y=\"%zu\">in the latest epoch to %d epochs ago or more"
			"</text>\n", SVG_MARGIN + 300 + (SVG_AGES + 1) * SVG_CELL * 2,
			y + SVG_CELL + 1, SVG_AGES - 1);
}

int picture_svg(const struct changes *changes, FILE *f)
{
	_cleanup_(picture_done) struct picture p = {};
	_cleanup_free_ char *head = NULL;
	size_t nr_rows, head_len = 0;
	FILE *memory;
	int r = picture_make(changes, SVG_COLUMNS, SVG_ROWS, &p);

	if (r < 0)
		return r;
	memory = open_memstream(&head, &head_len);
	if (!memory)
		return -ENOMEM;
	print_head(changes, memory);
	if (fclose(memory) != 0)
		return -ENOMEM;
	nr_rows = (p.nr + p.nr_columns - 1) / p.nr_columns;
	fprintf(f, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%zu\" "
		"font-family=\"sans-serif\" font-size=\"10\">\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n<title>",
		SVG_MARGIN + SVG_COLUMNS * SVG_CELL + 16, SVG_TOP + nr_rows * SVG_CELL + 40);
	print_xml(f, head);
	fputs("</title>\n<text x=\"16\" y=\"24\" font-size=\"14\">", f);
	print_xml(f, head);
	fputs("</text>\n", f);
	if (changes->uncertain) {
		fputs("<text x=\"16\" y=\"42\" fill=\"#b00\">The list may lack writes: ", f);
		print_xml(f, changes->reason ?: "no reason given");
		fputs("</text>\n", f);
	}
	for (size_t row = 0; row < nr_rows; row++) {
		size_t nr = p.nr - row * p.nr_columns;

		nr = nr < p.nr_columns ? nr : p.nr_columns;
		fprintf(f, "<rect x=\"%d\" y=\"%zu\" width=\"%zu\" height=\"%d\" fill=\"#eee\"/>\n",
			SVG_MARGIN, SVG_TOP + row * SVG_CELL, nr * SVG_CELL - 1, SVG_CELL - 1);
	}
	for (size_t i = 0; i < p.nr;)
		i = print_run(changes, &p, f, i);
	print_row_names(&p, f);
	print_legend(changes, &p, f, SVG_TOP + nr_rows * SVG_CELL + 14);
	fputs("</svg>\n", f);
	return 0;
}
