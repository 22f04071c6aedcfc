/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Why might a disk's change list lack writes?
 */
#ifndef BPFSNAP_DOUBT_H
#define BPFSNAP_DOUBT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct doubt_facts - what is known of how a disk is tracked
 * @uncertain: enum bpfsnap_uncertain bits that the programs set
 * @has_write: on_write is attached (the module's tracepoint)
 * @has_switch: on_switch is attached
 * @has_queue: on_queue is attached
 * @is_gated: the module has a gate before the disk
 * @misses: how often the program that this disk depends on was not run, since it was loaded
 */
struct doubt_facts {
	uint32_t uncertain;
	bool has_write;
	bool has_switch;
	bool has_queue;
	bool is_gated;
	uint64_t misses;
};

/** doubt_text - Return: whether there is a doubt, with the sentences in @ret_text */
bool doubt_text(const struct doubt_facts *facts, char *ret_text, size_t room);

/** doubt_counts - did gate and program count the same? Return and text likewise */
bool doubt_counts(uint64_t gate_bios, uint64_t gate_sect, uint64_t track_bios,
		  uint64_t track_sect, char *ret_text, size_t room);

#endif /* BPFSNAP_DOUBT_H */
