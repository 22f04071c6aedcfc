/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How does long work end early, with everything put in order?
 */
#ifndef _BPFSNAP_CLI_SIGNALS_H
#define _BPFSNAP_CLI_SIGNALS_H

#include <stdbool.h>

/*
 * From here on SIGINT, SIGTERM and SIGHUP only set a mark; a second one of the
 * same kind kills as usual.
 */
void signals_catch(void);

/* Number of the signal that came since signals_catch(), or 0. */
int signals_caught(void);

#endif /* _BPFSNAP_CLI_SIGNALS_H */
