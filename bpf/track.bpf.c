// SPDX-License-Identifier: GPL-2.0-only
/*
 * DOC: the programs that mark what changes
 *
 * With the module:
 * on_write   its tracepoint at its gate: sees every write bio of an attached disk,
 *            with preemption off, before the bio is issued.
 * on_switch  the moment between two epochs, while nothing is in flight: moves
 *            the epoch, reports what on_write counted, compares.
 *
 * Always:
 * on_queue   the block core's tracepoint: the same bios a moment later.  Marking twice
 *            is harmless.  Counts, and tells by whom.
 * on_issue   a request goes to its driver: finds commands that are passed through.
 * on_done, on_done_again  mark once more what was in flight when the epoch moved without
 *            the module; doubt what was passed through once more where it lands.
 *
 * Without the module, so that no one skipped run loses a mark:
 * on_queue_again  a second instance of on_queue, with a recursion guard of its own.
 * on_remap   a bio is sent on to a disk below; on 6.1 on_queue does not see these.
 * on_issue   marks requests too, which is all that 6.1 shows of some drivers' bios.
 *
 * Only raw_tp and tp_btf: the other program types lose events when a program is
 * interrupted by another on the same CPU.  No program inserts into a map: an
 * insert can fail, a store can't.
 */
#include "vmlinux_min.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>
#include "bpfsnap_track.h"
#include "bpfsnap_switch.h"
#include "maps.bpf.h"
#include "slot.bpf.h"
#include "op.bpf.h"
#include "mark.bpf.h"
#include "writers.bpf.h"
#include "passthrough.bpf.h"

char _license[] SEC("license") = "GPL";

/* Is on_write attached too?  Then it is what marks, and the others need not be redundant. */
const volatile unsigned char gated = 0;

/* Mark a change.  Return: how many blocks changed for the first time in this epoch. */
static __always_inline __u32 apply(struct bpfsnap_device *dev, __u32 slot, enum change change,
				   __u64 sect, __u64 nr_sect)
{
	if (change == CHANGE_WRITES || change == CHANGE_DISCARDS)
		return mark_sectors(dev, slot, sect, nr_sect, change);
	if (change == CHANGE_ALL)
		mark_all(dev);
	else if (change == CHANGE_UNKNOWN)
		doubt(slot, BPFSNAP_DOUBT_UNLOCATED, 0);
	return 0;
}

SEC("raw_tp/bpfsnap_write")
int on_write(struct bpf_raw_tracepoint_args *ctx)
{
	__u32 op = ctx->args[3], slot = 0, changed;
	__u64 sect = ctx->args[1], nr_sect = (__u32)ctx->args[2];
	struct bpfsnap_device *dev = find_device(ctx->args[0], &slot);
	struct bpfsnap_stripe *stripe;
	enum change change;

	if (!dev || !nr_sect)
		return 0;
	stripe = get_stripe(slot);
	if (!stripe)
		return 0;
	count(&stripe->gate_bios, 1);
	count(&stripe->gate_sect, nr_sect);
	change = change_of(op, dev->zone_sect, &sect, &nr_sect);
	changed = apply(dev, slot, change, sect, nr_sect);
	if (changed)
		count(&stripe->changed_blk, changed);
	return 0;
}

/* The disk that a bio is for: its sector is the disk's by now, but bi_bdev may be a partition. */
static __always_inline struct bpfsnap_device *bio_device(struct bio *bio, __u32 *ret_slot)
{
	struct block_device *whole = bio->bi_bdev->bd_disk->part0;
	struct bpfsnap_device *dev = find_device(whole->bd_dev, ret_slot);

	if (dev && dev->nr_sect != whole->bd_nr_sectors)
		doubt(*ret_slot, BPFSNAP_DOUBT_SIZE, 0);
	return dev;
}

static __always_inline void count_bio(struct bio *bio, __u32 slot, enum change change,
				      __u64 nr_sect, __u32 changed)
{
	struct bpfsnap_stripe *stripe = get_stripe(slot);

	if (!stripe)
		return;
	count(&stripe->queue_bios, 1);
	count(&stripe->queue_sect, nr_sect);
	if (change == CHANGE_DISCARDS)
		count(&stripe->discard_sect, nr_sect);
	if (changed)
		count(&stripe->changed_blk, changed);
	count_writer(slot, bio, nr_sect);
}

static __always_inline void mark_bio(struct bio *bio, int counts)
{
	__u32 op = bio->bi_opf & OP_MASK, slot = 0, changed;
	__u64 sect, nr_sect;
	struct bpfsnap_device *dev;
	enum change change;

	dev = bio_device(bio, &slot);
	if (!dev)
		return;
	sect = bio->bi_iter.bi_sector;
	nr_sect = bio->bi_iter.bi_size >> SECTOR_SHIFT;
	change = change_of(op, dev->zone_sect, &sect, &nr_sect);
	if (change == CHANGE_NOTHING)
		return;
	changed = apply(dev, slot, change, sect, nr_sect);
	if (counts)
		count_bio(bio, slot, change, nr_sect, changed);
}

SEC("tp_btf/block_bio_queue")
int BPF_PROG(on_queue, struct bio *bio)
{
	if (!may_change(bio->bi_opf & OP_MASK))
		return 0;
	mark_bio(bio, 1);
	return 0;
}

SEC("tp_btf/block_bio_queue")
int BPF_PROG(on_queue_again, struct bio *bio)
{
	if (!may_change(bio->bi_opf & OP_MASK))
		return 0;
	mark_bio(bio, 0);
	return 0;
}

SEC("tp_btf/block_bio_remap")
int BPF_PROG(on_remap, struct bio *bio)
{
	if (!may_change(bio->bi_opf & OP_MASK))
		return 0;
	mark_bio(bio, 0);
	return 0;
}

