/* SPDX-License-Identifier: MIT */
/*
 * Rows of q8_0 and q4_0 in slabs (base/dtype.h) to and from the blocks of ggml
 * that they are by themselves, 32 channels at a time.
 */
#ifndef ATTN_BASE_SLAB_H
#define ATTN_BASE_SLAB_H

#include "base/dtype.h"

enum { ATTN__SLAB_BLOCK_MAX = 34 /* bytes of 32 channels of a row */ };

static inline bool attn__slab_bytewise(int32_t dtype)
{
    return attn__dtype_public(dtype) == ATTN_DTYPE_Q8_0;
}

/* at: the address of the row, or behind it of further channels */
static inline void attn__slab_get(int32_t dtype, const void *at, unsigned char *block)
{
    const unsigned char *slab = attn__slab(at);
    int64_t n = attn__slab_row(at);
    unsigned char code[32];
    for (int64_t c = 0; c < 32; c++) {
        int32_t low;
        code[c] = slab[attn__slab_code(dtype, n, c, &low)];
        code[c] = (unsigned char)(attn__slab_bytewise(dtype) ? code[c] ^ 0x80 : code[c] >> low & 15);
    }
    memcpy(block, slab + 2 * n, 2);
    if (attn__slab_bytewise(dtype))
        memcpy(block + 2, code, sizeof code);
    for (int64_t c = 0; c < 16 && !attn__slab_bytewise(dtype); c++)
        block[2 + c] = (unsigned char)(code[c] | code[16 + c] << 4);
}

static inline void attn__slab_put(int32_t dtype, void *at, const unsigned char *block)
{
    unsigned char *slab = attn__slab(at);
    int64_t n = attn__slab_row(at);
    memcpy(slab + 2 * n, block, 2);
    for (int64_t c = 0; c < 32; c++) {
        int32_t low;
        unsigned char *to = slab + attn__slab_code(dtype, n, c, &low);
        if (attn__slab_bytewise(dtype))
            *to = block[2 + c] ^ 0x80;
        else
            *to = (unsigned char)((*to & ~(15 << low)) |
                                  (block[2 + c % 16] >> (c < 16 ? 0 : 4) & 15) << low);
    }
}

#endif /* ATTN_BASE_SLAB_H */
