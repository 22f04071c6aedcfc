// SPDX-License-Identifier: GPL-2.0-only
/*
 * DOC: counters of a snapshot
 *
 * /sys/block/bpfsnapN/bpfsnap/ tells of the range behind an image what the list of
 * snapshots does, to whoever looks while there is no daemon, and to udev.  An image goes
 * before all else of its range, and takes along its files once nobody reads them; by force
 * it goes last.
 *
 * /sys/kernel/debug/bpfsnap/disks has a line for each attached disk: its name, the write
 * bios that passed its gate, their sectors, and how many of them ever waited.
 */
#include <linux/debugfs.h>
#include <linux/seq_file.h>
#include "bpfsnap.h"

#define SHOW(name, format, ...)							\
	static ssize_t name##_show(struct device *dev, struct device_attribute *attr,	\
				   char *buf)					\
	{									\
		struct bpfsnap_range *range = dev_to_disk(dev)->private_data;	\
		struct bpfsnap_snap_info info;					\
		ssize_t len = -ENODEV;						\
										\
		/* Destroyed by force, an image may outlive what there is to tell. */	\
		mutex_lock(&bpfsnap_list_lock);					\
		if (!READ_ONCE(range->snap->is_ending)) {			\
			bpfsnap_snapshot_describe(range, &info);		\
			len = sysfs_emit(buf, format "\n", __VA_ARGS__);	\
		}								\
		mutex_unlock(&bpfsnap_list_lock);				\
		return len;							\
	}									\
	static DEVICE_ATTR_RO(name)

SHOW(snapshot, "%pUb", info.id);
SHOW(origin, "%s", range->origin->disk->disk_name);
SHOW(start_sect, "%llu", info.start_sect);
SHOW(created_ns, "%llu", info.created_ns);
SHOW(hold_ns, "%llu", info.hold_ns);
SHOW(frozen_ns, "%llu", info.frozen_ns);
SHOW(error, "%u", info.error);
SHOW(reason, "%u", info.reason);
SHOW(failed_sect, "%llu", info.failed_sect);
SHOW(failed_ns, "%llu", info.failed_ns);
SHOW(copied_bytes, "%llu", info.copied_bytes);
SHOW(memory_bytes, "%llu", info.memory_bytes);
SHOW(index_bytes, "%llu", info.index_bytes);
SHOW(store_used_bytes, "%llu", info.store_used_bytes);
SHOW(store_limit_bytes, "%llu", info.store_limit_bytes);
SHOW(dropped_discards, "%llu", info.dropped_discards);
SHOW(gate_bios, "%llu", info.gate_bios);
SHOW(gate_sect, "%llu", info.gate_sect);
SHOW(track_bios, "%llu", info.track_bios);
SHOW(track_sect, "%llu", info.track_sect);

static struct attribute *image_attrs[] = {
	&dev_attr_snapshot.attr, &dev_attr_origin.attr, &dev_attr_start_sect.attr,
	&dev_attr_created_ns.attr, &dev_attr_hold_ns.attr, &dev_attr_frozen_ns.attr,
	&dev_attr_error.attr, &dev_attr_reason.attr, &dev_attr_failed_sect.attr,
	&dev_attr_failed_ns.attr, &dev_attr_copied_bytes.attr, &dev_attr_memory_bytes.attr,
	&dev_attr_index_bytes.attr, &dev_attr_store_used_bytes.attr,
	&dev_attr_store_limit_bytes.attr, &dev_attr_dropped_discards.attr,
	&dev_attr_gate_bios.attr, &dev_attr_gate_sect.attr,
	&dev_attr_track_bios.attr, &dev_attr_track_sect.attr, NULL
};

static const struct attribute_group image_group = { .name = "bpfsnap", .attrs = image_attrs };

const struct attribute_group *bpfsnap_image_groups[] = { &image_group, NULL };

static int disks_show(struct seq_file *m, void *v)
{
	struct bpfsnap_origin *origin;

	if (mutex_lock_killable(&bpfsnap_list_lock))
		return -EINTR;
	list_for_each_entry(origin, &bpfsnap_origins, list) {
		struct bpfsnap_passed passed = bpfsnap_gate_passed(origin);

		seq_printf(m, "%s %llu %llu %llu\n", origin->disk->disk_name, passed.bios,
			   passed.sect, (u64)atomic64_read(&origin->diverted));
	}
	mutex_unlock(&bpfsnap_list_lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(disks);

static struct dentry *debug_dir;

/* Without it nothing is amiss. */
void bpfsnap_debugfs_init(void)
{
	debug_dir = debugfs_create_dir("bpfsnap", NULL);
	debugfs_create_file("disks", 0400, debug_dir, NULL, &disks_fops);
}

void bpfsnap_debugfs_exit(void)
{
	debugfs_remove(debug_dir);
}