/*
 * A global function: the verifier looks at it once, and not at each round of the loop
 * below.
 */
__noinline int mark_range(__u32 slot, __u64 sect, __u64 nr_sect, __u32 change)
{
	struct bpfsnap_device *dev = bpf_map_lookup_elem(&devices, &slot);

	return dev && nr_sect ? apply(dev, slot, change, sect, nr_sect) : 0;
}

/* A request's range, or those of its bios: discards are merged though they don't touch. */
static __always_inline void mark_request(struct request *rq, struct bpfsnap_device *dev, __u32 slot,
					 __u64 nr_bytes)
{
	enum { DISCARD_RANGES = 256 };	/* the most that NVMe takes, and any driver */
	__u64 sect = rq->__sector, nr_sect = nr_bytes >> SECTOR_SHIFT;
	enum change change = change_of(rq->cmd_flags & OP_MASK, dev->zone_sect, &sect, &nr_sect);
	struct bio *bio = rq->bio;

	if (change != CHANGE_DISCARDS || !bio || !bio->bi_next) {
		apply(dev, slot, change, sect, nr_sect);
		return;
	}
	for (int i = 0; i < DISCARD_RANGES && bio; i++, bio = bio->bi_next)
		mark_range(slot, bio->bi_iter.bi_sector, bio->bi_iter.bi_size >> SECTOR_SHIFT,
			   change);
	if (bio)
		doubt(slot, BPFSNAP_DOUBT_UNSEEN, 0);
}

/* "In" is "out" without the bit of a write: one compare for what is neither. */
static __always_inline int is_passed_through(__u32 op)
{
	return IS_OP(op | OP_WRITE_BIT, DRV_OUT);
}

SEC("tp_btf/block_rq_issue")
int BPF_PROG(on_issue, struct request *rq)
{
	__u32 op = rq->cmd_flags & OP_MASK, slot = 0;
	struct bpfsnap_state *st = get_state();
	struct bpfsnap_device *dev;

	if (is_passed_through(op)) {
		pass(rq, 0);
		return 0;
	}
	/* What on_write has marked needs no second mark, but for boundaries without the gate. */
	if (!st || !may_change(op) || (gated && !st->boundary_ns))
		return 0;
	dev = find_device(rq->q->disk->part0->bd_dev, &slot);
	if (dev)
		mark_request(rq, dev, slot, rq->__data_len);
	return 0;
}

/* Most requests began after the last boundary: a look at one field sends them away. */
static __always_inline void mark_done(struct request *rq, unsigned int nr_bytes)
{
	struct bpfsnap_state *st = get_state();
	__u32 op = rq->cmd_flags & OP_MASK, slot = 0;
	struct bpfsnap_device *dev;

	if (is_passed_through(op)) {
		pass(rq, 1);
		return;
	}
	if (!st || !may_change(op) || rq->start_time_ns >= st->boundary_ns)
		return;
	dev = find_device(rq->q->disk->part0->bd_dev, &slot);
	if (dev)
		mark_request(rq, dev, slot, nr_bytes);
}

SEC("tp_btf/block_rq_complete")
int BPF_PROG(on_done, struct request *rq, int error, unsigned int nr_bytes)
{
	mark_done(rq, nr_bytes);
	return 0;
}

/* A completion may interrupt the program that marks another one. */
SEC("tp_btf/block_rq_complete")
int BPF_PROG(on_done_again, struct request *rq, int error, unsigned int nr_bytes)
{
	mark_done(rq, nr_bytes);
	return 0;
}

/* The first disk of a snapshot moves the epoch for all. Return: whether it is in force. */
static __always_inline int move_epoch(struct bpfsnap_state *st, __u32 epoch)
{
	__u32 zero = 0, mark = st->mark + 1;
	struct bpfsnap_epochs *all = bpf_map_lookup_elem(&epochs, &zero);

	if (epoch == st->epoch)
		return 1;
	/* Out of marks: the daemon renumbers them before it asks for another epoch. */
	if (!all || epoch > BPFSNAP_EPOCH_MAX || epoch < st->epoch || mark > st->mark_max)
		return 0;
	all->last[mark % (BPFSNAP_MARK_MAX + 1)] = epoch;
	st->epoch = epoch;
	st->mark = mark;
	bpf_loop(BPFSNAP_TRACK_DEVICES, note_start, &epoch, 0);
	return 1;
}

SEC("raw_tp.w/bpfsnap_switch")
int on_switch(struct bpf_raw_tracepoint_args *ctx)
{
	struct bpfsnap_switch *sw = (void *)ctx->args[0];
	__u32 slot = 0;
	struct bpfsnap_device *dev = find_device(sw->dev, &slot);
	struct bpfsnap_counters *all = bpf_map_lookup_elem(&counters, &slot);
	struct bpfsnap_state *st = get_state();
	struct totals sum;

	if (!dev || !all || !st || sw->abi != BPFSNAP_SWITCH_ABI)
		return 0;
	add_up(all, &sum);
	sw->track_bios = sum.gate_bios + dev->gap_bios;
	sw->track_sect = sum.gate_sect + dev->gap_sect;
	if (sw->track_bios != sw->gate_bios || sw->track_sect != sw->gate_sect) {
		/* Of the epoch that ends; from here on the gap is known and may not grow. */
		doubt(slot, BPFSNAP_DOUBT_COUNT, 0);
		dev->gap_bios = sw->gate_bios - sum.gate_bios;
		dev->gap_sect = sw->gate_sect - sum.gate_sect;
	}
	if (move_epoch(st, sw->epoch))
		sw->ack = sw->epoch;
	return 0;
}
