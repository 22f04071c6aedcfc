/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DOC: what the module tells the tracking programs, and what they answer
 *
 * bpfsnap_write   raw tracepoint, fired at the gate with preemption off, once for
 *                 each write bio that passes: args[0] disk (dev_t as the kernel
 *                 keeps it, major << 20 | minor), args[1] first sector,
 *                 args[2] number of sectors, args[3] REQ_OP_* of the bio.
 * bpfsnap_switch  writable raw tracepoint, fired once per disk of a snapshot
 *                 while its gate is closed and nothing is in flight: args[0]
 *                 points to struct bpfsnap_switch, which the program completes.
 */
#ifndef _BPFSNAP_SWITCH_H
#define _BPFSNAP_SWITCH_H

#define BPFSNAP_SWITCH_ABI	1

/**
 * struct bpfsnap_switch - the moment at which a new epoch starts on one disk
 * @abi: from the module, BPFSNAP_SWITCH_ABI; a program that knows another
 *       number must not acknowledge
 * @dev: from the module, the disk, major << 20 | minor
 * @epoch: from the module, the epoch that starts
 * @ack: from the program, @epoch once it is in force
 * @gate_bios: from the module, write bios that passed the gate since attach
 * @gate_sect: from the module, their sectors
 * @track_bios: from the program, write bios that it marked for this disk since attach
 * @track_sect: from the program, their sectors
 */
struct bpfsnap_switch {
	__u32 abi;
	__u32 dev;
	__u32 epoch;
	__u32 ack;
	__u64 gate_bios;
	__u64 gate_sect;
	__u64 track_bios;
	__u64 track_sect;
};

#endif /* _BPFSNAP_SWITCH_H */
