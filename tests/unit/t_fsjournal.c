// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is it read from a superblock where a filesystem writes besides its own device?
 */
#include "unit.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "fsjournal.h"

/* As mke2fs and the kernel write it: little-endian, minors above 255 at the top. */
static void put_le32(uint8_t *block, size_t offset, uint32_t value)
{
	for (size_t i = 0; i < 4; i++)
		block[offset + i] = (uint8_t)(value >> (8 * i));
}

static void test_ext4(void **state)
{
	uint8_t block[FSJOURNAL_BLOCK_BYTES] = { 0 };
	struct fsjournal journal = { 0 };

	/* No journal, whatever the number says. */
	put_le32(block, 1024 + 92, 0x38);
	put_le32(block, 1024 + 228, 8 << 8 | 1);
	assert_int_equal(fsjournal_of_ext4(block, &journal), 0);
	assert_int_equal(journal.journal_key, 0);
	put_le32(block, 1024 + 92, 0x3c);
	assert_int_equal(fsjournal_of_ext4(block, &journal), 0);
	assert_int_equal(journal.journal_key, key_make(8, 1));
	put_le32(block, 1024 + 228, 0x12300000 | 259 << 8 | 0x45);
	assert_int_equal(fsjournal_of_ext4(block, &journal), 0);
	assert_int_equal(journal.journal_key, key_make(259, 0x12345));
	/* In a file of its own. */
	journal = (struct fsjournal){ 0 };
	put_le32(block, 1024 + 228, 0);
	put_le32(block, 1024 + 224, 8);
	assert_int_equal(fsjournal_of_ext4(block, &journal), 0);
	assert_int_equal(journal.journal_key, 0);
	/* One is somewhere. */
	put_le32(block, 1024 + 224, 0);
	assert_int_equal(fsjournal_of_ext4(block, &journal), -EOPNOTSUPP);
}

static void test_xfs(void **state)
{
	uint8_t block[FSJOURNAL_BLOCK_BYTES] = { 'X', 'F', 'S', 'B' };

	assert_true(fsjournal_xfs_has_other(block));
	block[48 + 7] = 1;
	assert_false(fsjournal_xfs_has_other(block));
	block[16 + 3] = 1;
	assert_true(fsjournal_xfs_has_other(block));
}

static void test_f2fs(void **state)
{
	uint8_t block[FSJOURNAL_BLOCK_BYTES] = { 0 };

	assert_false(fsjournal_f2fs_has_other(block));
	memcpy(block + 3225, "/dev/sdb", 8);
	assert_true(fsjournal_f2fs_has_other(block));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ext4),
		cmocka_unit_test(test_xfs),
		cmocka_unit_test(test_f2fs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
