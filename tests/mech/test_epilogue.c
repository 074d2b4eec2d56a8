/* SPDX-License-Identifier: MIT */
/*
 * What the options of finished rows (mech/epilogue_options) must equal, and
 * what they refuse.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../unit/unit.h"
#include "dense.h"

enum { B = 2, H = 4, HK = 2, NQ = 21, NK = 90, D = 24, DV = 20 };

#define SIZES "softmax b=2 h=4/2 q=40 k=150 d=24/20 causal "

static const double NEAR = 4e-6;
static const char *const SOLVERS[] = {"flash", "decode", "gemm", "reference"};

static void make(struct dense *x)
{
    dense_make(x, B, H, HK, NQ, NK, D, DV);
}

static float *floats(struct dense *x, int32_t role, int32_t rank, const int64_t *shape, float value)
{
    attn_tensor *t = dense_add(x, role, ATTN_DTYPE_F32, rank, shape, NULL);
    int64_t n = 1;
    for (int32_t i = 0; i < rank; i++)
        n *= shape[i];
    for (int64_t i = 0; i < n; i++)
        ((float *)t->data)[i] = value;
    return t->data;
}

/* Options that change nothing, whatever solver: the bits of OUT and LSE. */
START_TEST(nothing_changes)
{
    static const int64_t rows[4] = {B, H, NQ, DV}, heads[2] = {1, H}, alpha[3] = {1, H, 1};
    attn_ctx *ctx = dense_ctx(2);
    struct dense a, b;
    make(&a);
    for (int kind = 0; kind < 4; kind++) {
        static const char *const more[] = {"out_gate=multiply", "out_gate=sigmoid", "head_mix",
                                           "head_factor"};
        char text[200];
        make(&b);
        if (kind < 2)
            floats(&b, ATTN_ROLE_OUT_GATE, 4, rows, kind == 0 ? 1 : INFINITY);
        if (kind == 2)
            floats(&b, ATTN_ROLE_MIX_TARGET, 4, rows, NAN); /* never read */
        if (kind == 2)
            floats(&b, ATTN_ROLE_MIX_ALPHA, 3, alpha, 0);
        if (kind == 3)
            floats(&b, ATTN_ROLE_HEAD_FACTOR, 2, heads, 1);
        snprintf(text, sizeof text, SIZES "%s", more[kind]);
        for (size_t s = 0; s < 4; s++) {
            if (!dense_run(ctx, SIZES, SOLVERS[s], &a))
                continue;
            ck_assert(dense_run(ctx, text, SOLVERS[s], &b));
            ck_assert_msg(dense_distance(a.out, b.out, a.n_out) == 0, "%s %s", text, SOLVERS[s]);
            ck_assert_msg(dense_distance(a.lse, b.lse, a.n_lse) == 0, "%s %s", text, SOLVERS[s]);
        }
        dense_free(&b);
    }
    dense_free(&a);
    attn_ctx_destroy(ctx);
}
END_TEST

/* Heads of factor 0: exactly 0 and lse -inf, though their keys hold NaN, and
 * the other heads as if nothing had happened. */
START_TEST(heads_of_factor_zero)
{
    static const int64_t heads[2] = {B, H}, rows[4] = {B, H, NQ, DV}, alpha[3] = {1, H, 1};
    attn_ctx *ctx = dense_ctx(2);
    struct dense a, b;
    make(&a);
    for (size_t s = 0; s < 4; s++) {
        make(&b);
        float *f = floats(&b, ATTN_ROLE_HEAD_FACTOR, 2, heads, 1);
        f[0] = f[1] = 0; /* both heads of K head 0 of sequence 0 */
        f[H + 3] = 0;    /* one of two */
        floats(&b, ATTN_ROLE_MIX_TARGET, 4, rows, 1);
        floats(&b, ATTN_ROLE_MIX_ALPHA, 3, alpha, 0);
        for (int64_t e = 0; e < NK * D; e++)
            b.k[e] = NAN;
        if (!dense_run(ctx, SIZES, SOLVERS[s], &a)) {
            dense_free(&b);
            continue;
        }
        ck_assert(dense_run(ctx, SIZES "head_factor head_mix", SOLVERS[s], &b));
        for (int64_t h = 0; h < B * H; h++)
            for (int64_t i = 0; i < NQ; i++) {
                bool off = f[h] == 0;
                ck_assert(b.lse[h * NQ + i] == (off ? -INFINITY : a.lse[h * NQ + i]));
                for (int64_t e = 0; e < DV; e++)
                    ck_assert(b.out[(h * NQ + i) * DV + e] ==
                              (off ? 0 : a.out[(h * NQ + i) * DV + e]));
            }
        dense_free(&b);
    }
    dense_free(&a);
    attn_ctx_destroy(ctx);
}
END_TEST

