/* SPDX-License-Identifier: GPL-2.0-only */
/* The module's tracepoints; what they mean is said in bpfsnap_switch.h. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM bpfsnap

#if !defined(_BPFSNAP_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _BPFSNAP_TRACE_H

#include <linux/tracepoint.h>
#include <linux/kdev_t.h>
#include "bpfsnap_switch.h"

TRACE_EVENT(bpfsnap_write,

	TP_PROTO(u32 dev, u64 sect, u32 nr_sect, u32 op),

	TP_ARGS(dev, sect, nr_sect, op),

	TP_STRUCT__entry(
		__field(u32, dev)
		__field(u64, sect)
		__field(u32, nr_sect)
		__field(u32, op)
	),

	TP_fast_assign(
		__entry->dev = dev;
		__entry->sect = sect;
		__entry->nr_sect = nr_sect;
		__entry->op = op;
	),

	TP_printk("%u:%u sector %llu + %u op %u", MAJOR(__entry->dev), MINOR(__entry->dev),
		  __entry->sect, __entry->nr_sect, __entry->op)
);

DECLARE_EVENT_CLASS(bpfsnap_switch,

	TP_PROTO(struct bpfsnap_switch *sw),

	TP_ARGS(sw),

	TP_STRUCT__entry(
		__field(u32, dev)
		__field(u32, epoch)
		__field(u64, gate_bios)
		__field(u64, gate_sect)
	),

	TP_fast_assign(
		__entry->dev = sw->dev;
		__entry->epoch = sw->epoch;
		__entry->gate_bios = sw->gate_bios;
		__entry->gate_sect = sw->gate_sect;
	),

	TP_printk("%u:%u epoch %u after %llu writes of %llu sectors", MAJOR(__entry->dev),
		  MINOR(__entry->dev), __entry->epoch, __entry->gate_bios, __entry->gate_sect)
);

/* The macro exists only in the pass of define_trace.h that builds BPF's part. */
#undef BPFSNAP_EVENT_WRITABLE
#ifdef DEFINE_EVENT_WRITABLE
#define BPFSNAP_EVENT_WRITABLE(template, call, proto, args, size) \
	DEFINE_EVENT_WRITABLE(template, call, PARAMS(proto), PARAMS(args), size)
#else
#define BPFSNAP_EVENT_WRITABLE(template, call, proto, args, size) \
	DEFINE_EVENT(template, call, PARAMS(proto), PARAMS(args))
#endif

BPFSNAP_EVENT_WRITABLE(bpfsnap_switch, bpfsnap_switch,

	TP_PROTO(struct bpfsnap_switch *sw),

	TP_ARGS(sw),

	sizeof(struct bpfsnap_switch)
);

#endif /* _BPFSNAP_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
