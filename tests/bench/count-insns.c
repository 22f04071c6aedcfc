// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where do a guest's instructions go?  A plugin of QEMU's emulator, which counts those of
 * the kernel by the address of their block and all others together.
 *
 * The guest ends a window by the instruction in tests/tools/window.c, which does nothing
 * else: what was counted in it is written to the file, "window N", then "address count"
 * in hexadecimal and decimal, and the next one begins at zero.
 *
 * QEMU's header is in no Debian package of this release, so what is needed of its interface
 * (version 1, docs/devel/tcg-plugins) is declared here.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define API __attribute__((visibility("default")))

struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef uint64_t plugin_id;

enum { INLINE_ADD_U64 = 0, CB_NO_REGS = 0, VERSION = 1 };

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id,
					   void (*cb)(plugin_id id, struct qemu_plugin_tb *tb));
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *tb, int op, void *at,
					      uint64_t add);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
					    void (*cb)(unsigned int vcpu, void *data),
					    int flags, void *data);

API int qemu_plugin_version = VERSION;
API int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv);

/* Blocks of all code that a guest's kernel ever runs: half a million are known to be enough. */
enum { SLOT_BITS = 20, NR_SLOTS = 1 << SLOT_BITS };

static struct slot {
	uint64_t address, insns;
} slots[NR_SLOTS];

static uint64_t elsewhere;	/* not the kernel's */
static unsigned int window;
static FILE *out;

/* nopl 0x62706673(%rax,%rax,1) */
static const uint8_t end_of_window[] = { 0x0f, 0x1f, 0x84, 0x00, 0x73, 0x66, 0x70, 0x62 };

static uint64_t *counter(uint64_t address)
{
	uint64_t i = address * 0x9e3779b97f4a7c15 >> (64 - SLOT_BITS);

	if (!(address >> 63))
		return &elsewhere;
	for (uint64_t n = 0; n < NR_SLOTS; n++, i = (i + 1) % NR_SLOTS) {
		if (!slots[i].address)
			slots[i].address = address;
		if (slots[i].address == address)
			return &slots[i].insns;
	}
	fprintf(stderr, "count-insns: more code than expected\n");
	exit(1);
}

static void window_ends(unsigned int vcpu, void *data)
{
	(void)vcpu;
	(void)data;
	fprintf(out, "window %u\n0 %lu\n", window++, elsewhere);
	elsewhere = 0;
	for (size_t i = 0; i < NR_SLOTS; i++) {
		if (slots[i].insns)
			fprintf(out, "%lx %lu\n", slots[i].address, slots[i].insns);
		slots[i].insns = 0;
	}
	fflush(out);
}

static void translated(plugin_id id, struct qemu_plugin_tb *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb);

	(void)id;
	for (size_t i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);

		if (qemu_plugin_insn_size(insn) == sizeof(end_of_window) &&
		    !memcmp(qemu_plugin_insn_data(insn), end_of_window, sizeof(end_of_window)))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, window_ends, CB_NO_REGS, NULL);
	}
	qemu_plugin_register_vcpu_tb_exec_inline(tb, INLINE_ADD_U64,
						 counter(qemu_plugin_tb_vaddr(tb)), n);
}

int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
	(void)info;
	if (argc != 1 || strncmp(argv[0], "out=", 4) || !(out = fopen(argv[0] + 4, "w"))) {
		fprintf(stderr, "count-insns: out=FILE is needed\n");
		return -1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
