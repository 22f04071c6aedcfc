/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is mounted, as this process sees it?
 */
#ifndef BPFSNAP_MOUNTS_H
#define BPFSNAP_MOUNTS_H

#include <libmount.h>

/** mounts_read - to be given back with mounts_putp; NULL if there is no memory for it. */
static inline struct libmnt_table *mounts_read(void)
{
	return mnt_new_table_from_file("/proc/self/mountinfo");
}

static inline void mounts_putp(struct libmnt_table **table)
{
	mnt_unref_table(*table);
}

#endif /* BPFSNAP_MOUNTS_H */
