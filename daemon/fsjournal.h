/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where does a filesystem write besides its own device?
 */
#ifndef BPFSNAP_FSJOURNAL_H
#define BPFSNAP_FSJOURNAL_H

#include "sysfs.h"

enum {
	FSJOURNAL_BLOCK_BYTES = 4096,	/* of a device, from its start: as much as is looked at */
};

/**
 * struct fsjournal - the other devices of a filesystem; 0 for none
 * @journal_key: of ext4 or XFS, which calls it the log
 * @realtime_key: of XFS, where it has realtime files
 */
struct fsjournal {
	uint32_t journal_key;
	uint32_t realtime_key;
};

/**
 * fsjournal_find - the other devices of the filesystem that is mounted from a device
 *
 * None where nothing is mounted from it, in whichever mount namespace.
 *
 * Return: 0 or -errno; -EOPNOTSUPP if it has some but does not tell which.
 */
int fsjournal_find(uint32_t key, struct fsjournal *ret_journal);

/** fsjournal_is_mounted - has the device one of those filesystems, in whichever namespace? */
bool fsjournal_is_mounted(uint32_t key);

/**
 * fsjournal_of_ext4 - what a superblock says
 * @block: the first FSJOURNAL_BLOCK_BYTES of the device
 */
int fsjournal_of_ext4(const uint8_t *block, struct fsjournal *ret_journal);

/** fsjournal_xfs_has_other - does a superblock say that there are other devices? */
bool fsjournal_xfs_has_other(const uint8_t *block);

/** fsjournal_f2fs_has_other - the same */
bool fsjournal_f2fs_has_other(const uint8_t *block);

#endif /* BPFSNAP_FSJOURNAL_H */