/* alpha 1 replaces, whatever the row was; a row that sees nothing is 0 under
 * any norm and gate; the norm takes away the size of the values. */
START_TEST(edges)
{
    static const int64_t rows[4] = {B, H, NQ, DV}, alpha[3] = {1, H, NQ};
    attn_ctx *ctx = dense_ctx(1);
    struct dense a, b;
    for (size_t s = 0; s < 4; s++) {
        make(&a);
        make(&b);
        floats(&b, ATTN_ROLE_MIX_TARGET, 4, rows, 0.5f);
        float *x = floats(&b, ATTN_ROLE_MIX_ALPHA, 3, alpha, 0);
        x[NQ - 1] = 1; /* the last row of head 0 */
        b.q[(NQ - 1) * D] = NAN;
        if (dense_run(ctx, SIZES, SOLVERS[s], &a)) {
            ck_assert(dense_run(ctx, SIZES "head_mix", SOLVERS[s], &b));
            ck_assert(b.out[(NQ - 1) * DV + 3] == 0.5f);
            ck_assert(b.out[(NQ - 2) * DV + 3] == a.out[(NQ - 2) * DV + 3]);
        }
        dense_free(&b);
        make(&b);
        floats(&b, ATTN_ROLE_OUT_GATE, 4, rows, NAN);
        if (dense_run(ctx, SIZES "window=inf,-200 out_norm=rms out_norm_eps=0 out_gate=multiply",
                      SOLVERS[s], &b))
            for (size_t e = 0; e < b.n_out; e++)
                ck_assert(b.out[e] == 0);
        dense_free(&b);
        make(&b);
        for (int64_t e = 0; e < B * HK * NK * DV; e++)
            b.v[e] *= 1e15f;
        const char *norm = SIZES "out_norm=rms out_norm_eps=0 out_scale=3";
        if (dense_run(ctx, norm, SOLVERS[s], &a)) {
            ck_assert(dense_run(ctx, norm, SOLVERS[s], &b));
            ck_assert_double_lt(dense_distance(a.out, b.out, a.n_out), NEAR);
            double sum = 0;
            for (int64_t e = 0; e < DV; e++)
                sum += (double)a.out[e] * a.out[e] / DV;
            ck_assert_double_eq_tol(sqrt(sum), 3, 1e-5);
        }
        dense_free(&a);
        dense_free(&b);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

START_TEST(refused)
{
    static const char *const texts[][2] = {{SIZES "out_norm_eps=1", "out_norm is not"},
                                           {SIZES "out_norm_weight", "out_norm is not"}};
    static const int64_t rows[4] = {B, H, NQ, DV}, alpha[3] = {1, H, 1}, gate[4] = {B, H, NQ, 2};
    attn_ctx *ctx = dense_ctx(1);
    attn_desc *desc;
    attn_plan *plan;
    struct dense x;
    for (size_t n = 0; n < 2; n++) {
        ck_assert_int_eq(attn_desc_parse(ctx, texts[n][0], &desc), ATTN_OK);
        ck_assert_int_eq(attn_plan_create(ctx, desc, &plan), ATTN_ERR_INVALID);
        ck_assert_ptr_nonnull(strstr(dense_error(), texts[n][1]));
        attn_desc_destroy(desc);
    }
    make(&x);
    floats(&x, ATTN_ROLE_MIX_TARGET, 4, rows, 0);
    float *a = floats(&x, ATTN_ROLE_MIX_ALPHA, 3, alpha, 0.5f);
    plan = dense_plan(ctx, SIZES "head_mix check=data", NULL);
    ck_assert_int_eq(attn_plan_execute(plan, x.arg, x.n, NULL, 0), ATTN_OK);
    for (int n = 0; n < 3; n++) {
        a[2] = n == 0 ? 1.25f : n == 1 ? -0.5f : NAN;
        dense_clear(&x);
        ck_assert_int_eq(attn_plan_execute(plan, x.arg, x.n, NULL, 0), ATTN_ERR_DATA);
        ck_assert_ptr_nonnull(strstr(dense_error(), "mix_alpha"));
        ck_assert(isnan(x.out[0]));
    }
    attn_plan_destroy(plan);
    dense_free(&x);
    make(&x);
    floats(&x, ATTN_ROLE_OUT_GATE, 4, gate, 1);
    plan = dense_plan(ctx, SIZES "out_gate=sigmoid", NULL);
    ck_assert_int_eq(attn_plan_execute(plan, x.arg, x.n, NULL, 0), ATTN_ERR_SHAPE);
    ck_assert_ptr_nonnull(strstr(dense_error(), "out_gate"));
    attn_plan_destroy(plan);
    dense_free(&x);
    attn_ctx_destroy(ctx);
}
END_TEST

UNIT_MAIN("epilogue", nothing_changes, heads_of_factor_zero, edges, refused)
