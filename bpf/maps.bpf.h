/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The maps of change tracking.  Keys, values and pin names are an interface,
 * described in bpfsnap_track.h; here is who writes and reads them.
 *
 * All but marks and checkpoints are arrays: a lookup is a few instructions in the
 * program itself, and userspace can map them.
 */
#ifndef _MAPS_BPF_H
#define _MAPS_BPF_H

/* Writer: whoever moves the epoch, on_switch or the daemon.  Reader: everyone. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bpfsnap_state);
} state SEC(".maps");

/* Writer: whoever moves the epoch; the daemon when it renumbers. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bpfsnap_epochs);
} epochs SEC(".maps");

/* Writer: the daemon.  A room is filled after, and emptied before, its slot. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bpfsnap_disks);
} disks SEC(".maps");

/* Writer: the daemon; of the doubts and gaps the programs too. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, BPFSNAP_TRACK_DEVICES);
	__type(key, __u32);
	__type(value, struct bpfsnap_device);
} devices SEC(".maps");

/* Writer: the programs. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, BPFSNAP_TRACK_DEVICES);
	__type(key, __u32);
	__type(value, struct bpfsnap_counters);
} counters SEC(".maps");

/* Writer: whoever moves the epoch. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, BPFSNAP_TRACK_DEVICES);
	__type(key, __u32);
	__type(value, struct bpfsnap_history);
} history SEC(".maps");

/* Writer: on_queue. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, BPFSNAP_TRACK_DEVICES);
	__type(key, __u32);
	__type(value, struct bpfsnap_writers);
} writers SEC(".maps");

/*
 * Shape of the inner maps.  A real map, not only a type: libbpf would otherwise
 * give them a forward declaration as value type, which the kernel refuses.
 */
struct marks_inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_INNER_MAP | BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bpfsnap_page);
} marks_proto SEC(".maps");

/* Writer of the marks: the programs; of the map: the daemon. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, BPFSNAP_TRACK_DEVICES);
	__type(key, __u32);
	__array(values, struct marks_inner);
} marks SEC(".maps");

/* Writer and reader: the daemon; here because it must outlive the daemon. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, BPFSNAP_CHECKPOINTS);
	__type(key, struct bpfsnap_checkpoint_key);
	__type(value, struct bpfsnap_checkpoint);
} checkpoints SEC(".maps");

#endif /* _MAPS_BPF_H */
