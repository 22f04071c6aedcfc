/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How are a disk and what stands on it made to finish what they have taken?
 */
#ifndef BPFSNAP_DISKFLUSH_H
#define BPFSNAP_DISKFLUSH_H

#include <stdint.h>

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

#endif /* BPFSNAP_DISKFLUSH_H */
