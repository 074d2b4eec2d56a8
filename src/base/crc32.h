/* SPDX-License-Identifier: MIT */
/*
 * The CRC-32 of IEEE 802.3, which zlib and PNG have as well.
 */
#ifndef ATTN_BASE_CRC32_H
#define ATTN_BASE_CRC32_H

#include <stddef.h>
#include <stdint.h>

/* Goes on from crc, which is 0 at the beginning. */
uint32_t attn__crc32(uint32_t crc, const void *data, size_t bytes);

#endif /* ATTN_BASE_CRC32_H */
