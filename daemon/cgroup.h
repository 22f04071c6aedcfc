/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which directory is a cgroup, of which the programs know the number?
 */
#ifndef BPFSNAP_CGROUP_H
#define BPFSNAP_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** cgroup_path - Return: false if it is gone, or @cgroup is 0 */
bool cgroup_path(uint64_t cgroup, char *ret_path, size_t room);

#endif /* BPFSNAP_CGROUP_H */
