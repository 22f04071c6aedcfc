/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where does a device change, as a picture?
 */
#ifndef _BPFSNAP_CLI_PICTURE_H
#define _BPFSNAP_CLI_PICTURE_H

#include <stdio.h>

#include "changes.h"

/**
 * struct cell - an equal part of the device
 * @changed_bytes: of it
 * @epoch: the last in which some of it changed, 0 if that is not known
 */
struct cell {
	uint64_t changed_bytes;
	uint64_t epoch;
};

/**
 * struct picture - a device as a grid of cells, row by row
 * @cell_bytes: of each but the last, which may be shorter
 * @nr_columns: of a row
 * @cells, @nr: of the device
 */
struct picture {
	uint64_t cell_bytes;
	unsigned int nr_columns;
	struct cell *cells;
	size_t nr;
};

void picture_done(struct picture *picture);

/**
 * picture_make - cut a device into cells
 * @nr_columns, @max_rows: of the grid
 *
 * Cells are as large as it takes, a power of two of tracked blocks.  Return: 0 or -ENOMEM.
 */
int picture_make(const struct changes *changes, unsigned int nr_columns, unsigned int max_rows,
		 struct picture *ret);

/* How much of a cell has changed: 0 nothing, 1 to @max something; only what is whole is @max. */
unsigned int picture_level(const struct picture *picture, uint64_t size_bytes, size_t cell,
			   unsigned int max);

/**
 * picture_print - for a terminal
 * @width: of it, in columns
 * @is_utf8: use characters beyond ASCII
 * @has_colour: use escape sequences
 *
 * Return: 0 or -ENOMEM.
 */
int picture_print(const struct changes *changes, FILE *f, unsigned int width, bool is_utf8,
		  bool has_colour);

/* The same as a document of SVG: 0 or -ENOMEM.  Whether it could be written, @f knows. */
int picture_svg(const struct changes *changes, FILE *f);

#endif /* _BPFSNAP_CLI_PICTURE_H */
