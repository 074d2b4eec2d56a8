/* SPDX-License-Identifier: MIT */
/*
 * The caller's own rule. It is asked for classes first, of the tile and then
 * of slices of it, so that little of a tile is told pair by pair.
 */
#include "problem/vis_piece.h"

#include <math.h>
#include <string.h>

enum { SLICE = 16, MOST = 64 };

static int32_t ask(const struct attn__vis *v, uint8_t *visible, int64_t h, int64_t i0, int64_t i1,
                   int64_t j0, int64_t j1)
{
    return v->p->mask_fn(v->user, visible, visible ? SLICE : 0, visible ? 1 : 0, v->seq, h, i0,
                         i1 - i0, j0, j1 - j0);
}

enum attn__tile attn__vis_user_tile(const struct attn__vis *v, const struct attn__vis_rows *r,
                                    int64_t j0, int64_t j1)
{
    int32_t all = ask(v, NULL, v->h0, r->i0, r->i1, j0, j1);

    for (int64_t h = 1; h < v->group && (all == 0 || all == 1); h++)
        if (ask(v, NULL, v->h0 + h, r->i0, r->i1, j0, j1) != all)
            return ATTN__TILE_PARTIAL;
    return all == 0 ? ATTN__TILE_EMPTY : all == 1 ? ATTN__TILE_FULL : ATTN__TILE_PARTIAL;
}

/* Which queries see key k of a slice, as bits from i0 on. */
static void queries_of(const struct attn__vis *v, const struct attn__vis_rows *r, int64_t h,
                       int64_t j0, int64_t j1, uint64_t queries[SLICE])
{
    uint8_t visible[MOST][SLICE];
    const uint8_t *row[MOST];
    int32_t class = ask(v, NULL, v->h0 + h, r->i0, r->i1, j0, j1);

    if (class != 0 && class != 1) {
        memset(visible, 0, (size_t)(r->i1 - r->i0) * SLICE);
        class = ask(v, visible[0], v->h0 + h, r->i0, r->i1, j0, j1);
    }
    for (int k = 0; k < SLICE; k++)
        queries[k] = class == 0 ? 0 : ~UINT64_C(0);
    if (class == 0 || class == 1)
        return;
    for (int64_t i = 0; i < r->i1 - r->i0; i++)
        row[i] = visible[i];
    for (int k = 0; k < SLICE; k += 8)
        attn__vis_mask_eight(row, r->i1 - r->i0, k, queries + k);
}

/* Keys j0..j1-1, at most SLICE, for one head. */
static void slice_bits(const struct attn__vis *v, const struct attn__vis_rows *r, int64_t h,
                       int64_t j0, int64_t j1, uint64_t *bits)
{
    uint64_t queries[SLICE];

    queries_of(v, r, h, j0, j1, queries);
    for (int64_t k = 0; k < j1 - j0; k++) {
        if (v->group == 1) {
            bits[k] &= queries[k];
            continue;
        }
        for (int64_t i = r->i0; i < r->i1; i++) {
            int64_t bit = i * v->group + h - r->r0;
            if (bit >= 0 && bit < r->r1 - r->r0)
                bits[k] &= ~((~queries[k] >> (i - r->i0) & 1) << bit);
        }
    }
}

/* One row by itself; its bit is counted from r0. */
static void line_bits(const struct attn__vis *v, int64_t r, int64_t r0, int64_t j0, int64_t j1,
                      uint64_t *bits)
{
    int64_t i = attn__vis_query(v, r);
    struct attn__vis_rows row = {r, r + 1, i, i + 1};
    uint64_t seen[SLICE];

    for (int64_t j = j0; j < j1; j += SLICE) {
        int64_t end = j1 - j < SLICE ? j1 : j + SLICE;
        queries_of(v, &row, attn__vis_head(v, r) - v->h0, j, end, seen);
        for (int64_t k = j; k < end; k++)
            bits[k - j0] &= ~((~seen[k - j] & 1) << (r - r0));
    }
}

void attn__vis_user_bits(const struct attn__vis *v, const struct attn__vis_rows *r, int64_t j0,
                         int64_t j1, uint64_t *bits)
{
    for (int64_t h = 0; h < v->group && !v->lines; h++)
        for (int64_t j = j0; j < j1; j += SLICE)
            slice_bits(v, r, h, j, j1 - j < SLICE ? j1 : j + SLICE, bits + (j - j0));
    for (int64_t n = r->r0; n < r->r1 && v->lines; n++)
        line_bits(v, n, r->r0, j0, j1, bits);
}

void attn__vis_user_hide(const struct attn__vis *v, int64_t r, int64_t j0, int64_t j1, float *s)
{
    uint64_t bits[SLICE];

    for (int64_t j = j0; j < j1; j += SLICE) {
        int64_t end = j1 - j < SLICE ? j1 : j + SLICE;
        for (int64_t k = 0; k < end - j; k++)
            bits[k] = 1;
        line_bits(v, r, r, j, end, bits);
        for (int64_t k = j; k < end; k++)
            s[k - j0] = bits[k - j] ? s[k - j0] : -INFINITY;
    }
}
