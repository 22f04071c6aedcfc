/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Why does the kernel module not take a disk?
 */
#ifndef BPFSNAP_UNFIT_H
#define BPFSNAP_UNFIT_H

#include <stdint.h>

/**
 * unfit_why - what a refusal of the module is about, as sysfs tells
 * @error: the module's: -EROFS, -ENOSPC or -EOPNOTSUPP
 *
 * Return: what follows "/dev/vda cannot be attached: "; NULL if another error speaks for itself
 */
const char *unfit_why(uint32_t disk_key, int error);

#endif /* BPFSNAP_UNFIT_H */
