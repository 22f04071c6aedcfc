// SPDX-License-Identifier: GPL-2.0-only
/*
 * What stands on a block device, and what does one stand on?
 */
#include "stack.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fsdev.h"
#include "fsjournal.h"

enum {
	STACK_DEPTH_MAX = 32,	/* the kernel itself allows less */
};

/* All loop devices, and what the filesystems of their files use. */
struct loops {
	struct keys keys;
	struct keys *below;
};

static void loops_done(struct loops *loops)
{
	for (size_t i = 0; loops->below && i < loops->keys.nr; i++)
		keys_done(&loops->below[i]);
	free(loops->below);
	keys_done(&loops->keys);
}

static int loops_init(struct loops *loops)
{
	int r;

	r = sysfs_disks("loop", &loops->keys);
	if (r < 0)
		return r;
	loops->below = calloc(loops->keys.nr + 1, sizeof(*loops->below));
	if (!loops->below)
		return -ENOMEM;
	/* One that doesn't tell stands on nothing that could be frozen from here. */
	for (size_t i = 0; i < loops->keys.nr; i++)
		if (fsdev_is_loop(loops->keys.items[i]))
			(void)fsdev_of_loop(loops->keys.items[i], &loops->below[i]);
	return 0;
}

static int visit_above(uint32_t key, const struct loops *loops, unsigned int depth,
		       struct keys *seen, struct keys *order)
{
	_cleanup_(keys_done) struct keys above = { 0 };
	int r;

	if (depth > STACK_DEPTH_MAX)
		return -ELOOP;
	r = keys_add(seen, key);
	if (r <= 0)
		return r;
	r = sysfs_children(key, "holders", NULL, &above);
	if (r < 0)
		return r;
	r = sysfs_children(key, "", "partition", &above);
	if (r < 0)
		return r;
	for (size_t i = 0; i < loops->keys.nr; i++) {
		if (!keys_has(&loops->below[i], key))
			continue;
		r = keys_add(&above, loops->keys.items[i]);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < above.nr; i++) {
		r = visit_above(above.items[i], loops, depth + 1, seen, order);
		if (r < 0)
			return r;
	}
	r = keys_add(order, key);	/* after all that stands on it */
	return r < 0 ? r : 0;
}

int stack_above(const uint32_t *targets, size_t nr_targets, struct keys *ret_keys)
{
	_cleanup_(loops_done) struct loops loops = { 0 };
	_cleanup_(keys_done) struct keys seen = { 0 }, order = { 0 };
	int r;

	r = loops_init(&loops);
	if (r < 0)
		return r;
	for (size_t i = 0; i < nr_targets; i++) {
		r = visit_above(targets[i], &loops, 0, &seen, &order);
		if (r < 0)
			return r;
	}
	*ret_keys = order;
	order = (struct keys){ 0 };
	return 0;
}

void chains_done(struct chains *chains)
{
	free(chains->items);
	*chains = (struct chains){ 0 };
}

static int add_chain(struct chains *chains, uint32_t disk_key, const char *text)
{
	struct chain *items;

	for (size_t i = 0; i < chains->nr; i++)
		if (chains->items[i].disk_key == disk_key)
			return 0;
	items = realloc(chains->items, (chains->nr + 1) * sizeof(*items));
	if (!items)
		return -ENOMEM;
	chains->items = items;
	items[chains->nr].disk_key = disk_key;
	items[chains->nr].is_journal = false;
	snprintf(items[chains->nr].text, sizeof(items->text), "%s", text);
	chains->nr++;
	return 1;
}

static int visit_below(uint32_t key, const char *way, unsigned int depth, struct chains *chains);

static int visit_all(const struct keys *keys, const char *way, unsigned int depth,
		     struct chains *chains)
{
	for (size_t i = 0; i < keys->nr; i++) {
		int r = visit_below(keys->items[i], way, depth, chains);

		if (r < 0)
			return r;
	}
	return 0;
}

