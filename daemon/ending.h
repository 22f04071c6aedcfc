/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How do snapshots end, whoever wants it?
 */
#ifndef BPFSNAP_ENDING_H
#define BPFSNAP_ENDING_H

#include "held.h"
#include "methods.h"

/**
 * ending_destroy - end a snapshot, and say so
 *
 * @force: although images are open
 *
 * What else could not be done, and is done later, is no error.
 *
 * Return: 0, -ENOENT, -EBUSY an image is open, or -errno.
 */
int ending_destroy(const char *snapshot, enum held_end why, bool force);

/** ending_begin - have those ended that nobody wants any more */
void ending_begin(struct daemon *daemon);

/** ending_finish - the same at once, when the workers are gone */
void ending_finish(void);

/** ending_is_held - does the module hold such a snapshot? Also if it does not tell */
bool ending_is_held(const char *snapshot);

#endif /* BPFSNAP_ENDING_H */
