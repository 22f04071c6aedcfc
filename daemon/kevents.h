/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What does the kernel module tell of by itself?
 *
 * Its control device is open as long as a disk is attached, which keeps the module loaded
 * anyway; without one, an open handle would.
 */
#ifndef BPFSNAP_KEVENTS_H
#define BPFSNAP_KEVENTS_H

#include <stdint.h>

/** kevents_update - open or close it. Return: the handle to wait for, or -1; may change */
int kevents_update(void);

/** kevents_read - pass on what is there */
void kevents_read(void);

void kevents_close(void);

/** kevents_failure - the name of one of enum bpfsnap_failure, as clients see it */
const char *kevents_failure(uint32_t failure);

#endif /* BPFSNAP_KEVENTS_H */
