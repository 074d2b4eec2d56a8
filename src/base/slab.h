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
        if (attn__slab_bytewise(dtype))
            code[c] ^= 0x80;
        else
            code[c] = code[c] >> low & 15;
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

/* The codes of 32 words, of values: four rows of 32. */
static inline void attn__slab_values(const unsigned char *restrict words, int low,
                                     unsigned char mask, unsigned char *restrict code)
{
    for (int c = 0; c < 32; c++) {
        code[c] = words[4 * c] >> low & mask;
        code[32 + c] = words[4 * c + 1] >> low & mask;
        code[64 + c] = words[4 * c + 2] >> low & mask;
        code[96 + c] = words[4 * c + 3] >> low & mask;
    }
}

/* The same of keys: four numbers of each of 32 rows. */
static inline void attn__slab_keys(const unsigned char *restrict words, int low,
                                   unsigned char mask, unsigned char *restrict code)
{
    for (int n = 0; n < 32; n++)
        for (int i = 0; i < 4; i++)
            code[32 * n + i] = words[4 * n + i] >> low & mask;
}

/* attn__slab_get of all rows of a slab, whose blocks follow each other. */
static inline void attn__slab_get_all(int32_t dtype, const unsigned char *slab,
                                      unsigned char *block)
{
    bool bytes = attn__slab_bytewise(dtype);
    bool values = dtype == ATTN__DTYPE_Q8_0_VALUES || dtype == ATTN__DTYPE_Q4_0_VALUES;
    unsigned char code[ATTN__SLAB_ROWS * 32], mask = bytes ? 255 : 15;
    for (int g = 0; g < 8; g++) {
        const unsigned char *words = slab + 64 + 128 * (bytes ? g : g / 2);
        int low = bytes ? 0 : g % 2 * 4;
        if (values)
            attn__slab_values(words, low, mask, code + 128 * g);
        else
            attn__slab_keys(words, low, mask, code + 4 * g);
    }
    for (int n = 0; n < ATTN__SLAB_ROWS; n++, block += attn__dtype_row(dtype, 32)) {
        memcpy(block, slab + 2 * n, 2);
        for (int c = 0; c < 32 && bytes; c++)
            block[2 + c] = code[32 * n + c] ^ 0x80;
        for (int c = 0; c < 16 && !bytes; c++)
            block[2 + c] = (unsigned char)(code[32 * n + c] | code[32 * n + 16 + c] << 4);
    }
}

#endif /* ATTN_BASE_SLAB_H */
