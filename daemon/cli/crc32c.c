// SPDX-License-Identifier: GPL-2.0-only
/*
 * Has content changed on a disk that should have kept it?
 *
 * Reflected polynomial 0x82f63b78.  Eight bytes at a time by eight tables; where the
 * processor has an instruction for just this, by that.
 */
#include <stdbool.h>
#include <string.h>

#include "crc32c.h"

enum { TABLES = 8 };

static uint32_t tables[TABLES][256];

__attribute__((constructor))
static void make_tables(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t crc = i;

		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
		tables[0][i] = crc;
	}
	for (int t = 1; t < TABLES; t++)
		for (uint32_t i = 0; i < 256; i++)
			tables[t][i] = tables[t - 1][i] >> 8 ^ tables[0][tables[t - 1][i] & 0xff];
}

static uint32_t byte_by_byte(uint32_t crc, const unsigned char *data, size_t length)
{
	while (length--)
		crc = crc >> 8 ^ tables[0][(crc ^ *data++) & 0xff];
	return crc;
}

uint32_t crc32c_plain(uint32_t crc, const void *data, size_t length)
{
	const unsigned char *at = data;

	crc = ~crc;
	for (; length >= TABLES; at += TABLES, length -= TABLES) {
		uint32_t low = crc ^ (at[0] | at[1] << 8 | at[2] << 16 | (uint32_t)at[3] << 24);

		crc = tables[7][low & 0xff] ^ tables[6][low >> 8 & 0xff] ^
		      tables[5][low >> 16 & 0xff] ^ tables[4][low >> 24] ^
		      tables[3][at[4]] ^ tables[2][at[5]] ^ tables[1][at[6]] ^ tables[0][at[7]];
	}
	return ~byte_by_byte(crc, at, length);
}

#ifdef __x86_64__
__attribute__((target("sse4.2")))
static uint32_t by_instruction(uint32_t crc, const unsigned char *data, size_t length)
{
	uint64_t sum = ~crc;

	for (; length >= sizeof(uint64_t); data += sizeof(uint64_t), length -= sizeof(uint64_t)) {
		uint64_t word;

		memcpy(&word, data, sizeof(word));
		sum = __builtin_ia32_crc32di(sum, word);
	}
	return ~byte_by_byte((uint32_t)sum, data, length);
}
#endif

uint32_t crc32c(uint32_t crc, const void *data, size_t length)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("sse4.2"))
		return by_instruction(crc, data, length);
#endif
	return crc32c_plain(crc, data, length);
}
