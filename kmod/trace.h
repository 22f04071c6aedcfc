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

/* Filesystems are frozen, gates about to close. */
TRACE_EVENT(bpfsnap_hold_begin,

	TP_PROTO(u32 epoch, u32 nr_ranges),

	TP_ARGS(epoch, nr_ranges),

	TP_STRUCT__entry(
		__field(u32, epoch)
		__field(u32, nr_ranges)
	),

	TP_fast_assign(
		__entry->epoch = epoch;
		__entry->nr_ranges = nr_ranges;
	),

	TP_printk("epoch %u of %u ranges", __entry->epoch, __entry->nr_ranges)
);

/* Gates are open again. */
TRACE_EVENT(bpfsnap_hold_end,

	TP_PROTO(u32 epoch, u64 held_ns, int error),

	TP_ARGS(epoch, held_ns, error),

	TP_STRUCT__entry(
		__field(u32, epoch)
		__field(u64, held_ns)
		__field(int, error)
	),

	TP_fast_assign(
		__entry->epoch = epoch;
		__entry->held_ns = held_ns;
		__entry->error = error;
	),

	TP_printk("epoch %u after %llu ns error %d", __entry->epoch, __entry->held_ns, __entry->error)
);

/* Old content is about to be read: where on the disk, how much. */
TRACE_EVENT(bpfsnap_copy_begin,

	TP_PROTO(u32 dev, u32 image, u64 sect, u32 nr_sect),

	TP_ARGS(dev, image, sect, nr_sect),

	TP_STRUCT__entry(
		__field(u32, dev)
		__field(u32, image)
		__field(u64, sect)
		__field(u32, nr_sect)
	),

	TP_fast_assign(
		__entry->dev = dev;
		__entry->image = image;
		__entry->sect = sect;
		__entry->nr_sect = nr_sect;
	),

	TP_printk("%u:%u image %u sector %llu + %u", MAJOR(__entry->dev), MINOR(__entry->dev),
		  __entry->image, __entry->sect, __entry->nr_sect)
);

/* Old content has been read: where on the disk, how much, how long it took. */
TRACE_EVENT(bpfsnap_copied,

	TP_PROTO(u32 dev, u32 image, u64 sect, u32 nr_sect, u64 took_ns, int error),

	TP_ARGS(dev, image, sect, nr_sect, took_ns, error),

	TP_STRUCT__entry(
		__field(u32, dev)
		__field(u32, image)
		__field(u64, sect)
		__field(u32, nr_sect)
		__field(u64, took_ns)
		__field(int, error)
	),

	TP_fast_assign(
		__entry->dev = dev;
		__entry->image = image;
		__entry->sect = sect;
		__entry->nr_sect = nr_sect;
		__entry->took_ns = took_ns;
		__entry->error = error;
	),

	TP_printk("%u:%u image %u sector %llu + %u in %llu ns error %d", MAJOR(__entry->dev),
		  MINOR(__entry->dev), __entry->image, __entry->sect, __entry->nr_sect,
		  __entry->took_ns, __entry->error)
);

/* Old content has been stored: in which slots (of 4 KiB), how long it took. */
TRACE_EVENT(bpfsnap_stored,

	TP_PROTO(u32 dev, u64 slot, u32 nr_slots, u64 took_ns, int error),

	TP_ARGS(dev, slot, nr_slots, took_ns, error),

	TP_STRUCT__entry(
		__field(u32, dev)
		__field(u64, slot)
		__field(u32, nr_slots)
		__field(u64, took_ns)
		__field(int, error)
	),

	TP_fast_assign(
		__entry->dev = dev;
		__entry->slot = slot;
		__entry->nr_slots = nr_slots;
		__entry->took_ns = took_ns;
		__entry->error = error;
	),

	TP_printk("%u:%u slot %llu + %u in %llu ns error %d", MAJOR(__entry->dev),
		  MINOR(__entry->dev), __entry->slot, __entry->nr_slots, __entry->took_ns,
		  __entry->error)
);

/* A storage has less left than the daemon asked to be told of. */
TRACE_EVENT(bpfsnap_low_space,

	TP_PROTO(u32 dev, u32 image, u64 left_bytes),

	TP_ARGS(dev, image, left_bytes),

	TP_STRUCT__entry(
		__field(u32, dev)
		__field(u32, image)
		__field(u64, left_bytes)
	),

	TP_fast_assign(
		__entry->dev = dev;
		__entry->image = image;
		__entry->left_bytes = left_bytes;
	),

	TP_printk("%u:%u image %u left %llu bytes", MAJOR(__entry->dev), MINOR(__entry->dev),
		  __entry->image, __entry->left_bytes)
);

DECLARE_EVENT_CLASS(bpfsnap_error,

	TP_PROTO(u32 dev, u32 image, u64 sect, int error),

	TP_ARGS(dev, image, sect, error),

	TP_STRUCT__entry(
		__field(u32, dev)
		__field(u32, image)
		__field(u64, sect)
		__field(int, error)
	),

	TP_fast_assign(
		__entry->dev = dev;
		__entry->image = image;
		__entry->sect = sect;
		__entry->error = error;
	),

	TP_printk("%u:%u image %u sector %llu error %d", MAJOR(__entry->dev), MINOR(__entry->dev),
		  __entry->image, __entry->sect, __entry->error)
);

/* A range has failed, for good. */
DEFINE_EVENT(bpfsnap_error, bpfsnap_failed,

	TP_PROTO(u32 dev, u32 image, u64 sect, int error),

	TP_ARGS(dev, image, sect, error)
);

/* An image answers a bio with an error; its sector is the image's. */
DEFINE_EVENT(bpfsnap_error, bpfsnap_image_error,

	TP_PROTO(u32 dev, u32 image, u64 sect, int error),

	TP_ARGS(dev, image, sect, error)
);

/* An attach or a detach is refused, or a snapshot in one of the steps of enum bpfsnap_step. */
TRACE_EVENT(bpfsnap_refused,

	TP_PROTO(u32 dev, u32 step, int error),

	TP_ARGS(dev, step, error),

	TP_STRUCT__entry(
		__field(u32, dev)
		__field(u32, step)
		__field(int, error)
	),

	TP_fast_assign(
		__entry->dev = dev;
		__entry->step = step;
		__entry->error = error;
	),

	TP_printk("%u:%u step %u error %d", MAJOR(__entry->dev), MINOR(__entry->dev),
		  __entry->step, __entry->error)
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
