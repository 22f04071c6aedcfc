// SPDX-License-Identifier: GPL-2.0-only
/*
 * nothing: attaches a program to block_bio_queue that does nothing, and waits.  What
 * the kernel's statistics tell of it is what they cost themselves.
 */
#include <linux/bpf.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static long bpf(int cmd, union bpf_attr *attr)
{
	return syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

int main(void)
{
	const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr load = {
		.prog_type = BPF_PROG_TYPE_RAW_TRACEPOINT,
		.insns = (uintptr_t)code,
		.insn_cnt = 2,
		.license = (uintptr_t)"GPL",
	};
	union bpf_attr attach = { .raw_tracepoint = { .name = (uintptr_t)"block_bio_queue" } };

	strcpy(load.prog_name, "nothing");
	attach.raw_tracepoint.prog_fd = (uint32_t)bpf(BPF_PROG_LOAD, &load);
	if (bpf(BPF_RAW_TRACEPOINT_OPEN, &attach) < 0) {
		perror("nothing");
		return 1;
	}
	pause();
	return 0;
}
