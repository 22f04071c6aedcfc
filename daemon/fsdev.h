/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which block devices does the filesystem of a file use?
 */
#ifndef BPFSNAP_FSDEV_H
#define BPFSNAP_FSDEV_H

#include "sysfs.h"

/**
 * fsdev_of_path - the devices of a path's filesystem
 * @ret_type: name of the filesystem's type, for messages; may be NULL
 *
 * None for a filesystem in memory.
 *
 * Return: 0 or -errno; -EOPNOTSUPP for a filesystem that doesn't tell (network, overlay).
 */
int fsdev_of_path(const char *path, struct keys *ret_keys, char *ret_type, size_t room);

/** fsdev_of_number - the same, by the number that stat() shows for its files */
int fsdev_of_number(unsigned int major_nr, unsigned int minor_nr, struct keys *ret_keys);

/** fsdev_of_btrfs - all devices of one, by the name of any; -EOPNOTSUPP if it is no device's */
int fsdev_of_btrfs(const char *source, struct keys *ret_keys);

/** fsdev_of_loop - the devices of the filesystem that a loop device's file is on */
int fsdev_of_loop(uint32_t loop_key, struct keys *ret_keys);

/** fsdev_is_loop - is this a loop device that has a file? */
bool fsdev_is_loop(uint32_t key);

#endif /* BPFSNAP_FSDEV_H */
