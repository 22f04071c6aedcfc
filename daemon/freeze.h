/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How are filesystems frozen without the module, and thawed whatever happens to us?
 */
#ifndef BPFSNAP_FREEZE_H
#define BPFSNAP_FREEZE_H

#include <stdint.h>

#include "reasons.h"
#include "sysfs.h"

struct freeze_shared;

/**
 * struct freeze - filesystems that are frozen
 * @fds: of their mount points
 * @keys: the devices that they are on
 * @watch_fd: what the watchdog listens to; -1 if there is none
 * @watch_pid: of the watchdog
 * @shared: what it must know, and tells
 */
struct freeze {
	int *fds;
	size_t nr;
	struct keys keys;
	int watch_fd;
	int watch_pid;
	struct freeze_shared *shared;
};

/**
 * freeze_begin - freeze the mounted filesystems of some devices
 * @keys: the devices, top of the stack first
 * @timeout_ms: after this a child process thaws them, and also if this process dies
 * @ret_freeze: to be ended by freeze_end(), also after an error
 *
 * Those that are mounted as this process sees it, which may be none: see freeze_look().
 *
 * Errors: FreezeFailed, also if none of a filesystem's mount points can be opened.
 */
int freeze_begin(const struct keys *keys, uint32_t timeout_ms, struct freeze *ret_freeze,
		 struct fault *fault);

/**
 * enum freeze_found - which filesystems a freeze has found on a device, later ones prevail
 * @FREEZE_FOUND_OTHERS: something else stands there besides, may be written to by others, or
 *	a driver that writes of its own accord
 * @FREEZE_FOUND_HIDDEN: there is another one, mounted where this process does not see it
 */
enum freeze_found {
	FREEZE_FOUND_NONE,
	FREEZE_FOUND,
	FREEZE_FOUND_OTHERS,
	FREEZE_FOUND_HIDDEN,
};

/**
 * freeze_look - do filesystems that were frozen stand for those who write to a device?
 *
 * On itself, its partitions, and what holds these.  Not on loop devices: what is written to
 * them is written by the filesystem of their file.
 */
enum freeze_found freeze_look(const struct freeze *freeze, uint32_t key);

/** freeze_sync - write back what is dirty on them, so that freezing takes little time; best effort */
void freeze_sync(const struct keys *keys);

/**
 * freeze_end - thaw them
 * @timeout_ms: that they had
 *
 * Errors: FreezeFailed, if they were thawed before: since their time was over, or by somebody else
 */
int freeze_end(struct freeze *freeze, uint32_t timeout_ms, struct fault *fault);

#endif /* BPFSNAP_FREEZE_H */
