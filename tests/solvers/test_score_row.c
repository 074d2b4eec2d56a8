/* SPDX-License-Identifier: MIT */
/*
 * score_row: a row of scores becomes the weights of every normaliser, as
 * norm_exact has them in double. That rows come out right with all options is
 * seen through the solvers `rows` and `gemm` in ../mech.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "solvers/norm_exact.h"
#include "solvers/score_row.h"

enum { KEYS = 301 };

static int failed;

static void expect(int ok, int32_t kind, int64_t j, double got, double want)
{
    if (ok)
        return;
    fprintf(stderr, "error: kind %d: weight %lld is %.9g, expected %.9g\n", (int)kind,
            (long long)j, got, want);
    failed = 1;
}

/* What the row is made of: hidden keys at the end, one score of -inf. */
static void one(const struct attn__kernels *kern, int32_t kind, double level)
{
    static const int64_t zero = 0;
    static double room[KEYS];
    struct attn__problem p = {.b = 1, .hq = 1, .hk = 1, .hv = 1, .hout = 1, .q = 8, .k = KEYS,
                              .d = 1, .dv = 1, .q_head = &zero, .k_head = &zero, .v_head = &zero,
                              .norm = {.kind = kind, .power = 3, .n = 1, .gamma = 1, .bias = -2}};
    struct attn__call c = {.p = &p, .n_seq = 1};
    struct attn__seq seq = {.nq = 8, .nk = KEYS, .q_all = 8, .k_all = KEYS};
    struct attn__vis vis = {.p = &p, .nk = KEYS, .group = 1};
    struct attn__score x = {.c = &c, .kern = kern, .s = &seq, .v = &vis};
    struct attn__score_row row = {&x, &vis, 5, 0, KEYS, room};
    struct attn__norm_exact e;
    float s[KEYS], w[KEYS], m, l;
    p.norm.power = kind == ATTN_NORMALIZER_ENTMAX ? 1.5 : 3;
    for (int64_t j = 0; j < KEYS; j++)
        w[j] = s[j] = j == 7 ? -INFINITY : (float)(level + 2 * sin((double)j * 1.7));
    attn__score_row_weights(&row, w, &m, &l);
    int passes = attn__norm_exact_begin(&e, &p.norm, KEYS, KEYS, 5, room);
    for (int pass = 0; pass < passes; pass++) {
        for (int64_t j = 0; j < KEYS; j++)
            if (j != 7)
                attn__norm_exact_see(&e, (double)s[j]);
        attn__norm_exact_next(&e);
    }
    for (int64_t j = 0; j < KEYS; j++) {
        double want = j == 7 ? 0 : attn__norm_exact_weight(&e, (double)s[j]);
        expect(fabs((double)w[j] - want) <= 1e-5 * (fabs(want) + 1e-3), kind, j, (double)w[j],
               want);
    }
}

int main(void)
{
    struct attn__kernels kern;
    attn__kernels_select(ATTN_ISA_C, &kern);
    for (int32_t kind = ATTN_NORMALIZER_RELU; kind <= ATTN_NORMALIZER_ENTMAX; kind++) {
        one(&kern, kind, 0);
        one(&kern, kind, 3);
        if (kind != ATTN_NORMALIZER_RELU)
            one(&kern, kind, -20);
    }
    printf("%s: whole rows of %d scores\n", failed ? "FAIL" : "ok", KEYS);
    return failed;
}
