// SPDX-License-Identifier: GPL-2.0-only
/*
 * Why might a disk's change list lack writes?
 *
 * With a gate, on_write sees every write and is the channel that counts; without
 * one, on_queue is, and on some kernels it may miss events, which the kernel counts.
 */
#include "doubt.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <linux/types.h>

#include "bpfsnap_track.h"

static void say(char *text, size_t room, const char *sentence)
{
	size_t len = strlen(text);

	snprintf(text + len, room - len, "%s%s", len ? " " : "", sentence);
}

bool doubt_text(const struct doubt_facts *facts, char *ret_text, size_t room)
{
	bool expects_gate = facts->has_write || facts->has_switch;

	ret_text[0] = '\0';
	if (facts->uncertain & BPFSNAP_UNCERTAIN_COUNT)
		say(ret_text, room,
		    "The gate and the tracking program counted different writes.");
	if (facts->uncertain & BPFSNAP_UNCERTAIN_RANGE)
		say(ret_text, room, "A write lay beyond the end that the device had when it was attached.");
	if (facts->uncertain & BPFSNAP_UNCERTAIN_UNLOCATED)
		say(ret_text, room, "A write carried no place (a command passed through to the device).");
	if (facts->uncertain & ~(BPFSNAP_UNCERTAIN_COUNT | BPFSNAP_UNCERTAIN_RANGE |
				 BPFSNAP_UNCERTAIN_UNLOCATED))
		say(ret_text, room, "The tracking program reports a doubt of a newer release.");
	if (facts->is_gated && !(facts->has_write && facts->has_switch))
		say(ret_text, room,
		    "The module has its gate before the device, but the tracking programs are not attached to the module.");
	if (!facts->is_gated && expects_gate)
		say(ret_text, room, "The module's gate before the device is gone.");
	if (!facts->has_queue)
		say(ret_text, room, "The tracking program is not attached to block_bio_queue.");
	if (facts->misses)
		say(ret_text, room, "The kernel skipped runs of the tracking program.");
	return ret_text[0] != '\0';
}

bool doubt_counts(uint64_t gate_bios, uint64_t gate_sect, uint64_t track_bios,
		  uint64_t track_sect, char *ret_text, size_t room)
{
	ret_text[0] = '\0';
	if (gate_bios == track_bios && gate_sect == track_sect)
		return false;
	snprintf(ret_text, room,
		 "%" PRIu64 " writes of %" PRIu64 " sectors passed the gate, but %" PRIu64
		 " writes of %" PRIu64 " sectors were tracked.",
		 gate_bios, gate_sect, track_bios, track_sect);
	return true;
}
