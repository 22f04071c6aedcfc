// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which epochs do readers remember, under which names?
 */
#include "tracker_pins.h"

#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>

/* Names go into tables and shells: printable, no space, no slash. */
bool tracker_checkpoint_name_ok(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len >= BPFSNAP_CHECKPOINT_NAME)
		return false;
	for (size_t i = 0; i < len; i++)
		if (name[i] <= ' ' || name[i] > '~' || name[i] == '/')
			return false;
	return true;
}

static struct bpfsnap_checkpoint_key make_key(uint32_t disk_key, const char *name)
{
	struct bpfsnap_checkpoint_key key = { .dev = disk_key };
	size_t len = strnlen(name, sizeof(key.name) - 1);

	memcpy(key.name, name, len);
	return key;
}

int tracker_checkpoint_get(const struct tracker *t, uint32_t disk_key, const char *name,
			   struct bpfsnap_checkpoint *ret_checkpoint)
{
	struct bpfsnap_checkpoint_key key = make_key(disk_key, name);

	if (!tracker_is_loaded(t))
		return -ENOENT;
	return bpf_map_lookup_elem(t->maps[MAP_CHECKPOINTS], &key, ret_checkpoint) < 0 ? -errno : 0;
}

static int put(struct tracker *t, uint32_t disk_key, const char *name, uint32_t epoch,
	       uint64_t created_ns, uint64_t flags)
{
	struct bpfsnap_checkpoint_key key = make_key(disk_key, name);
	struct bpfsnap_checkpoint value = { .epoch = epoch, .created_ns = created_ns };
	const struct bpfsnap_device *d = tracker_find(t, disk_key, NULL);

	if (!d)
		return -ENODEV;
	memcpy(value.generation, d->generation, sizeof(value.generation));
	return bpf_map_update_elem(t->maps[MAP_CHECKPOINTS], &key, &value, flags) < 0 ? -errno : 0;
}

int tracker_checkpoint_put(struct tracker *t, uint32_t disk_key, const char *name, uint32_t epoch,
			   uint64_t created_ns)
{
	return put(t, disk_key, name, epoch, created_ns, BPF_NOEXIST);
}

int tracker_checkpoint_move(struct tracker *t, uint32_t disk_key, const char *name, uint32_t epoch,
			    uint64_t created_ns)
{
	return put(t, disk_key, name, epoch, created_ns, BPF_ANY);
}

int tracker_checkpoint_remove(struct tracker *t, uint32_t disk_key, const char *name)
{
	struct bpfsnap_checkpoint_key key = make_key(disk_key, name);

	if (!tracker_is_loaded(t))
		return -ENOENT;
	return bpf_map_delete_elem(t->maps[MAP_CHECKPOINTS], &key) < 0 ? -errno : 0;
}

int tracker_checkpoints(const struct tracker *t, struct tracker_checkpoint **ret_items,
			size_t *ret_nr)
{
	_cleanup_(freep) struct tracker_checkpoint *items = NULL;
	struct bpfsnap_checkpoint_key *previous = NULL;
	size_t nr = 0;

	items = calloc(BPFSNAP_CHECKPOINTS, sizeof(*items));
	if (!items)
		return -ENOMEM;
	while (tracker_is_loaded(t) && nr < BPFSNAP_CHECKPOINTS &&
	       bpf_map_get_next_key(t->maps[MAP_CHECKPOINTS], previous, &items[nr].key) == 0) {
		previous = &items[nr].key;
		if (bpf_map_lookup_elem(t->maps[MAP_CHECKPOINTS], previous, &items[nr].value) == 0)
			nr++;
	}
	*ret_items = TAKE_PTR(items);
	*ret_nr = nr;
	return 0;
}
