/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which commands are run around a freeze, so that a database is at rest in a snapshot?
 */
#ifndef BPFSNAP_HOOKS_H
#define BPFSNAP_HOOKS_H

#include <stdbool.h>

#include "config.h"
#include "reasons.h"

/**
 * hooks_before - run what is configured to run before a freeze
 * @config: or NULL: there are no hooks
 * @devices, @nr_devices: for the environment of the commands
 *
 * If it fails, hooks_after() has been called already.
 *
 * Return: 0, or −errno with @fault set if a command failed and that is configured to matter.
 */
int hooks_before(const struct config *config, const char *const devices[], size_t nr_devices,
		 struct fault *fault);

/**
 * hooks_after - run what is configured to run after the thaw, all of it
 * @is_taken: whether there is a snapshot now
 *
 * A command that fails is logged: the snapshot is good.
 */
void hooks_after(const struct config *config, const char *const devices[], size_t nr_devices,
		 bool is_taken);

#endif /* BPFSNAP_HOOKS_H */
