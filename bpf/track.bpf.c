// SPDX-License-Identifier: GPL-2.0-only
/*
 * DOC: the programs that mark what changes
 *
 * on_write   the module's tracepoint at its gate: sees every write bio of an
 *            attached disk, with preemption off, before the bio is issued.
 * on_queue   the block core's tracepoint: the same bios a moment later, and the
 *            only channel where the module is not loaded.  Marking twice is
 *            harmless.
 * on_switch  the moment between two epochs, while nothing is in flight: moves
 *            the epoch, reports what on_write counted, compares.
 *
 * Only raw_tp and tp_btf: the other program types lose events when a program is
 * interrupted by another on the same CPU.  No program inserts into a map: an
 * insert can fail, a store can't.
 */
#include "vmlinux_min.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "bpfsnap_track.h"
#include "bpfsnap_switch.h"
#include "maps.bpf.h"
#include "mark.bpf.h"

char _license[] SEC("license") = "GPL";

/* Is on_write attached too?  Then it counts the discards, and on_queue doesn't. */
const volatile unsigned char gated = 0;

SEC("raw_tp/bpfsnap_write")
int on_write(struct bpf_raw_tracepoint_args *ctx)
{
	__u32 key = ctx->args[0], nr_sect = ctx->args[2], op = ctx->args[3];
	__u64 sect = ctx->args[1];
	struct bpfsnap_device *dev = bpf_map_lookup_elem(&devices, &key);

	if (!dev || !nr_sect)
		return 0;
	mark_sectors(key, dev, sect, nr_sect);
	__sync_fetch_and_add(&dev->gate_bios, 1);
	__sync_fetch_and_add(&dev->gate_sect, nr_sect);
	if (op_is_discard(op))
		__sync_fetch_and_add(&dev->discard_sect, nr_sect);
	return 0;
}

SEC("tp_btf/block_bio_queue")
int BPF_PROG(on_queue, struct bio *bio)
{
	__u32 op = bio->bi_opf & OP_MASK, nr_sect = bio->bi_iter.bi_size >> SECTOR_SHIFT;
	struct bpfsnap_device *dev;
	__u32 key;

	if (!op_changes_data(op) || !nr_sect)
		return 0;
	/* The sector is the disk's by now, but bi_bdev may still be a partition. */
	key = bio->bi_bdev->bd_disk->part0->bd_dev;
	dev = bpf_map_lookup_elem(&devices, &key);
	if (!dev)
		return 0;
	mark_sectors(key, dev, bio->bi_iter.bi_sector, nr_sect);
	__sync_fetch_and_add(&dev->queue_bios, 1);
	__sync_fetch_and_add(&dev->queue_sect, nr_sect);
	if (!gated && op_is_discard(op))
		__sync_fetch_and_add(&dev->discard_sect, nr_sect);
	return 0;
}

SEC("raw_tp.w/bpfsnap_switch")
int on_switch(struct bpf_raw_tracepoint_args *ctx)
{
	struct bpfsnap_switch *sw = (void *)ctx->args[0];
	__u32 zero = 0, key = sw->dev;
	struct bpfsnap_device *dev = bpf_map_lookup_elem(&devices, &key);
	struct bpfsnap_state *st = bpf_map_lookup_elem(&state, &zero);

	if (!dev || !st || sw->abi != BPFSNAP_SWITCH_ABI)
		return 0;
	if (sw->epoch > BPFSNAP_EPOCH_MAX || sw->epoch < st->epoch)
		return 0;
	st->epoch = sw->epoch;
	sw->track_bios = dev->gate_bios;
	sw->track_sect = dev->gate_sect;
	if (sw->track_bios != sw->gate_bios || sw->track_sect != sw->gate_sect)
		__sync_fetch_and_or(&dev->uncertain, BPFSNAP_UNCERTAIN_COUNT);
	sw->ack = sw->epoch;
	return 0;
}
