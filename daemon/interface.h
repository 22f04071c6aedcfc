/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which interfaces does the daemon speak?
 */
#ifndef BPFSNAP_INTERFACE_H
#define BPFSNAP_INTERFACE_H

/** interface_text - include/io.bpfsnap.varlink, as it was when the daemon was built */
extern const char interface_text[];

/** interface_service_text - org.varlink.service, which every service has */
extern const char interface_service_text[];

#endif /* BPFSNAP_INTERFACE_H */
