/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which commands, passed through to a disk as they are, may change what is on it?
 *
 * Such a request tells no place that we could trust, so its disk is in doubt, unless
 * the command is known to leave the content alone.  The direction alone does not tell:
 * what moves no data at all (format, sanitize, unmap by range in the command) goes as
 * "in".  Harmless is what reads, and what is listed here.
 */
#ifndef _PASSTHROUGH_BPF_H
#define _PASSTHROUGH_BPF_H

enum {
	GENHD_FL_HIDDEN = 1 << 1,	/* of an enum without a name, which can't be relocated */
};

static __always_inline int is_scsi_harmless(__u8 opcode)
{
	switch (opcode) {
	case 0x00:	/* TEST UNIT READY */
	case 0x01:	/* REZERO UNIT */
	case 0x03:	/* REQUEST SENSE */
	case 0x12:	/* INQUIRY */
	case 0x16:	/* RESERVE(6) */
	case 0x17:	/* RELEASE(6) */
	case 0x1a:	/* MODE SENSE(6) */
	case 0x1b:	/* START STOP UNIT */
	case 0x1e:	/* PREVENT ALLOW MEDIUM REMOVAL */
	case 0x25:	/* READ CAPACITY(10) */
	case 0x2b:	/* SEEK(10) */
	case 0x2f:	/* VERIFY(10) */
	case 0x34:	/* PRE-FETCH(10) */
	case 0x35:	/* SYNCHRONIZE CACHE(10) */
	case 0x4d:	/* LOG SENSE */
	case 0x56:	/* RESERVE(10) */
	case 0x57:	/* RELEASE(10) */
	case 0x5a:	/* MODE SENSE(10) */
	case 0x5e:	/* PERSISTENT RESERVE IN */
	case 0x5f:	/* PERSISTENT RESERVE OUT */
	case 0x8f:	/* VERIFY(16) */
	case 0x90:	/* PRE-FETCH(16) */
	case 0x91:	/* SYNCHRONIZE CACHE(16) */
	case 0xa0:	/* REPORT LUNS */
	case 0xaf:	/* VERIFY(12) */
		return 1;
	}
	return 0;
}

static __always_inline int is_nvme_harmless(__u8 opcode)
{
	switch (opcode) {
	case 0x00:	/* Flush */
	case 0x02:	/* Read */
	case 0x05:	/* Compare */
	case 0x0c:	/* Verify */
	case 0x0d:	/* Reservation Register */
	case 0x0e:	/* Reservation Report */
	case 0x11:	/* Reservation Acquire */
	case 0x15:	/* Reservation Release */
		return 1;
	}
	return 0;
}

/* Admin commands have a queue without a disk. */
static __always_inline int is_nvme_admin_harmful(__u8 opcode)
{
	switch (opcode) {
	case 0x0d:	/* Namespace Management */
	case 0x10:	/* Firmware Commit */
	case 0x15:	/* Namespace Attachment */
	case 0x80:	/* Format NVM */
	case 0x81:	/* Security Send */
	case 0x84:	/* Sanitize */
		return 1;
	}
	return opcode >= 0xc0;	/* the vendor's own */
}

/* Drivers keep their part of a request right behind it. */
static __always_inline void *driver_part(struct request *rq)
{
	return (void *)rq + bpf_core_type_size(struct request);
}

/* Return: BPFSNAP_OPCODE_KNOWN | opcode, or 0. */
static __always_inline __u32 scsi_opcode(struct request *rq)
{
	struct scsi_cmnd *cmd = driver_part(rq);
	__u8 opcode = 0;

	if (!bpf_core_field_exists(cmd->cmnd) || bpf_core_field_size(cmd->cmnd) < 16)
		return 0;	/* 5.18 and before: a pointer */
	if (bpf_probe_read_kernel(&opcode, 1, __builtin_preserve_access_index(&cmd->cmnd)))
		return 0;
	return BPFSNAP_OPCODE_KNOWN | opcode;
}

