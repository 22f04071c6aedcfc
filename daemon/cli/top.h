/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What has happened between two looks at the daemon's metrics?
 */
#ifndef _BPFSNAP_CLI_TOP_H
#define _BPFSNAP_CLI_TOP_H

#include "cli.h"

/**
 * top_compute - rates and what follows from them
 * @before, @after: replies of GetMetrics
 * @passed_ns: between the two
 *
 * A rate of what was not there before, or of a counter that began anew, is null.
 *
 * Return: an object with the arrays
 *   devices    device, written_bytes_per_s, changed_bytes_per_s, writes_per_s,
 *              diverted_percent (of writes, that waited for a copy or a gate),
 *              epoch_changed_bytes, state
 *   writers    device, cgroup, path, written_bytes_per_s, writes_per_s; most first
 *   snapshots  snapshot, device, image, copied_bytes_per_s, memory_bytes, stored_bytes,
 *              room_bytes, full_in_ns (null if it does not fill), state
 */
struct json_object *top_compute(struct json_object *before, struct json_object *after,
				uint64_t passed_ns);

#endif /* _BPFSNAP_CLI_TOP_H */
