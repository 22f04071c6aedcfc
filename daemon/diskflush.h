/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How are a disk and what stands on it made to finish what they have taken?
 */
#ifndef BPFSNAP_DISKFLUSH_H
#define BPFSNAP_DISKFLUSH_H

#include <stdbool.h>
#include <stdint.h>

struct call;

/**
 * disk_flush - wait until all writes that were on their way before have ended
 * @disk_key: a whole disk
 * @timeout_ms: how long that may take, for each device that stands on it
 *
 * The device mapper shows some writes as in flight only when their target has sent them
 * on, but counts them for itself, and waits for them when it suspends a device; the
 * device's filesystem is frozen meanwhile.  A task that sends a write on to several
 * disks may sleep at one and have the others' with it: only the device above knows.
 *
 * Return: 0; -ETIMEDOUT; or -errno, also if somebody else has suspended a device.
 */
int disk_flush(uint32_t disk_key, unsigned int timeout_ms);

/**
 * disk_flush_mapped - the same for a device of the device mapper, as it is busy
 * @timeout_ms: how long that may take, for it and for each device mapped onto it
 * @is_frozen: filesystems are: freeze none, which might be one of these or stand on it
 * @call: for whom; once nobody waits any more, it ends
 *
 * Writes that come meanwhile wait until it is resumed.  That is left to a child of ours,
 * which goes on if we are killed.
 *
 * Return: 0; -ETIMEDOUT; -EBUSY if somebody else has suspended one of them; or -errno
 */
int disk_flush_mapped(uint32_t disk_key, unsigned int timeout_ms, bool is_frozen,
		      const struct call *call);

#endif /* BPFSNAP_DISKFLUSH_H */
