/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is a device of the device mapper made of?
 */
#ifndef BPFSNAP_DMTABLE_H
#define BPFSNAP_DMTABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * dmtable_is_of - are all of its targets of one of these kinds?
 * @disk_key: a device of the device mapper
 * @kinds: as the device mapper calls them: "linear", "striped"
 *
 * Not if that can't be told.
 */
bool dmtable_is_of(uint32_t disk_key, const char *const *kinds, size_t nr);

#endif /* BPFSNAP_DMTABLE_H */
