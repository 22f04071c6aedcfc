/* SPDX-License-Identifier: GPL-2.0-only */
/* Which chunks of a range have been copied: one bit each, memory on demand. */
#ifndef _BPFSNAP_CHUNKMAP_H
#define _BPFSNAP_CHUNKMAP_H

#include <linux/types.h>

/**
 * struct bpfsnap_chunkmap - bits that are set once and never cleared
 * @leaves: pages of bits; NULL where no bit is set yet
 * @nr_leaves: how many
 * @nr_chunks: how many bits count
 * @spare: a page for when there is no memory; NULL once it is in @leaves; the writer's
 *
 * One writer at a time; readers need no lock.  The writer sets a bit after the
 * chunk's old content is stored and before the overwrite is issued, with full
 * barriers between, so that a reader of the disk who finds the bit clear
 * *after* its read knows that it read old content.
 */
struct bpfsnap_chunkmap {
	unsigned long **leaves;
	u64 nr_leaves;
	u64 nr_chunks;
	unsigned long *spare;
};

/* Context: may sleep.  Return: 0 or -ENOMEM; bpfsnap_chunkmap_done() is due in both cases. */
int bpfsnap_chunkmap_init(struct bpfsnap_chunkmap *map, u64 nr_chunks);
void bpfsnap_chunkmap_done(struct bpfsnap_chunkmap *map);

/**
 * bpfsnap_chunkmap_run() - how far do chunks of the same state go?
 * @map: the map
 * @first: first chunk to look at
 * @last: last chunk to look at
 * @ret_copied: state of the chunk @first
 *
 * Context: any.
 * Return: the last chunk, up to @last, of the run that starts at @first.
 */
u64 bpfsnap_chunkmap_run(const struct bpfsnap_chunkmap *map, u64 first, u64 last, bool *ret_copied);

/* Context: any.  Return: are all chunks, or is any chunk, of first..last copied? */
bool bpfsnap_chunkmap_all(const struct bpfsnap_chunkmap *map, u64 first, u64 last);
bool bpfsnap_chunkmap_any(const struct bpfsnap_chunkmap *map, u64 first, u64 last);

/**
 * bpfsnap_chunkmap_prepare() - make sure that the bits of first..last have memory
 *
 * Without memory the spare page serves, so it can't fail if there is one and all bits
 * are in one page.
 * Context: as @gfp has it; one writer.
 * Return: 0 or -ENOMEM.
 */
int bpfsnap_chunkmap_prepare(struct bpfsnap_chunkmap *map, u64 first, u64 last, gfp_t gfp);

/* How many of @nr chunks from @first on have their bits in one page?  Context: any. */
u32 bpfsnap_chunkmap_together(u64 first, u32 nr);

/* Get another spare page if there is none.  Context: the writer.  Return: is there one? */
bool bpfsnap_chunkmap_refill(struct bpfsnap_chunkmap *map, gfp_t gfp);

/* Set the bits of first..last, prepared before.  Context: any; one writer. */
void bpfsnap_chunkmap_set(struct bpfsnap_chunkmap *map, u64 first, u64 last);

#endif /* _BPFSNAP_CHUNKMAP_H */
