// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does a picture of changes show all of them, and nothing else?
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "picture.h"

enum { KIB = 1024 };

static struct extent extents[8];

static struct changes make(uint64_t size_bytes, size_t nr)
{
	static char device[] = "/dev/x<&>";
	struct changes changes = {
		.device = device, .size_bytes = size_bytes, .granularity_bytes = 64 * KIB,
		.since = 5, .epoch = 9, .extents = extents, .nr = nr,
	};

	for (size_t i = 0; i < nr; i++)
		changes.changed_bytes += extents[i].length_bytes;
	return changes;
}

static uint64_t sum(const struct picture *p)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < p->nr; i++)
		bytes += p->cells[i].changed_bytes;
	return bytes;
}

/* Whatever the size, the grid holds it, and no byte is lost or counted twice. */
static void every_byte_has_a_cell(void **state)
{
	static const uint64_t sizes[] = { 512, 64 * KIB, 65 * KIB, 1ull << 20, (1ull << 20) + 512,
		64ull << 20, (1ull << 40) + 1536, 1ull << 50 };

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (unsigned int columns = 8; columns < 300; columns += 13) {
			struct changes changes;
			struct picture p;

			extents[0] = (struct extent) { 0, sizes[i] / 3 + 1, 7, false };
			extents[1] = (struct extent) { sizes[i] - 1, 1, 9, false };
			changes = make(sizes[i], 2);
			assert_int_equal(picture_make(&changes, columns, 16, &p), 0);
			assert_true(p.nr <= (size_t)columns * 16);
			assert_true(p.nr * p.cell_bytes >= sizes[i]);
			assert_true((p.nr - 1) * p.cell_bytes < sizes[i]);
			assert_int_equal(p.cell_bytes % (64 * KIB), 0);
			assert_int_equal(sum(&p), changes.changed_bytes);
			assert_int_equal(p.cells[p.nr - 1].epoch, 9);
			picture_done(&p);
		}
	}
}

/* One byte is not nothing, and all but one is not all. */
static void levels_do_not_lie(void **state)
{
	struct changes changes;
	struct picture p;

	(void)state;
	extents[0] = (struct extent) { 64 * KIB, 1, 0, false };
	extents[1] = (struct extent) { 128 * KIB, 64 * KIB - 1, 0, false };
	extents[2] = (struct extent) { 192 * KIB, 64 * KIB, 0, false };
	extents[3] = (struct extent) { 256 * KIB, 512, 0, false };
	changes = make(256 * KIB + 512, 4);	/* the last cell is short, and whole */
	assert_int_equal(picture_make(&changes, 8, 16, &p), 0);
	assert_int_equal(p.nr, 5);
	assert_int_equal(picture_level(&p, changes.size_bytes, 0, 4), 0);
	assert_int_equal(picture_level(&p, changes.size_bytes, 1, 4), 1);
	assert_int_equal(picture_level(&p, changes.size_bytes, 2, 4), 3);
	assert_int_equal(picture_level(&p, changes.size_bytes, 3, 4), 4);
	assert_int_equal(picture_level(&p, changes.size_bytes, 4, 4), 4);
	picture_done(&p);
}

static char *print(const struct changes *changes, unsigned int width, bool is_utf8, bool has_colour)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	assert_int_equal(picture_print(changes, f, width, is_utf8, has_colour), 0);
	fclose(f);
	return text;
}

static void it_fits_the_terminal(void **state)
{
	struct changes changes;
	char *text;

	(void)state;
	extents[0] = (struct extent) { 1ull << 30, 1ull << 30, 0, false };
	changes = make(64ull << 30, 1);
	for (unsigned int width = 20; width < 200; width += 7) {
		char *line, *rest;

		text = print(&changes, width, false, false);
		rest = text;
		strsep(&rest, "\n");		/* head and legend are sentences */
		while ((line = strsep(&rest, "\n")) && rest && *rest) {
			assert_true(strlen(line) <= width);
			assert_int_equal(strspn(line + 8, ".-+*#"), strlen(line) - 8);
		}
		free(text);
	}
	text = print(&changes, 80, false, false);
	assert_null(strchr(text, '\033'));
	for (const char *c = text; *c; c++)
		assert_true((unsigned char)*c < 0x80);
	free(text);
	text = print(&changes, 80, true, true);
	assert_non_null(strstr(text, "\u2588"));
	assert_non_null(strstr(text, "\033[0m\n"));
	free(text);
}

static void a_document_is_whole(void **state)
{
	struct changes changes;
	char *text = NULL, reason[] = "\"a\" < b & c\001";
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	(void)state;
	extents[0] = (struct extent) { 0, 64 * KIB, 9, false };
	changes = make(1ull << 20, 1);
	changes.uncertain = true;
	changes.reason = reason;
	assert_int_equal(picture_svg(&changes, f), 0);
	fclose(f);
	assert_non_null(strstr(text, "/dev/x&lt;&amp;&gt;"));
	assert_non_null(strstr(text, "&quot;a&quot; &lt; b &amp; c?"));
	assert_non_null(strstr(text, "<title>64K changed from 0B on</title>"));
	assert_string_equal(text + len - 7, "</svg>\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_byte_has_a_cell),
		cmocka_unit_test(levels_do_not_lie),
		cmocka_unit_test(it_fits_the_terminal),
		cmocka_unit_test(a_document_is_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
