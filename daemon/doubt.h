/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Why might a disk's change list lack writes?
 */
#ifndef BPFSNAP_DOUBT_H
#define BPFSNAP_DOUBT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/types.h>

#include "bpfsnap_track.h"

/**
 * struct doubt_facts - what is known of how a disk is tracked
 * @device: its entry, with the doubts that arose; NULL if there is none
 * @since: of interest are doubts of later epochs; -1 for all
 * @boot_offset_ns: wall clock minus CLOCK_BOOTTIME
 * @reach: what the disk's kind gives reason for, as sentences, or NULL
 * @has: the programs that see writes, by channel, are attached
 * @has_switch: on_switch is attached
 * @is_gated: the module has a gate before the disk
 */
struct doubt_facts {
	const struct bpfsnap_device *device;
	int64_t since;
	int64_t boot_offset_ns;
	const char *reach;
	bool has[BPFSNAP_CHANNEL_NR];
	bool has_switch;
	bool is_gated;
};

/** doubt_text - Return: whether there is a doubt, with the sentences in @ret_text */
bool doubt_text(const struct doubt_facts *facts, char *ret_text, size_t room);

/** doubt_one - a doubt that arose, as a sentence with time, command and number */
void doubt_one(const struct bpfsnap_device *device, enum bpfsnap_doubt_reason reason,
	       int64_t boot_offset_ns, char *ret_text, size_t room);

/** doubt_name - of a reason, for programs: "passthrough" */
const char *doubt_name(enum bpfsnap_doubt_reason reason);

/**
 * struct doubt_misses - how often the kernel skipped programs, by channel
 * @before: when it was last certain that no write was missed
 * @now: read first
 * @again: read after that
 */
struct doubt_misses {
	uint64_t before[BPFSNAP_CHANNEL_NR];
	uint64_t now[BPFSNAP_CHANNEL_NR];
	uint64_t again[BPFSNAP_CHANNEL_NR];
};

/**
 * struct doubt_disk - which programs a disk's writes are shown to
 * @is_gated: on_write sees all of them
 * @takes_requests: on_issue sees all of them
 * @has_resender: some may be shown to on_remap and on_issue only
 * @needs_issue: some may be shown to on_issue only
 * @is_settled: no write still is in flight that was at the last boundary, or when misses
 *              began to count
 */
struct doubt_disk {
	bool is_gated;
	bool takes_requests;
	bool has_resender;
	bool needs_issue;
	bool is_settled;
};

/**
 * doubt_missed - may a write have been missed by all?
 *
 * A write was seen if one program that it is shown to, in the epoch that counts, was
 * never skipped.
 */
bool doubt_missed(const struct doubt_misses *misses, const struct doubt_disk *disk);

/**
 * doubt_forgives - may be forgotten what was skipped until a while ago?
 * @is_idle: nothing is in flight
 *
 * If nothing has been missed since, and no write is on its way that one program was skipped
 * for before, and another one may be after.
 */
bool doubt_forgives(const struct doubt_disk *disk, bool is_idle);

/** doubt_counts - did gate and program count the same? Return and text as doubt_text() */
bool doubt_counts(uint64_t gate_bios, uint64_t gate_sect, uint64_t track_bios,
		  uint64_t track_sect, char *ret_text, size_t room);

#endif /* BPFSNAP_DOUBT_H */
