// SPDX-License-Identifier: GPL-2.0-only
/*
 * DOC: where old content is kept
 *
 * Old content is stored in the order in which it is copied, so an index is needed to
 * find it again.  Neighbours that are stored side by side share an extent; in the
 * worst case, single chunks copied far apart, each costs sizeof(struct
 * bpfsnap_extent), 48 bytes.
 */
#include <linux/slab.h>
#include "bpfsnap.h"

static struct kmem_cache *extent_cache;

int bpfsnap_index_init(void)
{
	extent_cache = kmem_cache_create("bpfsnap_extent", sizeof(struct bpfsnap_extent), 0, 0, NULL);
	return extent_cache ? 0 : -ENOMEM;
}

void bpfsnap_index_exit(void)
{
	kmem_cache_destroy(extent_cache);
}

struct bpfsnap_extent *bpfsnap_extent_alloc(gfp_t gfp)
{
	return kmem_cache_alloc(extent_cache, gfp);
}

void bpfsnap_extent_free(struct bpfsnap_extent *extent)
{
	if (extent)
		kmem_cache_free(extent_cache, extent);
}

struct bpfsnap_extent *bpfsnap_index_take(struct bpfsnap_index *index, gfp_t gfp)
{
	struct bpfsnap_extent *extent = bpfsnap_extent_alloc(gfp);

	if (!extent && index->nr_spare)
		extent = index->spare[--index->nr_spare];
	return extent;
}

void bpfsnap_index_untake(struct bpfsnap_index *index, struct bpfsnap_extent *extent)
{
	if (index->nr_spare < BPFSNAP_SPARE_EXTENTS)
		index->spare[index->nr_spare++] = extent;
	else
		bpfsnap_extent_free(extent);
}

bool bpfsnap_index_refill(struct bpfsnap_index *index, gfp_t gfp)
{
	while (index->nr_spare < BPFSNAP_SPARE_EXTENTS) {
		struct bpfsnap_extent *extent = bpfsnap_extent_alloc(gfp);

		if (!extent)
			return false;
		index->spare[index->nr_spare++] = extent;
	}
	return true;
}

int bpfsnap_index_create(struct bpfsnap_index *index)
{
	spin_lock_init(&index->lock);
	index->root = RB_ROOT;
	return bpfsnap_index_refill(index, GFP_KERNEL) ? 0 : -ENOMEM;
}

void bpfsnap_index_destroy(struct bpfsnap_index *index)
{
	struct bpfsnap_extent *extent, *next;

	while (index->nr_spare)
		bpfsnap_extent_free(index->spare[--index->nr_spare]);
	rbtree_postorder_for_each_entry_safe(extent, next, &index->root, node) {
		bpfsnap_extent_free(extent);
		cond_resched();
	}
	index->root = RB_ROOT;
}

void bpfsnap_index_add(struct bpfsnap_index *index, struct bpfsnap_extent *extent)
{
	struct rb_node **link, *parent = NULL;

	spin_lock(&index->lock);
	link = &index->root.rb_node;
	while (*link) {
		parent = *link;
		if (extent->chunk < rb_entry(parent, struct bpfsnap_extent, node)->chunk)
			link = &parent->rb_left;
		else
			link = &parent->rb_right;
	}
	rb_link_node(&extent->node, parent, link);
	rb_insert_color(&extent->node, &index->root);
	index->nr_extents++;
	spin_unlock(&index->lock);
}

/* Both are stored, and @b goes on where @a ends, in chunks and in slots. */
static bool continues(const struct bpfsnap_extent *a, const struct bpfsnap_extent *b)
{
	return a->place == BPFSNAP_IN_STORE && b->place == BPFSNAP_IN_STORE &&
	       a->chunk + a->nr_chunks == b->chunk && a->slot + a->nr_chunks == b->slot &&
	       a->nr_chunks <= U32_MAX - b->nr_chunks;
}

/* Make @b part of @a if it continues it. */
static struct bpfsnap_extent *merge(struct bpfsnap_index *index, struct rb_node *a_node,
				    struct rb_node *b_node)
{
	struct bpfsnap_extent *a = rb_entry_safe(a_node, struct bpfsnap_extent, node);
	struct bpfsnap_extent *b = rb_entry_safe(b_node, struct bpfsnap_extent, node);

	lockdep_assert_held(&index->lock);
	if (!a || !b || !continues(a, b))
		return NULL;
	a->nr_chunks += b->nr_chunks;
	rb_erase(&b->node, &index->root);
	index->nr_extents--;
	return b;
}

void bpfsnap_index_stored(struct bpfsnap_index *index, struct bpfsnap_extent *extent, u64 slot)
{
	struct bpfsnap_extent *after, *self;

	spin_lock(&index->lock);
	extent->place = BPFSNAP_IN_STORE;
	extent->slot = slot;
	after = merge(index, &extent->node, rb_next(&extent->node));
	self = merge(index, rb_prev(&extent->node), &extent->node);
	spin_unlock(&index->lock);
	bpfsnap_extent_free(after);
	bpfsnap_extent_free(self);
}

bool bpfsnap_index_find(struct bpfsnap_index *index, u64 chunk, struct bpfsnap_extent *ret_place)
{
	struct rb_node *node;
	bool found = false;

	spin_lock(&index->lock);
	node = index->root.rb_node;
	while (node && !found) {
		struct bpfsnap_extent *extent = rb_entry(node, struct bpfsnap_extent, node);

		if (chunk < extent->chunk) {
			node = node->rb_left;
		} else if (chunk >= extent->chunk + extent->nr_chunks) {
			node = node->rb_right;
		} else {
			*ret_place = *extent;
			ret_place->nr_chunks -= chunk - extent->chunk;
			if (extent->place == BPFSNAP_IN_STORE)
				ret_place->slot += chunk - extent->chunk;
			if (extent->place == BPFSNAP_IN_MEMORY)
				refcount_inc(&extent->piece->ref);
			ret_place->chunk = chunk;
			found = true;
		}
	}
	spin_unlock(&index->lock);
	return found;
}
