/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Is the right module there, and if not, can it be loaded?
 */
#ifndef BPFSNAP_KLOAD_H
#define BPFSNAP_KLOAD_H

#include <stdbool.h>

#include "reasons.h"

/** kload_check - is a module there that speaks our ABI? Errors: ModuleUnavailable */
int kload_check(struct fault *fault);

/**
 * kload_ensure - as kload_check(), and load it if there is none
 * @path: of the module's file; NULL for the one installed for the running kernel
 */
int kload_ensure(const char *path, struct fault *fault);

#endif /* BPFSNAP_KLOAD_H */
