/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which slot is a disk's, who doubts it, and where is it counted?
 */
#ifndef _SLOT_BPF_H
#define _SLOT_BPF_H

static __always_inline struct bpfsnap_state *get_state(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&state, &zero);
}

/* Return: the disk's entry, with its slot, or NULL if it is not tracked. */
static __always_inline struct bpfsnap_device *find_device(__u32 dev, __u32 *ret_slot)
{
	__u32 zero = 0, hash = bpfsnap_disk_hash(dev);
	struct bpfsnap_disks *all = bpf_map_lookup_elem(&disks, &zero);

	if (!all || !dev)
		return 0;
	for (int i = 0; i < BPFSNAP_DISK_PROBES; i++) {
		struct bpfsnap_disk *room = &all->room[(hash + i) % BPFSNAP_DISK_ROOMS];

		if (room->dev == dev) {
			*ret_slot = room->slot;
			return bpf_map_lookup_elem(&devices, ret_slot);
		}
		if (!room->dev)
			return 0;
	}
	return 0;
}

static __always_inline struct bpfsnap_stripe *get_stripe(__u32 slot)
{
	struct bpfsnap_counters *all = bpf_map_lookup_elem(&counters, &slot);

	return all ? &all->stripe[bpf_get_smp_processor_id() % BPFSNAP_STRIPES] : 0;
}

static __always_inline void count(__u64 *counter, __u64 nr)
{
	__sync_fetch_and_add(counter, nr);
}

/*
 * Doubts are rare: what this costs does not matter.  The time goes last, so that a
 * reader who sees the bit finds the epoch of this doubt or of a later one.
 */
static __noinline int doubt_by(__u32 slot, __u32 reason, __u32 opcode, int is_by_current)
{
	struct bpfsnap_device *dev = bpf_map_lookup_elem(&devices, &slot);
	struct bpfsnap_state *st = get_state();
	struct bpfsnap_doubt *d;

	if (!dev || !st || reason >= BPFSNAP_DOUBT_NR)
		return 0;
	d = &dev->doubts[reason];
	d->epoch = st->epoch;
	d->boot_ns = bpf_ktime_get_boot_ns();
	d->opcode = opcode;
	if (is_by_current)
		bpf_get_current_comm(d->comm, sizeof(d->comm));
	else
		__builtin_memset(d->comm, 0, sizeof(d->comm));
	count(&d->count, 1);
	__sync_fetch_and_or(&dev->uncertain, 1u << reason);
	return 0;
}

static __always_inline int doubt(__u32 slot, __u32 reason, __u32 opcode)
{
	return doubt_by(slot, reason, opcode, 1);
}

struct totals {
	__u64 gate_bios;
	__u64 gate_sect;
	__u64 queue_sect;
	__u64 discard_sect;
	__u64 changed_blk;
};

static __always_inline void add_up(const struct bpfsnap_counters *all, struct totals *sum)
{
	__builtin_memset(sum, 0, sizeof(*sum));
	for (int i = 0; i < BPFSNAP_STRIPES; i++) {
		sum->gate_bios += all->stripe[i].gate_bios;
		sum->gate_sect += all->stripe[i].gate_sect;
		sum->queue_sect += all->stripe[i].queue_sect;
		sum->discard_sect += all->stripe[i].discard_sect;
		sum->changed_blk += all->stripe[i].changed_blk;
	}
}

/* Write down where a disk's counters stand at the start of an epoch. */
static long note_start(__u32 slot, __u32 *epoch)
{
	struct bpfsnap_device *dev = bpf_map_lookup_elem(&devices, &slot);
	struct bpfsnap_history *past = bpf_map_lookup_elem(&history, &slot);
	struct bpfsnap_counters *all = bpf_map_lookup_elem(&counters, &slot);
	struct bpfsnap_start *start;
	struct totals sum;

	if (!dev || !past || !all || !dev->dev)
		return 0;
	add_up(all, &sum);
	start = &past->start[*epoch % BPFSNAP_HISTORY_EPOCHS];
	start->boot_ns = bpf_ktime_get_boot_ns();
	start->queue_sect = sum.queue_sect;
	start->discard_sect = sum.discard_sect;
	start->changed_blk = sum.changed_blk;
	start->epoch = *epoch;
	return 0;
}

#endif /* _SLOT_BPF_H */
