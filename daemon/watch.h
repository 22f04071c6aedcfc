/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What has become of the disks since we last looked?
 */
#ifndef BPFSNAP_WATCH_H
#define BPFSNAP_WATCH_H

#include "tracker.h"

enum {
	WATCH_MS = 2000,	/* how often it is worth a look */
};

/**
 * watch_disks - tell of doubts that have arisen; histories that begin tell of themselves
 * @is_first: what is there has been there before
 *
 * Context: with the tracker's lock.
 */
void watch_disks(struct tracker *tracker, bool is_first);

#endif /* BPFSNAP_WATCH_H */
