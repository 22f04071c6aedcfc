// SPDX-License-Identifier: GPL-2.0-only
/* Where the tracepoints of trace.h get their bodies. */
#include <linux/types.h>
#define CREATE_TRACE_POINTS
#include "trace.h"
