/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which op changes which range?  The one place that knows.
 *
 *   op                        changes                       in a block
 *   write, FUA, any write     its sectors                   new content
 *   flush, empty write        nothing
 *   discard, secure erase,    its sectors                   none, where the whole
 *     write zeroes                                          block is covered
 *   zone append               the whole zone: the place is  new content
 *                             chosen by the device
 *   zone reset, finish        the whole zone                none; new content
 *   zone reset all            the whole disk                new content
 *   zone open, close          nothing
 *   any other op of a writer  its sectors                   new content
 *   the same without sectors  not known: a doubt
 */
#ifndef _OP_BPF_H
#define _OP_BPF_H

enum {
	OP_MASK		= 0xff,
	OP_WRITE_BIT	= 1,	/* op_is_write() in the kernel */
	SECTOR_SHIFT	= 9,
};

#define OP(name) bpf_core_enum_value(enum req_op, REQ_OP_##name)
#define IS_OP(op, name) \
	(bpf_core_enum_value_exists(enum req_op, REQ_OP_##name) && (op) == OP(name))

enum change {
	CHANGE_NOTHING,
	CHANGE_WRITES,
	CHANGE_DISCARDS,
	CHANGE_ALL,
	CHANGE_UNKNOWN,
};

/**
 * change_of - what an op changes
 * @zone_sect: sectors in a zone of the disk, or 0
 * @sect: in, where the op begins; out, where the change does
 * @nr_sect: likewise
 */
static __always_inline enum change change_of(__u32 op, __u32 zone_sect, __u64 *sect,
					     __u64 *nr_sect)
{
	if (op == REQ_OP_WRITE)
		return *nr_sect ? CHANGE_WRITES : CHANGE_NOTHING;
	if (IS_OP(op, DISCARD) || IS_OP(op, SECURE_ERASE) || IS_OP(op, WRITE_ZEROES))
		return *nr_sect ? CHANGE_DISCARDS : CHANGE_NOTHING;
	if (IS_OP(op, ZONE_RESET_ALL))
		return CHANGE_ALL;
	if (IS_OP(op, ZONE_APPEND) || IS_OP(op, ZONE_RESET) || IS_OP(op, ZONE_FINISH)) {
		if (!zone_sect)
			return CHANGE_UNKNOWN;
		*sect -= *sect % zone_sect;
		*nr_sect = zone_sect;
		return IS_OP(op, ZONE_RESET) ? CHANGE_DISCARDS : CHANGE_WRITES;
	}
	if (!(op & OP_WRITE_BIT) || IS_OP(op, ZONE_OPEN) || IS_OP(op, ZONE_CLOSE))
		return CHANGE_NOTHING;
	return *nr_sect ? CHANGE_WRITES : CHANGE_UNKNOWN;
}

/* Most that pass by are reads: a look at one bit sends them away, but for old zone ops. */
static __always_inline int may_change(__u32 op)
{
	return (op & OP_WRITE_BIT) || IS_OP(op, ZONE_FINISH);
}

#endif /* _OP_BPF_H */
