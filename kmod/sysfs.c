// SPDX-License-Identifier: GPL-2.0-only
/*
 * DOC: counters of a snapshot
 *
 * /sys/block/bpfsnapN/bpfsnap/ tells of the range behind an image what the list of
 * snapshots does, to whoever looks while there is no daemon, and to udev.  An image goes
 * before all else of its range, and takes along its files once nobody reads them.
 */
#include "bpfsnap.h"

#define SHOW(name, format, ...)							\
	static ssize_t name##_show(struct device *dev, struct device_attribute *attr,	\
				   char *buf)					\
	{									\
		const struct bpfsnap_range *range = dev_to_disk(dev)->private_data;	\
		struct bpfsnap_snap_info info;					\
										\
		bpfsnap_snapshot_describe(range, &info);			\
		return sysfs_emit(buf, format "\n", __VA_ARGS__);		\
	}									\
	static DEVICE_ATTR_RO(name)

SHOW(snapshot, "%pUb", info.id);
SHOW(origin, "%s", range->origin->disk->disk_name);
SHOW(start_sect, "%llu", info.start_sect);
SHOW(error, "%u", info.error);
SHOW(copied_bytes, "%llu", info.copied_bytes);
SHOW(memory_bytes, "%llu", info.memory_bytes);
SHOW(index_bytes, "%llu", info.index_bytes);
SHOW(store_used_bytes, "%llu", info.store_used_bytes);
SHOW(store_limit_bytes, "%llu", info.store_limit_bytes);
SHOW(dropped_discards, "%llu", info.dropped_discards);

static struct attribute *image_attrs[] = {
	&dev_attr_snapshot.attr, &dev_attr_origin.attr, &dev_attr_start_sect.attr,
	&dev_attr_error.attr, &dev_attr_copied_bytes.attr, &dev_attr_memory_bytes.attr,
	&dev_attr_index_bytes.attr, &dev_attr_store_used_bytes.attr,
	&dev_attr_store_limit_bytes.attr, &dev_attr_dropped_discards.attr, NULL
};

static const struct attribute_group image_group = { .name = "bpfsnap", .attrs = image_attrs };

const struct attribute_group *bpfsnap_image_groups[] = { &image_group, NULL };
