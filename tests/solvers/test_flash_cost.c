/* SPDX-License-Identifier: MIT */
/*
 * Tiles that flash proposes fit its rooms, and its cost grows with the work.
 */
#include <stdio.h>

#include <attn/context.h>

#include "solvers/flash_cost.h"

static int failed;

static void expect(bool ok, const char *what, int64_t q, int64_t k, int64_t d)
{
    if (ok)
        return;
    fprintf(stderr, "error: q=%lld k=%lld d=%lld: %s\n", (long long)q, (long long)k, (long long)d,
            what);
    failed = 1;
}

static bool legal(const struct attn__tiles *t, int64_t lanes)
{
    return (t->rows == lanes || t->rows == 2 * lanes) && t->keys > 0 && t->pass > 0 &&
           (int64_t)t->rows * t->pass <= ATTN__FLASH_ROWS;
}

static void check(const struct attn__kernels *kern, int64_t q, int64_t k, int64_t d)
{
    struct attn__machine m = {.kern = kern, .threads = 1};
    struct attn__problem p = {.d = d, .dv = d, .hout = 2, .max_group = 1, .n_groups = 2,
                              .dtype = ATTN_DTYPE_F32, .kv_dtype = ATTN_DTYPE_F32};
    struct attn__tiles first = attn__flash_tiles(&p, &m, q, k), more[ATTN__MORE_TILES];
    expect(legal(&first, kern->lanes), "the tiles are too large", q, k, d);
    int32_t n = attn__flash_more_tiles(&p, &m, q, k, more);
    expect(n >= 0 && n <= ATTN__MORE_TILES, "too many alternatives", q, k, d);
    for (int32_t i = 0; i < n; i++) {
        expect(legal(&more[i], kern->lanes), "an alternative is too large", q, k, d);
        expect(more[i].rows != first.rows || more[i].pass != first.pass, "is no alternative", q, k,
               d);
    }
    double here = attn__flash_cost(&p, &m, q, k);
    expect(here > 0, "costs nothing", q, k, d);
    expect(attn__flash_cost(&p, &m, q + 64, k) > here, "more rows cost less", q, k, d);
    expect(attn__flash_cost(&p, &m, q, k + 64) > here, "more keys cost less", q, k, d);
    /* Uneven groups have the rows of their heads, not of the largest group for each. */
    struct attn__problem even = p, uneven = p;
    even.hout = uneven.hout = 12;
    even.n_groups = uneven.n_groups = 3;
    even.max_group = 4;
    uneven.max_group = 6;
    double ratio = attn__flash_cost(&uneven, &m, q, k) / attn__flash_cost(&even, &m, q, k);
    expect(ratio > 0.8 && ratio < 1.25, "uneven groups cost otherwise", q, k, d);
}

int main(void)
{
    static const int32_t levels[] = {ATTN_ISA_C, ATTN_ISA_AVX2, ATTN_ISA_AVX512};
    for (size_t l = 0; l < sizeof levels / sizeof levels[0]; l++) {
        struct attn__kernels kern;
        attn__kernels_select(levels[l], &kern);
        for (int64_t q = 1; q <= 4096; q *= 4)
            for (int64_t k = 1; k <= 4096; k *= 8)
                for (int64_t d = 16; d <= 512; d *= 2)
                    check(&kern, q, k, d);
    }
    return failed;
}
