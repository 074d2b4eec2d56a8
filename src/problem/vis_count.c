/* SPDX-License-Identifier: MIT */
/*
 * Counting visible keys by tiles: only partial ones are looked at pair by
 * pair.
 */
#include "problem/vis_count.h"

enum { BLOCK = 128 };

void attn__vis_count(const struct attn__vis *v, int64_t r0, int64_t r1, int64_t *count)
{
    int64_t lo, hi, rows = r1 - r0;
    uint64_t bits[BLOCK];
    for (int64_t r = 0; r < rows; r++)
        count[r] = 0;
    attn__vis_hull(v, r0, r1, &lo, &hi);
    for (int64_t j = lo; j < hi; j += BLOCK) {
        int64_t end = hi - j < BLOCK ? hi : j + BLOCK;
        enum attn__tile class = attn__vis_tile(v, r0, r1, j, end);
        if (class == ATTN__TILE_EMPTY)
            continue;
        if (class == ATTN__TILE_PARTIAL)
            attn__vis_bits(v, r0, r1, j, end, bits);
        for (int64_t r = 0; r < rows; r++) {
            int64_t seen = end - j;
            for (int64_t n = 0; n < end - j && class == ATTN__TILE_PARTIAL; n++)
                seen -= !(bits[n] >> r & 1);
            count[r] += seen;
        }
    }
}
