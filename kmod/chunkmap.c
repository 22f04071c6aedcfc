// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bitmap.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include "chunkmap.h"

#define LEAF_BITS	(PAGE_SIZE * BITS_PER_BYTE)

int bpfsnap_chunkmap_init(struct bpfsnap_chunkmap *map, u64 nr_chunks)
{
	map->nr_chunks = nr_chunks;
	map->nr_leaves = DIV_ROUND_UP_ULL(nr_chunks, LEAF_BITS);
	map->leaves = kvcalloc(map->nr_leaves, sizeof(*map->leaves), GFP_KERNEL);
	return map->leaves && bpfsnap_chunkmap_refill(map, GFP_KERNEL) ? 0 : -ENOMEM;
}

void bpfsnap_chunkmap_done(struct bpfsnap_chunkmap *map)
{
	u64 i;

	for (i = 0; map->leaves && i < map->nr_leaves; i++)
		free_page((unsigned long)map->leaves[i]);
	kvfree(map->leaves);
	free_page((unsigned long)map->spare);
	map->leaves = NULL;
	map->spare = NULL;
}

u32 bpfsnap_chunkmap_together(u64 first, u32 nr)
{
	return min_t(u64, nr, LEAF_BITS - first % LEAF_BITS);
}

bool bpfsnap_chunkmap_refill(struct bpfsnap_chunkmap *map, gfp_t gfp)
{
	if (!map->spare)
		map->spare = (unsigned long *)get_zeroed_page(gfp);
	return map->spare;
}

u64 bpfsnap_chunkmap_run(const struct bpfsnap_chunkmap *map, u64 first, u64 last, bool *ret_copied)
{
	bool copied = false;
	u64 chunk = first;

	while (chunk <= last) {
		/* Pairs with smp_store_release() in bpfsnap_chunkmap_prepare(). */
		unsigned long *leaf = smp_load_acquire(&map->leaves[chunk / LEAF_BITS]);
		unsigned long bit = chunk % LEAF_BITS;
		unsigned long end = min_t(u64, LEAF_BITS, bit + last - chunk + 1);
		unsigned long from = bit, next;

		/*
		 * The first bit decides what the run is, and is looked at once: it
		 * may be set at any time, and a second look would end the run
		 * before its beginning.
		 */
		if (chunk == first) {
			copied = leaf && test_bit(bit, leaf);
			from++;
		}
		if (!leaf)
			next = copied ? from : end;
		else if (copied)
			next = find_next_zero_bit(leaf, end, from);
		else
			next = find_next_bit(leaf, end, from);
		chunk += next - bit;
		if (next < end)
			break;
	}
	*ret_copied = copied;
	return chunk - 1;
}

/* Of most reads and writes, this is the only question. */
static bool is_copied(const struct bpfsnap_chunkmap *map, u64 chunk)
{
	/* Pairs with smp_store_release() in bpfsnap_chunkmap_prepare(). */
	const unsigned long *leaf = smp_load_acquire(&map->leaves[chunk / LEAF_BITS]);

	return leaf && test_bit(chunk % LEAF_BITS, leaf);
}

bool bpfsnap_chunkmap_all(const struct bpfsnap_chunkmap *map, u64 first, u64 last)
{
	bool copied;

	return first == last ? is_copied(map, first) :
	       bpfsnap_chunkmap_run(map, first, last, &copied) == last && copied;
}

bool bpfsnap_chunkmap_any(const struct bpfsnap_chunkmap *map, u64 first, u64 last)
{
	bool copied;

	return first == last ? is_copied(map, first) :
	       bpfsnap_chunkmap_run(map, first, last, &copied) != last || copied;
}

int bpfsnap_chunkmap_prepare(struct bpfsnap_chunkmap *map, u64 first, u64 last, gfp_t gfp)
{
	u64 i;

	for (i = first / LEAF_BITS; i <= last / LEAF_BITS; i++) {
		unsigned long *leaf;

		if (map->leaves[i])
			continue;
		leaf = (unsigned long *)get_zeroed_page(gfp);
		if (!leaf) {
			leaf = map->spare;
			map->spare = NULL;
		}
		if (!leaf)
			return -ENOMEM;
		/* Pairs with smp_load_acquire() in bpfsnap_chunkmap_run(). */
		smp_store_release(&map->leaves[i], leaf);
	}
	return 0;
}

void bpfsnap_chunkmap_set(struct bpfsnap_chunkmap *map, u64 first, u64 last)
{
	u64 chunk;

	/* The old content is stored before anyone sees the bits ... */
	smp_mb();
	for (chunk = first; chunk <= last; chunk++)
		set_bit(chunk % LEAF_BITS, map->leaves[chunk / LEAF_BITS]);
	/* ... and the bits are seen before the overwrite is issued. */
	smp_mb();
}
