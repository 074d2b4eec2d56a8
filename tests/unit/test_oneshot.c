/* SPDX-License-Identifier: MIT */
/* attn_softmax_f32: the bits of the plan, the numbers of the formula, the errors of its parts. */
#include <math.h>
#include <string.h>

#include <attn/attn.h>

#include "unit.h"

enum { B = 2, HQ = 4, HK = 2, NQ = 5, NK = 9, D = 16 };

static float q[B * HQ * NQ * D], k[B * HK * NK * D], v[B * HK * NK * D];
static float out[B * HQ * NQ * D], planned[B * HQ * NQ * D];

static void fill(float *x, size_t n, uint32_t state)
{
    for (size_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        x[i] = (float)(state >> 8) * 0x1p-23f - 1;
    }
}

static double expected(int64_t b, int64_t h, int64_t i, int64_t c, int64_t last)
{
    const float *row = q + ((b * HQ + h) * NQ + i) * D;
    double sum = 0, value = 0;

    for (int64_t j = 0; j <= last; j++) {
        int64_t at = ((b * HK + h / (HQ / HK)) * NK + j) * D;
        double s = 0;

        for (int64_t e = 0; e < D; e++)
            s += (double)row[e] * k[at + e];
        s = exp(s / sqrt(D));
        sum += s;
        value += s * v[at + c];
    }
    return value / sum;
}

static void run_plan(attn_ctx *ctx, const char *problem)
{
    const int64_t shape_q[] = {B, HQ, NQ, D}, shape_k[] = {B, HK, NK, D};
    attn_tensor tq, tk, tv, to;
    attn_desc *desc;
    attn_plan *plan;

    attn_tensor_init(&tq, q, ATTN_DTYPE_F32, 4, shape_q);
    attn_tensor_init(&tk, k, ATTN_DTYPE_F32, 4, shape_k);
    attn_tensor_init(&tv, v, ATTN_DTYPE_F32, 4, shape_k);
    attn_tensor_init(&to, planned, ATTN_DTYPE_F32, 4, shape_q);
    ck_assert_int_eq(attn_desc_parse(ctx, problem, &desc), ATTN_OK);
    ck_assert_int_eq(attn_plan_create(ctx, desc, &plan), ATTN_OK);
    const attn_arg args[] = {{ATTN_ROLE_OUT, 0, &to},
                             {ATTN_ROLE_V, 0, &tv},
                             {ATTN_ROLE_K, 0, &tk},
                             {ATTN_ROLE_Q, 0, &tq}};
    ck_assert_int_eq(attn_plan_execute(plan, args, 4, NULL, 0), ATTN_OK);
    attn_plan_destroy(plan);
    attn_desc_destroy(desc);
}

START_TEST(same_as_plan_and_formula)
{
    attn_ctx *ctx;

    fill(q, sizeof q / sizeof q[0], 1);
    fill(k, sizeof k / sizeof k[0], 2);
    fill(v, sizeof v / sizeof v[0], 3);
    ck_assert_int_eq(attn_ctx_create(NULL, &ctx), ATTN_OK);
    for (int32_t causal = 0; causal <= 1; causal++) {
        ck_assert_int_eq(attn_softmax_f32(ctx, B, HQ, HK, NQ, NK, D, causal, q, k, v, out),
                         ATTN_OK);
        run_plan(ctx, causal ? "softmax b=2 h=4/2 q=5 k=9 d=16 causal"
                             : "softmax b=2 h=4/2 q=5 k=9 d=16");
        ck_assert_mem_eq(out, planned, sizeof out);
        for (int64_t x = 0; x < B * HQ * NQ * D; x++) {
            int64_t i = x / D % NQ;
            double want = expected(x / D / NQ / HQ, x / D / NQ % HQ, i, x % D,
                                   causal ? i + NK - NQ : NK - 1);
            ck_assert_double_le(fabs(out[x] - want), 1e-5);
        }
    }
    attn_ctx_destroy(ctx);
}
END_TEST

START_TEST(errors)
{
    attn_ctx *ctx;

    ck_assert_int_eq(attn_ctx_create(NULL, &ctx), ATTN_OK);
    out[0] = 77;
    ck_assert_int_eq(attn_softmax_f32(NULL, 1, 1, 1, 1, 1, 1, 0, q, k, v, out), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_softmax_f32(ctx, 0, 1, 1, 1, 1, 1, 0, q, k, v, out), ATTN_ERR_INVALID);
    ck_assert_int_eq(attn_softmax_f32(ctx, 1, 1, 1, -1, 1, 1, 0, q, k, v, out), ATTN_ERR_INVALID);
    ck_assert_int_eq(attn_softmax_f32(ctx, 1, 1, 1, 1, 1, 1, 2, q, k, v, out), ATTN_ERR_INVALID);
    ck_assert_int_eq(attn_softmax_f32(ctx, 1, 3, 2, 1, 1, 1, 0, q, k, v, out), ATTN_ERR_INVALID);
    ck_assert_int_eq(attn_softmax_f32(ctx, 1, 1, 1, 1, 1, 1, 0, NULL, k, v, out), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_softmax_f32(ctx, 1, 1, 1, 1, 1, 1, 0, q, k, v, NULL), ATTN_ERR_NULL);
    ck_assert(out[0] == 77);
    ck_assert_int_eq(attn_softmax_f32(ctx, 1, 1, 1, 0, 1, 1, 0, NULL, k, v, NULL), ATTN_OK);
    /* No key at all: the row comes out as 0. */
    ck_assert_int_eq(attn_softmax_f32(ctx, 1, 1, 1, 1, 0, 1, 0, q, NULL, NULL, out), ATTN_OK);
    ck_assert(out[0] == 0);
    attn_ctx_destroy(ctx);
}
END_TEST

UNIT_MAIN("oneshot", same_as_plan_and_formula, errors)
