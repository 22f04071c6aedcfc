// SPDX-License-Identifier: GPL-2.0-only
/*
 * In which shapes of other tools can a change list be had?
 */
#include <inttypes.h>
#include <stdio.h>

#include "changes.h"

static void print_range(const char **separator, uint64_t start_bytes, uint64_t length_bytes,
			bool changed, bool discarded)
{
	if (!length_bytes)
		return;
	printf("%s{ \"start\": %" PRIu64 ", \"length\": %" PRIu64 ", \"depth\": 0, "
	       "\"present\": %s, \"zero\": %s, \"data\": %s, \"compressed\": false",
	       *separator, start_bytes, length_bytes, changed ? "true" : "false",
	       discarded ? "true" : "false", changed && !discarded ? "true" : "false");
	if (changed && !discarded)
		printf(", \"offset\": %" PRIu64, start_bytes);
	printf(" }");
	*separator = ",\n";
}

void changes_print_map(const struct changes *changes)
{
	const char *separator = "[";
	uint64_t at_bytes = 0;

	for (size_t i = 0; i < changes->nr; i++) {
		const struct extent *e = &changes->extents[i];

		print_range(&separator, at_bytes, e->offset_bytes - at_bytes, false, false);
		print_range(&separator, e->offset_bytes, e->length_bytes, true, e->discarded);
		at_bytes = e->offset_bytes + e->length_bytes;
	}
	print_range(&separator, at_bytes, changes->size_bytes - at_bytes, false, false);
	printf("%s]\n", *separator == '[' ? "[" : "");
}

/* Blocks as large as all offsets and lengths allow; only the end of the device may be ragged. */
static uint64_t block_bytes(const struct changes *changes)
{
	uint64_t bytes = changes->granularity_bytes;

	for (size_t i = 0; i < changes->nr; i++) {
		const struct extent *e = &changes->extents[i];
		uint64_t end = e->offset_bytes + e->length_bytes;

		while (bytes > 512 && (e->offset_bytes % bytes ||
				       (end % bytes && end != changes->size_bytes)))
			bytes /= 2;
	}
	return bytes;
}

/* Version 1.2 of the format is the last one without checksums, and read by all. */
void changes_print_bmap(const struct changes *changes)
{
	uint64_t bytes = block_bytes(changes), nr_mapped = 0;

	for (size_t i = 0; i < changes->nr; i++)
		nr_mapped += (changes->extents[i].length_bytes + bytes - 1) / bytes;
	printf("<?xml version=\"1.0\" ?>\n"
	       "<bmap version=\"1.2\">\n"
	       "  <ImageSize> %" PRIu64 " </ImageSize>\n"
	       "  <BlockSize> %" PRIu64 " </BlockSize>\n"
	       "  <BlocksCount> %" PRIu64 " </BlocksCount>\n"
	       "  <MappedBlocksCount> %" PRIu64 " </MappedBlocksCount>\n"
	       "  <BlockMap>\n",
	       changes->size_bytes, bytes, (changes->size_bytes + bytes - 1) / bytes, nr_mapped);
	for (size_t i = 0; i < changes->nr; i++) {
		const struct extent *e = &changes->extents[i];
		uint64_t first = e->offset_bytes / bytes;
		uint64_t last = (e->offset_bytes + e->length_bytes - 1) / bytes;

		if (first == last)
			printf("    <Range> %" PRIu64 " </Range>\n", first);
		else
			printf("    <Range> %" PRIu64 "-%" PRIu64 " </Range>\n", first, last);
	}
	printf("  </BlockMap>\n</bmap>\n");
}
