/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which range of which disk does a device's path mean?
 */
#ifndef BPFSNAP_DEVICE_H
#define BPFSNAP_DEVICE_H

#include "reasons.h"
#include "sysfs.h"

enum {
	DEVICE_NAME_MAX = 64,
};

/**
 * struct device - a disk or a partition
 * @key: its number
 * @disk_key: of the whole disk; equal to @key if it is one
 * @start_sect: its first sector on the disk
 * @nr_sect: its length
 * @disk_nr_sect: of the whole disk
 * @name: /dev/..., the kernel's name
 * @disk_name: of the whole disk
 */
struct device {
	uint32_t key;
	uint32_t disk_key;
	uint64_t start_sect;
	uint64_t nr_sect;
	uint64_t disk_nr_sect;
	char name[DEVICE_NAME_MAX];
	char disk_name[DEVICE_NAME_MAX];
};

/** device_get - what sysfs knows of a number. Return: 0 or -errno */
int device_get(uint32_t key, struct device *ret_device);

/**
 * device_resolve_below - from here on, in this thread: are paths looked up below /dev only?
 *
 * For callers who are not root: they could learn what there is elsewhere, or send us to where a
 * lookup has no end.
 */
void device_resolve_below(bool is_below);

/** device_resolve - what a path means: DeviceNotFound, DeviceUnsupported */
int device_resolve(const char *path, struct device *ret_device, struct fault *fault);

/**
 * device_at - the device that a range of a disk is
 *
 * The disk itself, or the partition with just this range; if the partition table
 * was changed meanwhile the name tells the sectors: "/dev/vda[2048+4096]".
 */
void device_at(uint32_t disk_key, uint64_t start_sect, uint64_t nr_sect,
	       struct device *ret_device);

/** device_name - of a number; "major:minor" if there is none any more */
const char *device_name(uint32_t key, char *buf, size_t room);

#endif /* BPFSNAP_DEVICE_H */
