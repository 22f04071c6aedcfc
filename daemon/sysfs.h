/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What does the kernel's tree of block devices say?
 *
 * Block devices are named by a key, as in the maps: major << 20 | minor.
 */
#ifndef BPFSNAP_SYSFS_H
#define BPFSNAP_SYSFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cleanup.h"

/** sysfs_root - "/sys"; tests put another tree here */
extern const char *sysfs_root;

/** struct keys - block devices, each once, in the order of their addition */
struct keys {
	uint32_t *items;
	size_t nr;
};

void keys_done(struct keys *keys);
bool keys_has(const struct keys *keys, uint32_t key);
/** keys_add - Return: 1 added, 0 was there, -ENOMEM */
int keys_add(struct keys *keys, uint32_t key);

static inline uint32_t key_make(unsigned int major, unsigned int minor)
{
	return (uint32_t)major << 20 | minor;
}

static inline unsigned int key_major(uint32_t key)
{
	return key >> 20;
}

static inline unsigned int key_minor(uint32_t key)
{
	return key & ((1u << 20) - 1);
}

/** key_of - from a dev_t as stat() has it */
uint32_t key_of(dev_t dev);

/** sysfs_path - a file below the directory of a block device */
void sysfs_path(uint32_t key, const char *file, char *ret_path, size_t room);

/** sysfs_has - is there such a file? */
bool sysfs_has(uint32_t key, const char *file);

/** sysfs_string - a file's first line. Return: 0 or -errno */
int sysfs_string(uint32_t key, const char *file, char *ret_text, size_t room);
int sysfs_u64(uint32_t key, const char *file, uint64_t *ret_value);

/** sysfs_dev - the key that a "dev" file holds */
int sysfs_dev(uint32_t key, const char *file, uint32_t *ret_key);

/**
 * sysfs_children - the devices that entries of a directory stand for
 * @dir: "holders", "slaves", or "" for the device's own directory
 * @mark: take only entries in which this file exists, or NULL
 *
 * Return: 0 or -errno; no such directory is an empty one.
 */
int sysfs_children(uint32_t key, const char *dir, const char *mark, struct keys *keys);

/** sysfs_disks - all whole disks whose name begins so, "loop" for loop devices */
int sysfs_disks(const char *prefix, struct keys *keys);

/** sysfs_name - "/dev/..." of a block device by the kernel's name. Return: 0 or -errno */
int sysfs_name(uint32_t key, char *ret_name, size_t room);

/** sysfs_is_called - by this name and a number, or a name as arrays may have (md_NAME)? */
bool sysfs_is_called(uint32_t key, const char *name);

#endif /* BPFSNAP_SYSFS_H */
