/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where may old content go?
 */
#ifndef BPFSNAP_STORAGE_H
#define BPFSNAP_STORAGE_H

#include "snapshot.h"

/**
 * storage_check - can the old content of a snapshot go where it was asked to go?
 * @plan: its request says where; storage_kind is set
 *
 * Errors: StorageUnsuitable.
 */
int storage_check(struct snapshot_plan *plan, struct fault *fault);

/** storage_open - Return: a descriptor; or -errno, StorageUnsuitable */
int storage_open(const struct snapshot_plan *plan, struct fault *fault);

#endif /* BPFSNAP_STORAGE_H */
