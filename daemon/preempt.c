// SPDX-License-Identifier: GPL-2.0-only
/*
 * Can a tracing program be preempted by another run of itself on this kernel?
 *
 * Since 7.0 tracepoints are guarded by SRCU-fast instead of switched-off preemption
 * ("tracing: Guard __DECLARE_TRACE() use of __DO_TRACE_CALL() with SRCU-fast"): there is a
 * tracepoint_srcu, and it is of the kind that has a struct srcu_ctr. Older kernels had the first
 * without the second, for tracepoints of idle CPUs; some in between the second without the first.
 */
#include "preempt.h"

#include <stdio.h>
#include <string.h>

#include <bpf/btf.h>
#include <linux/btf.h>

#include "cleanup.h"

static bool has_symbol(const char *name)
{
	char line[512], symbol[256];
	FILE *f = fopen("/proc/kallsyms", "re");
	bool is_found = false;

	if (!f)
		return true;
	while (!is_found && fgets(line, sizeof(line), f))
		is_found = sscanf(line, "%*x %*c %255s", symbol) == 1 && strcmp(symbol, name) == 0;
	fclose(f);
	return is_found;
}

static void free_btf(struct btf **btf)
{
	btf__free(*btf);
}

bool preempt_in_tracepoints(void)
{
	_cleanup_(free_btf) struct btf *btf = btf__load_vmlinux_btf();

	if (!btf)
		return true;
	return btf__find_by_name_kind(btf, "srcu_ctr", BTF_KIND_STRUCT) > 0 &&
	       has_symbol("tracepoint_srcu");
}