static __always_inline __u32 nvme_opcode(struct request *rq)
{
	struct nvme_request *part = driver_part(rq);
	const void *at = part;
	void *cmd = 0;
	__u8 opcode = 0;

	/* Without the driver's types, if it was loaded later: no kernel has it but in front. */
	if (bpf_core_field_exists(part->cmd))
		at = __builtin_preserve_access_index(&part->cmd);
	if (bpf_probe_read_kernel(&cmd, sizeof(cmd), at))
		return 0;
	if (bpf_probe_read_kernel(&opcode, 1, cmd))
		return 0;
	return BPFSNAP_OPCODE_KNOWN | opcode;
}

/* It moves data, and moves it towards us. */
static __always_inline int is_read(const struct request *rq)
{
	return IS_OP(rq->cmd_flags & OP_MASK, DRV_IN) && rq->__data_len;
}

static __always_inline int is_harmless(const struct request *rq, __u32 opcode, __u32 transport)
{
	if (is_read(rq))
		return 1;
	if (!opcode)
		return 0;
	if (transport == BPFSNAP_TRANSPORT_SCSI)
		return is_scsi_harmless(opcode);
	return transport == BPFSNAP_TRANSPORT_NVME && is_nvme_harmless(opcode);
}

/*
 * A command is looked at when it is issued, and again when it has landed: a boundary may lie
 * in between, and the first look may have been skipped.
 */
struct command {
	__u32 opcode;
	__u32 has_landed;
};

static __always_inline void doubt_command(__u32 slot, struct bpfsnap_device *dev,
					  const struct command *cmd)
{
	const struct bpfsnap_doubt *d = &dev->doubts[BPFSNAP_DOUBT_UNLOCATED];
	struct bpfsnap_state *st = get_state();

	/* Mostly this epoch is in doubt since the first look. */
	if (cmd->has_landed && st && dev->uncertain & BPFSNAP_UNCERTAIN_UNLOCATED &&
	    d->epoch == st->epoch)
		return;
	/* Whoever runs when it lands did not send it. */
	doubt_by(slot, BPFSNAP_DOUBT_UNLOCATED, cmd->opcode, !cmd->has_landed);
}

static long doubt_nvme(__u32 slot, const struct command *cmd)
{
	struct bpfsnap_device *dev = bpf_map_lookup_elem(&devices, &slot);

	if (dev && dev->dev && dev->transport == BPFSNAP_TRANSPORT_NVME)
		doubt_command(slot, dev, cmd);
	return 0;
}

/*
 * A queue without a disk that we could name: the admin queue of an NVMe controller, or
 * that of a path of a multipath namespace, which has a hidden disk.  Which namespaces it
 * means is not told, so all are.
 */
static __always_inline void pass_without_disk(struct request *rq, int is_path, __u32 has_landed)
{
	struct bpfsnap_state *st = get_state();
	struct command cmd = { .has_landed = has_landed };

	if (!st || !st->nvme)
		return;
	cmd.opcode = nvme_opcode(rq);
	if (is_path ? is_harmless(rq, cmd.opcode, BPFSNAP_TRANSPORT_NVME) :
	    cmd.opcode ? !is_nvme_admin_harmful(cmd.opcode) : is_read(rq))
		return;
	bpf_loop(BPFSNAP_TRACK_DEVICES, doubt_nvme, &cmd, 0);
}

static __always_inline void pass_to_disk(struct request *rq, struct bpfsnap_device *dev,
					 __u32 slot, __u32 has_landed)
{
	struct command cmd = { .has_landed = has_landed };

	if (dev->transport == BPFSNAP_TRANSPORT_SCSI)
		cmd.opcode = scsi_opcode(rq);
	else if (dev->transport == BPFSNAP_TRANSPORT_NVME)
		cmd.opcode = nvme_opcode(rq);
	if (!is_harmless(rq, cmd.opcode, dev->transport))
		doubt_command(slot, dev, &cmd);
}

static __always_inline void pass(struct request *rq, __u32 has_landed)
{
	struct gendisk *disk = rq->q->disk;
	__u32 slot = 0;
	struct bpfsnap_device *dev = find_device(disk->part0->bd_dev, &slot);

	if (dev)
		pass_to_disk(rq, dev, slot, has_landed);
	else if (!disk || disk->flags & GENHD_FL_HIDDEN)
		pass_without_disk(rq, !!disk, has_landed);
}

#endif /* _PASSTHROUGH_BPF_H */
