/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Can a tracing program be preempted by another run of itself on this kernel?
 */
#ifndef BPFSNAP_PREEMPT_H
#define BPFSNAP_PREEMPT_H

#include <stdbool.h>

/** preempt_in_tracepoints - true also where it cannot be known */
bool preempt_in_tracepoints(void);

#endif /* BPFSNAP_PREEMPT_H */