/* What the filesystem that is mounted from @fs_key has on @key. */
static int visit_beside(uint32_t fs_key, uint32_t key, const char *what, const char *way,
			unsigned int depth, struct chains *chains)
{
	char name[DEVICE_NAME_MAX], text[sizeof(chains->items->text)];

	if (!key)
		return 0;
	device_name(fs_key, name, sizeof(name));
	snprintf(text, sizeof(text), "%s%s%s with its %s", way, *way ? " on " : "", name, what);
	return visit_below(key, text, depth, chains);
}

static int visit_journals(const struct keys *keys, const char *way, unsigned int depth,
			  struct chains *chains)
{
	for (size_t i = 0; i < keys->nr; i++) {
		struct fsjournal journal;
		int r;

		r = fsjournal_find(keys->items[i], &journal);
		if (r >= 0)
			r = visit_beside(keys->items[i], journal.journal_key, "journal", way, depth,
					 chains);
		if (r >= 0)
			r = visit_beside(keys->items[i], journal.realtime_key, "realtime files", way,
					 depth, chains);
		if (r < 0)
			return r;
	}
	return 0;
}

static int visit_below(uint32_t key, const char *way, unsigned int depth, struct chains *chains)
{
	_cleanup_(keys_done) struct keys below = { 0 }, file = { 0 };
	char text[sizeof(chains->items->text)];
	struct device d;
	int r;

	if (depth > STACK_DEPTH_MAX)
		return -ELOOP;
	r = device_get(key, &d);
	if (r < 0)
		return r;
	snprintf(text, sizeof(text), "%s%s%s", way, *way ? " on " : "", d.name);
	if (d.key != d.disk_key) {
		size_t len = strlen(text);

		snprintf(text + len, sizeof(text) - len, " on %s", d.disk_name);
	}
	r = add_chain(chains, d.disk_key, text);
	if (r <= 0)
		return r;
	r = sysfs_children(d.disk_key, "slaves", NULL, &below);
	if (r >= 0 && fsdev_is_loop(d.disk_key))
		r = fsdev_of_loop(d.disk_key, &file);
	if (r >= 0)
		r = visit_all(&below, text, depth + 1, chains);
	if (r >= 0)
		r = visit_all(&file, text, depth + 1, chains);
	return r < 0 ? r : visit_journals(&file, text, depth + 1, chains);
}

int stack_below(uint32_t key, struct chains *ret_chains)
{
	return visit_below(key, "", 0, ret_chains);
}

int stack_below_filesystem(const struct keys *keys, struct chains *ret_chains)
{
	int r = visit_all(keys, "", 0, ret_chains);

	return r < 0 ? r : visit_journals(keys, "", 0, ret_chains);
}

int stack_below_path(const char *path, struct chains *ret_chains, struct fault *fault)
{
	_cleanup_(keys_done) struct keys keys = { 0 };
	size_t nr_own;
	char type[64];
	int r;

	r = fsdev_of_path(path, &keys, type, sizeof(type));
	if (r == -EOPNOTSUPP)
		return fault_storage(fault, path,
				     "%s is on a filesystem of type %s, whose devices cannot be determined.",
				     path, *type ? type : "unknown");
	if (r < 0)
		return fault_storage(fault, path, "%s: %s.", path, strerror(-r));
	r = visit_all(&keys, path, 0, ret_chains);
	if (r < 0)
		return fault_storage(fault, path, "What %s stands on cannot be determined: %s.",
				     path, strerror(-r));
	nr_own = ret_chains->nr;
	r = visit_journals(&keys, path, 0, ret_chains);
	if (r < 0)
		return fault_storage(fault, path,
				     "Where the filesystem of %s has its journal cannot be determined: %s.",
				     path, strerror(-r));
	for (size_t i = nr_own; i < ret_chains->nr; i++)
		ret_chains->items[i].is_journal = true;
	return 0;
}
