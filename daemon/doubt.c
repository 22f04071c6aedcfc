// SPDX-License-Identifier: GPL-2.0-only
/*
 * Why might a disk's change list lack writes?
 *
 * With a gate, on_write sees every write and is the channel that counts; without one,
 * several others do, each of which the kernel may skip, and says how often it did.
 */
#include "doubt.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const struct {
	const char *name;
	const char *sentence;
} reasons[BPFSNAP_DOUBT_NR] = {
	[BPFSNAP_DOUBT_COUNT] = { "count",
		"The gate and the tracking program counted different writes" },
	[BPFSNAP_DOUBT_RANGE] = { "range",
		"A write lay beyond the end that the device had when it was attached" },
	[BPFSNAP_DOUBT_UNLOCATED] = { "passthrough",
		"A command was passed through to the device that does not tell what it changes" },
	[BPFSNAP_DOUBT_MISSED] = { "missed",
		"The kernel skipped runs of the tracking programs" },
	[BPFSNAP_DOUBT_DAX] = { "dax",
		"The device can be written without requests (DAX)" },
	[BPFSNAP_DOUBT_UNSEEN] = { "unseen",
		"A driver above the device writes in a way that this kernel does not show" },
	[BPFSNAP_DOUBT_SIZE] = { "size",
		"The device was written to while it had another size" },
};

const char *doubt_name(enum bpfsnap_doubt_reason reason)
{
	return reasons[reason].name;
}

static void say(char *text, size_t room, const char *sentence)
{
	size_t len = strlen(text);

	snprintf(text + len, room - len, "%s%s", len ? " " : "", sentence);
}

void doubt_one(const struct bpfsnap_device *device, enum bpfsnap_doubt_reason reason,
	       int64_t boot_offset_ns, char *ret_text, size_t room)
{
	const struct bpfsnap_doubt *doubt = &device->doubts[reason];
	time_t seconds = (time_t)(((int64_t)doubt->boot_ns + boot_offset_ns) / 1000000000);
	char when[40] = "", who[BPFSNAP_COMM + 32] = "", what[32] = "";
	struct tm tm;

	if (gmtime_r(&seconds, &tm))
		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (reason == BPFSNAP_DOUBT_UNLOCATED && doubt->opcode & BPFSNAP_OPCODE_KNOWN)
		snprintf(what, sizeof(what), ", opcode 0x%02x", doubt->opcode & 0xff);
	/* Of the others the process that happened to run tells nothing. */
	if (reason == BPFSNAP_DOUBT_UNLOCATED && doubt->comm[0])
		snprintf(who, sizeof(who), ", by %.*s", BPFSNAP_COMM, doubt->comm);
	snprintf(ret_text, room, "%s (%" PRIu64 " times, last at %s in epoch %u%s%s).",
		 reasons[reason].sentence, (uint64_t)doubt->count, when, doubt->epoch, who, what);
}

static void say_doubts(const struct doubt_facts *facts, char *text, size_t room)
{
	const struct bpfsnap_device *d = facts->device;
	char sentence[256];

	for (int i = 0; i < BPFSNAP_DOUBT_NR; i++) {
		if (!(d->uncertain & 1u << i) || (int64_t)d->doubts[i].epoch <= facts->since)
			continue;
		doubt_one(d, (enum bpfsnap_doubt_reason)i, facts->boot_offset_ns, sentence,
			  sizeof(sentence));
		say(text, room, sentence);
	}
	if (d->uncertain >> BPFSNAP_DOUBT_NR)
		say(text, room, "The tracking program reports a doubt of a newer release.");
}

bool doubt_text(const struct doubt_facts *facts, char *ret_text, size_t room)
{
	bool has_write = facts->has[BPFSNAP_CHANNEL_WRITE];

	ret_text[0] = '\0';
	if (facts->reach && facts->reach[0])
		say(ret_text, room, facts->reach);
	if (facts->device)
		say_doubts(facts, ret_text, room);
	if (facts->is_gated && !(has_write && facts->has_switch))
		say(ret_text, room,
		    "The module has its gate before the device, but the tracking programs are not attached to the module.");
	if (!facts->is_gated && (has_write || facts->has_switch))
		say(ret_text, room, "The module's gate before the device is gone.");
	if (!facts->has[BPFSNAP_CHANNEL_QUEUE])
		say(ret_text, room, "The tracking program is not attached to block_bio_queue.");
	if (!facts->has[BPFSNAP_CHANNEL_ISSUE])
		say(ret_text, room, "The tracking program is not attached to block_rq_issue.");
	if (!facts->is_gated && !has_write && !facts->has[BPFSNAP_CHANNEL_REMAP])
		say(ret_text, room, "The tracking program is not attached to block_bio_remap.");
	return ret_text[0] != '\0';
}

/* Never skipped in between: what was read first is what is still true at the end. */
static bool is_whole(const struct doubt_misses *m, enum bpfsnap_channel channel)
{
	return m->before[channel] == m->now[channel] && m->now[channel] == m->again[channel];
}

/*
 * What waited for a request at a boundary was marked in the epoch that ended: on_issue alone
 * marks it in the next one.  What had its request is marked when it completes.
 */
static bool is_crosser_missed(const struct doubt_misses *m)
{
	return !is_whole(m, BPFSNAP_CHANNEL_ISSUE) ||
	       (!is_whole(m, BPFSNAP_CHANNEL_DONE) && !is_whole(m, BPFSNAP_CHANNEL_DONE_AGAIN));
}

bool doubt_missed(const struct doubt_misses *m, const struct doubt_disk *disk)
{
	if (disk->takes_requests && !disk->is_settled && is_crosser_missed(m))
		return true;
	if (disk->is_gated)
		return !is_whole(m, BPFSNAP_CHANNEL_WRITE);
	if (disk->takes_requests && is_whole(m, BPFSNAP_CHANNEL_ISSUE))
		return false;
	if (disk->takes_requests && disk->needs_issue)
		return true;
	if (disk->has_resender && !is_whole(m, BPFSNAP_CHANNEL_REMAP))
		return true;
	return !is_whole(m, BPFSNAP_CHANNEL_QUEUE) && !is_whole(m, BPFSNAP_CHANNEL_AGAIN);
}

bool doubt_forgives(const struct doubt_disk *disk, bool is_idle)
{
	/* A bio is shown to all at one moment, a request's at two. */
	return is_idle || !disk->takes_requests;
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
