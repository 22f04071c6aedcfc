/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel types that the tracking programs touch, and nothing else.  Field
 * offsets and values are relocated at load time against the running kernel's BTF, so
 * the build needs no kernel; what is listed here is the whole kernel surface.
 */
#ifndef _VMLINUX_MIN_H
#define _VMLINUX_MIN_H

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef short __s16;
typedef int __s32;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u64 __be64;
typedef __u32 __wsum;

enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_ARRAY_OF_MAPS = 12,
};

enum {
	BPF_F_MMAPABLE = 1 << 10,
	BPF_F_INNER_MAP = 1 << 12,
};

struct bpf_raw_tracepoint_args {
	__u64 args[0];
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* The values here are placeholders: they differ from release to release. */
enum req_op {
	REQ_OP_WRITE = 1,
	REQ_OP_DISCARD = 3,
	REQ_OP_SECURE_ERASE = 5,
	REQ_OP_ZONE_APPEND = 7,
	REQ_OP_WRITE_ZEROES = 9,
	REQ_OP_ZONE_FINISH = 15,
	REQ_OP_ZONE_RESET = 17,
	REQ_OP_ZONE_RESET_ALL = 19,
	REQ_OP_ZONE_OPEN = 11,
	REQ_OP_ZONE_CLOSE = 13,
	REQ_OP_DRV_IN = 34,
	REQ_OP_DRV_OUT = 35,
};

struct gendisk;

struct block_device {
	struct gendisk *bd_disk;
	__u64 bd_nr_sectors;
	__u32 bd_dev;
};

struct gendisk {
	struct block_device *part0;
	__s32 flags;
	__u64 diskseq;
};

struct bvec_iter {
	__u64 bi_sector;
	__u32 bi_size;
};

struct kernfs_node {
	__u64 id;
};

struct cgroup {
	struct kernfs_node *kn;
};

struct cgroup_subsys_state {
	struct cgroup *cgroup;
};

struct blkcg {
	struct cgroup_subsys_state css;
};

struct blkcg_gq {
	struct blkcg *blkcg;
};

struct bio {
	struct bio *bi_next;
	struct block_device *bi_bdev;
	__u32 bi_opf;
	struct bvec_iter bi_iter;
	struct blkcg_gq *bi_blkg;
};

struct request_queue {
	struct gendisk *disk;
};

struct request {
	struct request_queue *q;
	__u32 cmd_flags;
	__u32 __data_len;
	__u64 __sector;
	struct bio *bio;
	__u64 start_time_ns;
};

/* What drivers keep behind a request. */
struct scsi_cmnd {
	__u8 cmnd[32];
};

struct nvme_command;

struct nvme_request {
	struct nvme_command *cmd;
};

#pragma clang attribute pop

#endif /* _VMLINUX_MIN_H */
