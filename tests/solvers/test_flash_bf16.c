/* SPDX-License-Identifier: MIT */
/*
 * Tiles in pairs of bf16: plain and awkward rows, odd widths and a skipped
 * beginning of the block, against double.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <attn/context.h>

#include "solvers/flash_bf16.h"
#include "solvers/rows_load.h"

enum { KEYS = 24, MOST = 40, W = 16, SKIP = 4 };

static int failed;

static void expect(bool ok, const char *what, int64_t d, int64_t dv, int64_t col)
{
    if (ok)
        return;
    fprintf(stderr, "error: d=%lld dv=%lld, elements %lld apart: %s\n", (long long)d,
            (long long)dv, (long long)col, what);
    failed = 1;
}

static double number(int64_t i, int64_t e, int64_t more)
{
    return (double)((i * 37 + e * 11 + more) % 64 - 32) / 32; /* exact in bf16 */
}

static void check(const struct attn__kernels *kern, int64_t d, int64_t dv, int64_t col)
{
    static uint16_t k_mem[KEYS * 2 * MOST], v_mem[KEYS * 2 * MOST];
    static char ws[1 << 16];
    static float room[KEYS * MOST], room2[KEYS * MOST], q[W * MOST];
    static uint32_t qt[MOST * W];
    static float st[KEYS * W], ot[MOST * W], m[W], l[W];
    struct attn__problem p = {.d = d, .dv = dv, .compute = ATTN_COMPUTE_BF16,
                              .dtype = ATTN_DTYPE_F32, .kv_dtype = ATTN_DTYPE_BF16};
    struct attn__rows k = {
        .base = (char *)k_mem, .row = 2 * MOST, .col = col, .dtype = ATTN_DTYPE_BF16};
    struct attn__rows v = {
        .base = (char *)v_mem, .row = 2 * MOST, .col = col, .dtype = ATTN_DTYPE_BF16};
    struct attn__scratch s = {.base = ws, .ok = true};
    struct attn__flash_bf16 wk;
    const struct attn__call call = {.p = &p};
    const struct attn__qk qk = {.c = &call};
    attn__flash_bf16_take(&s, &p, KEYS, W, &wk);
    expect(s.ok && s.used <= sizeof ws, "the test's memory is too small", d, dv, col);

    for (int64_t j = 0; j < KEYS; j++) {
        for (int64_t e = 0; e < d; e++)
            attn__rows_store(&k, j, e, number(j, e, 0));
        for (int64_t e = 0; e < dv; e++)
            attn__rows_store(&v, j, e, number(j, e, 5));
    }
    for (int64_t i = 0; i < W; i++)
        for (int64_t e = 0; e < d; e++)
            q[i * d + e] = (float)number(i, e, 9);
    kern->tile_pack_q_bf16(q, d, W, d, W, qt);
    for (int64_t i = 0; i < W; i++) {
        m[i] = -INFINITY;
        l[i] = 0;
    }
    memset(ot, 0, sizeof ot);

    /* keys 1 to KEYS - 1, of which the first SKIP are left out: an odd rest */
    int64_t nk = KEYS - 1 - SKIP;
    struct attn__flash_bf16_block b =
        attn__flash_bf16_load(kern, &qk, 0, &k, &v, 1, KEYS - 1, room, room2, &wk);
    attn__flash_bf16_scores(kern, &b, SKIP, nk, qt, W, 0.25f, st);
    attn__flash_bf16_values(kern, &b, SKIP, nk, st, W, m, l, ot);
    double worst = 0;
    for (int64_t i = 0; i < W; i++) {
        double sum = 0, out[MOST] = {0};
        for (int64_t j = 1 + SKIP; j < KEYS; j++) {
            double x = 0;
            for (int64_t e = 0; e < d; e++)
                x += 0.25 * number(i, e, 9) * number(j, e, 0);
            sum += exp2(x);
            for (int64_t e = 0; e < dv; e++)
                out[e] += exp2(x) * number(j, e, 5);
        }
        for (int64_t e = 0; e < dv; e++) {
            double off = fabs(ot[e * W + i] / l[i] - out[e] / sum);
            worst = fmax(worst, isnan(off) ? INFINITY : off);
        }
    }
    /* weights err by 2^-9 of themselves, and so does their sum; |v| <= 1 */
    expect(worst <= 0x1p-8, "result", d, dv, col);
}

int main(void)
{
    static const int32_t levels[] = {ATTN_ISA_C, ATTN_ISA_AVX512_BF16};
    static const int64_t widths[][2] = {{1, 1}, {2, 3}, {7, 16}, {16, 17}, {33, 32}, {40, 40}};
    for (size_t n = 0; n < 2; n++) {
        struct attn__kernels kern;
        attn__kernels_select(levels[n], &kern);
#if defined __x86_64__
        if (n == 1 && !__builtin_cpu_supports("avx512bf16"))
            continue;
#endif
        if (kern.isa != levels[n])
            continue;
        for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++)
            for (int64_t col = 1; col <= 2; col++)
                check(&kern, widths[i][0], widths[i][1], col);

        struct attn__machine m = {.kern = &kern};
        struct attn__problem p = {.compute = ATTN_COMPUTE_BF16, .kv_dtype = ATTN_DTYPE_BF16};
        expect(attn__flash_bf16_serves(&p, &m) == (n == 1), "only where it is fast", 0, 0, 0);
        p.kv_dtype = ATTN_DTYPE_F16;
        expect(!attn__flash_bf16_serves(&p, &m), "only bf16 data", 0, 0, 0);
        p.kv_dtype = ATTN_DTYPE_BF16;
        p.compute = ATTN_COMPUTE_F32;
        expect(!attn__flash_bf16_serves(&p, &m), "only if allowed", 0, 0, 0);
    }
    return failed;
}
