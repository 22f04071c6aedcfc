/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Has content changed on a disk that should have kept it?  CRC-32C (Castagnoli).
 */
#ifndef _BPFSNAP_CLI_CRC32C_H
#define _BPFSNAP_CLI_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Of more data: @crc is 0 to begin with, and then what came before. */
uint32_t crc32c(uint32_t crc, const void *data, size_t length);

/* The same without help of the processor, for tests to compare. */
uint32_t crc32c_plain(uint32_t crc, const void *data, size_t length);

#endif /* _BPFSNAP_CLI_CRC32C_H */
