/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which ways to change a disk can the tracking programs not see?
 */
#ifndef BPFSNAP_REACH_H
#define BPFSNAP_REACH_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/types.h>

#include "bpfsnap_track.h"

/**
 * struct reach - what matters of a disk
 * @diskseq: 0 where the kernel does not tell
 * @zone_sect: 0 if it has no zones
 * @takes_requests: on_issue sees all that is written to it
 * @can_count: the kernel counts what is in flight, or would with its queue/iostats 1
 * @counts_inflight: it does
 * @is_mapped: a device of the device mapper, which can be flushed
 * @has_resender: a driver stands on it that may send on bios as it got them
 * @needs_issue: a driver stands on it whose writes only on_issue sees for sure
 * @path_of: the multipath device that sends it requests, which pass no gate; 0 if there is none
 * @doubts: bits of enum bpfsnap_uncertain that its kind alone gives reason for
 * @text: these reasons as sentences; empty if there are none
 */
struct reach {
	uint64_t diskseq;
	uint32_t zone_sect;
	enum bpfsnap_transport transport;
	bool takes_requests;
	bool can_count;
	bool counts_inflight;
	bool is_mapped;
	bool has_resender;
	bool needs_issue;
	uint32_t path_of;
	uint32_t doubts;
	char text[512];
};

/**
 * reach_look - what sysfs tells of a whole disk
 * @is_gated: the module shows every bio of it
 */
void reach_look(uint32_t disk_key, bool is_gated, struct reach *ret_reach);

/**
 * reach_inflight - what is in flight to a disk, as the kernel counts
 *
 * What waits for a request is not counted; it does while others have them, reads or writes.
 *
 * Return: 0 or -errno
 */
int reach_inflight(uint32_t disk_key, uint64_t *ret_reads, uint64_t *ret_writes);

/**
 * reach_keeps_back - why a disk may have been given writes that it does not count as in flight
 *
 * Return: a part of a sentence, or NULL
 */
const char *reach_keeps_back(uint32_t disk_key);

#endif /* BPFSNAP_REACH_H */
