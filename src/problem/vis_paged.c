/* SPDX-License-Identifier: MIT */
/*
 * Visibility of keys in pages, where that is not told by pieces: keys that were
 * removed or pruned, and steps that branch.
 */
#include <math.h>

#include "problem/vis_piece.h"

enum attn__tile attn__vis_paged_tile(const struct attn__vis *v, int64_t j0, int64_t j1)
{
    bool none, all = attn__paged_all(v->odd, j0, j1, &none);

    return none ? ATTN__TILE_EMPTY : all ? ATTN__TILE_FULL : ATTN__TILE_PARTIAL;
}

void attn__vis_paged_bits(const struct attn__vis *v, int64_t r0, int64_t r1, int64_t j0,
                          int64_t j1, uint64_t *bits)
{
    for (int64_t j = j0; j < j1; j += ATTN__VIS_WORD) {
        int64_t n = j1 - j < ATTN__VIS_WORD ? j1 - j : ATTN__VIS_WORD, before = -1;
        uint64_t word = 0;
        for (int64_t r = r0; r < r1; r++) {
            int64_t i = attn__vis_query(v, r);
            if (i != before)
                word = attn__paged_word(v->odd, i, j, n);
            before = i;
            for (int64_t k = 0; k < n; k++)
                if (!(word >> k & 1))
                    bits[j - j0 + k] &= ~(UINT64_C(1) << (r - r0));
        }
    }
}

void attn__vis_paged_hide(const struct attn__vis *v, int64_t r, int64_t j0, int64_t j1, float *s)
{
    for (int64_t j = j0; j < j1; j += ATTN__VIS_WORD) {
        int64_t n = j1 - j < ATTN__VIS_WORD ? j1 - j : ATTN__VIS_WORD;
        uint64_t word = attn__paged_word(v->odd, attn__vis_query(v, r), j, n);
        for (int64_t k = 0; k < n; k++)
            s[j - j0 + k] = word >> k & 1 ? s[j - j0 + k] : -INFINITY;
    }
}
