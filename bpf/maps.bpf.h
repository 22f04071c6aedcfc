/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The maps of change tracking.  Keys, values and pin names are an interface,
 * described in bpfsnap_track.h; here is who writes and reads them.
 */
#ifndef _MAPS_BPF_H
#define _MAPS_BPF_H

/* Writer: on_switch (epoch), the daemon once at its start.  Reader: everyone. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bpfsnap_state);
} state SEC(".maps");

/*
 * One entry for each tracked disk, made by the daemon before anything is
 * marked and removed after the last mark.  Writer of the counters: the programs.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, BPFSNAP_TRACK_DEVICES);
	__type(key, __u32);
	__type(value, struct bpfsnap_device);
} devices SEC(".maps");

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

/* Writer of the marks: the programs.  Entries live as long as those of devices. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
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
