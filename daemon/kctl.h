/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How is the module asked?  One function for each ioctl of its control device.
 *
 * The device is opened for each call: an open one would keep the module loaded.
 * All return 0 or −errno; -ENOENT and -ENXIO are an absent module.
 */
#ifndef BPFSNAP_KCTL_H
#define BPFSNAP_KCTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "uapi/bpfsnap.h"

/** kctl_exists - is there a control device? */
bool kctl_exists(void);
int kctl_version(struct bpfsnap_ioc_version *ret_version);
int kctl_attach(uint32_t disk_key, uint32_t timeout_ms);
int kctl_detach(uint32_t disk_key);
int kctl_origins(struct bpfsnap_origin_info **ret_items, size_t *ret_nr);
/** kctl_find_origin - of the disk that has the number now; NULL if there is no gate before it. */
const struct bpfsnap_origin_info *kctl_find_origin(const struct bpfsnap_origin_info *origins,
						   size_t nr, uint32_t disk_key);
/** kctl_has_gate - the same, asked of the module. */
bool kctl_has_gate(uint32_t disk_key);
int kctl_snap_create(struct bpfsnap_ioc_snap_create *create);
int kctl_snap_extend(const struct bpfsnap_ioc_snap_extend *extend);
int kctl_snap_destroy(const uint8_t id[16], bool force);
int kctl_snapshots(struct bpfsnap_snap_info **ret_items, size_t *ret_nr);

#endif /* BPFSNAP_KCTL_H */
