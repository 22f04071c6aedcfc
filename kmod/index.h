/* SPDX-License-Identifier: GPL-2.0-only */
/* Where is the old content of a chunk?  An rbtree of extents. */
#ifndef _BPFSNAP_INDEX_H
#define _BPFSNAP_INDEX_H

#include <linux/rbtree.h>
#include <linux/spinlock.h>
#include <linux/types.h>

struct bpfsnap_piece;

enum bpfsnap_place {
	BPFSNAP_IN_MEMORY,	/* in a piece, on its way to the storage */
	BPFSNAP_IN_STORE,	/* in slots of the storage, one a chunk */
	BPFSNAP_ZERO,		/* nowhere: reads as zeros */
};

/**
 * struct bpfsnap_extent - where neighbouring chunks are
 * @node: in the tree
 * @chunk: first chunk
 * @nr_chunks: how many
 * @place: where
 * @piece: with IN_MEMORY; its pages are in the order of the chunks
 * @slot: with IN_STORE, the slot of the first chunk
 */
struct bpfsnap_extent {
	struct rb_node node;
	u64 chunk;
	u32 nr_chunks;
	enum bpfsnap_place place;
	union {
		struct bpfsnap_piece *piece;
		u64 slot;
	};
};

/* Extents for when there is no memory; each serves for one piece, and stays there. */
enum { BPFSNAP_SPARE_EXTENTS = 64 };

/**
 * struct bpfsnap_index - extents of the chunks of a range, which don't overlap
 * @lock: protects @root, @nr_extents; process context
 * @root: by @chunk
 * @nr_extents: how many there are
 * @spare: for when there is no memory; origin->cow_lock
 * @nr_spare: how many
 */
struct bpfsnap_index {
	spinlock_t lock;
	struct rb_root root;
	u64 nr_extents;
	struct bpfsnap_extent *spare[BPFSNAP_SPARE_EXTENTS];
	u32 nr_spare;
};

int bpfsnap_index_init(void);
void bpfsnap_index_exit(void);
/* Context: may sleep.  Return: 0 or -ENOMEM; bpfsnap_index_destroy() is due in both cases. */
int bpfsnap_index_create(struct bpfsnap_index *index);
void bpfsnap_index_destroy(struct bpfsnap_index *index);

/* Return: NULL without memory. */
struct bpfsnap_extent *bpfsnap_extent_alloc(gfp_t gfp);
void bpfsnap_extent_free(struct bpfsnap_extent *extent);

/**
 * bpfsnap_index_take() - an extent to be added to @index
 *
 * Without memory, a spare one.
 * Context: origin->cow_lock is held.
 * Return: NULL if there is none of these either.
 */
struct bpfsnap_extent *bpfsnap_index_take(struct bpfsnap_index *index, gfp_t gfp);

/* It was taken in vain.  Context: origin->cow_lock is held. */
void bpfsnap_index_untake(struct bpfsnap_index *index, struct bpfsnap_extent *extent);

/* Fill up the spare ones.  Context: origin->cow_lock is held.  Return: are they all there? */
bool bpfsnap_index_refill(struct bpfsnap_index *index, gfp_t gfp);

/* @extent overlaps none that is there. */
void bpfsnap_index_add(struct bpfsnap_index *index, struct bpfsnap_extent *extent);

/* The chunks of @extent, which were in memory, are in the slots from @slot on. */
void bpfsnap_index_stored(struct bpfsnap_index *index, struct bpfsnap_extent *extent, u64 slot);

/**
 * bpfsnap_index_find() - where is a chunk?
 * @index: the index
 * @chunk: the chunk
 * @ret_place: a copy of its extent, cut to begin with @chunk; with IN_MEMORY, @piece
 *             is as it was (its first page may be an earlier chunk's) and the caller
 *             has a reference to put
 *
 * Return: is it there?
 */
bool bpfsnap_index_find(struct bpfsnap_index *index, u64 chunk, struct bpfsnap_extent *ret_place);

#endif /* _BPFSNAP_INDEX_H */
