/* SPDX-License-Identifier: MIT */
/*
 * Visibility that is no run of keys: stripes of blocks, and what execute
 * brings, segments and masks.
 */
#include "problem/vis_piece.h"

#include <math.h>
#include <string.h>

/* unit, stride, phase: the first block from `at` on that is shown. */
static int64_t next_stripe(const int64_t *val, int64_t at)
{
    int64_t past = at % val[1] + val[2] % val[1]; /* both below the stride */
    past %= val[1];
    past += past < 0 ? val[1] : 0;
    return past == 0 ? at : attn__vis_add(at, val[1] - past);
}

enum attn__tile attn__vis_stride_tile(const int64_t *val, int64_t j0, int64_t j1)
{
    int64_t first = j0 / val[0], last = (j1 - 1) / val[0], next = next_stripe(val, first);

    if (next > last)
        return ATTN__TILE_EMPTY;
    return val[1] == 1 || (first == last && next == first) ? ATTN__TILE_FULL : ATTN__TILE_PARTIAL;
}

uint64_t attn__vis_stride_word(const int64_t *val, int64_t j0, int64_t n)
{
    int64_t last = (j0 + n - 1) / val[0];
    uint64_t word = 0;

    for (int64_t b = next_stripe(val, j0 / val[0]); b <= last;
         b = next_stripe(val, attn__vis_add(b, 1)))
        word |= attn__vis_run(j0, n, b * val[0], attn__vis_times(b + 1, val[0]));
    return word;
}

void attn__vis_segment_bits(const struct attn__vis *v, int64_t r0, int64_t r1, int64_t j0,
                            int64_t j1, uint64_t *bits)
{
    int64_t id[64];
    for (int64_t r = r0; r < r1; r++)
        id[r - r0] = attn__vis_id(&v->seg_q, attn__vis_query(v, r));
    for (int64_t j = j0; j < j1; j++) {
        int64_t key = attn__vis_id(&v->seg_k, j);
        uint64_t same = 0;
        for (int64_t r = 0; r < r1 - r0; r++)
            same |= (uint64_t)(id[r] == key) << r;
        bits[j - j0] &= same;
    }
}

void attn__vis_segment_hide(const struct attn__vis *v, int64_t r, int64_t j0, int64_t j1, float *s)
{
    int64_t id = attn__vis_id(&v->seg_q, attn__vis_query(v, r));
    for (int64_t j = j0; j < j1; j++)
        s[j - j0] = attn__vis_id(&v->seg_k, j) == id ? s[j - j0] : -INFINITY;
}

/* 1 in each byte that is not 0. */
static uint64_t nonzero_bytes(uint64_t x)
{
    const uint64_t low7 = UINT64_C(0x7f7f7f7f7f7f7f7f);
    return (((x & low7) + low7) | x) >> 7 & ~low7 >> 7;
}

/* Eight keys of a mask with dense rows: row r's eight bytes become bit r % 8
 * of a word's bytes, one byte a key. */
void attn__vis_mask_eight(const uint8_t *const *row, int64_t rows, int64_t j, uint64_t *bits)
{
    uint64_t seen[8] = {0};
    for (int64_t r = 0; r < rows; r += 8) {
        uint64_t word = 0;
        for (int64_t n = 0; n < 8 && r + n < rows; n++) {
            uint64_t x;
            memcpy(&x, row[r + n] + j, sizeof x);
            word |= nonzero_bytes(x) << n;
        }
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        word = __builtin_bswap64(word);
#endif
        for (int k = 0; k < 8; k++)
            seen[k] |= (word >> (8 * k) & 0xff) << r;
    }
    for (int k = 0; k < 8; k++)
        bits[k] &= seen[k];
}

static const uint8_t *mask_row(const struct attn__vis *v, int64_t r)
{
    return v->mask + attn__vis_query(v, r) * v->mask_row +
           (attn__vis_head(v, r) - v->h0) * v->mask_head;
}

void attn__vis_mask_bits(const struct attn__vis *v, int64_t r0, int64_t r1, int64_t j0, int64_t j1,
                         uint64_t *bits)
{
    const uint8_t *row[64];
    int64_t rows = r1 - r0, j = j0;
    for (int64_t r = 0; r < rows; r++)
        row[r] = mask_row(v, r0 + r);
    for (; v->mask_col == 1 && j + 8 <= j1; j += 8)
        attn__vis_mask_eight(row, rows, j, bits + (j - j0));
    for (; j < j1; j++)
        for (int64_t r = 0; r < rows; r++)
            bits[j - j0] &= ~((uint64_t)(row[r][j * v->mask_col] == 0) << r);
}

void attn__vis_mask_hide(const struct attn__vis *v, int64_t r, int64_t j0, int64_t j1, float *s)
{
    const uint8_t *row = mask_row(v, r);
    for (int64_t j = j0; j < j1; j++)
        s[j - j0] = row[j * v->mask_col] ? s[j - j0] : -INFINITY;
}
