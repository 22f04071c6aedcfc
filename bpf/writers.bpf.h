/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who writes?  Bytes by the cgroup that the bio is charged to, which for
 * writeback is the one that dirtied the pages.
 */
#ifndef _WRITERS_BPF_H
#define _WRITERS_BPF_H

/* Return: the cgroup's id, or 0 where the kernel does not know. */
static __always_inline __u64 cgroup_of(struct bio *bio)
{
	if (!bpf_core_field_exists(bio->bi_blkg))
		return 0;
	/* A missing link reads as 0: the kernel catches the fault. */
	return bio->bi_blkg->blkcg->css.cgroup->kn->id;
}

/* A row is taken by one compare-and-swap, and then belongs to the cgroup for good. */
static __always_inline struct bpfsnap_writer *find_writer(struct bpfsnap_writers *all,
							  __u64 cgroup)
{
	__u32 hash = (__u32)(cgroup ^ cgroup >> 32) * 2654435761u >> 16;

	if (!cgroup)
		return &all->other;
	for (int i = 0; i < BPFSNAP_WRITER_PROBES; i++) {
		struct bpfsnap_writer *row = &all->row[(hash + i) % BPFSNAP_WRITER_ROWS];

		if (row->cgroup == cgroup)
			return row;
		if (!row->cgroup) {
			__u64 was = __sync_val_compare_and_swap(&row->cgroup, 0, cgroup);

			if (!was || was == cgroup)
				return row;
		}
	}
	return &all->other;
}

static __always_inline void count_writer(__u32 slot, struct bio *bio, __u64 nr_sect)
{
	struct bpfsnap_writers *all = bpf_map_lookup_elem(&writers, &slot);
	struct bpfsnap_writer *row;

	if (!all)
		return;
	row = find_writer(all, cgroup_of(bio));
	count(&row->bytes, nr_sect << SECTOR_SHIFT);
	count(&row->bios, 1);
}

#endif /* _WRITERS_BPF_H */
