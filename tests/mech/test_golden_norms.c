/* SPDX-License-Identifier: MIT */
/*
 * The golden vectors of the normalisers, by every solver, in every element
 * type, at every ISA level.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../unit/unit.h"
#include "golden_norms.h"
#include "oracle.h"

enum { H = 2, NQ = 5, NK = 7, D = 4, DV = 3, ROOM = 128 };

static void fill(attn_tensor *t, void *memory, int32_t dtype, int64_t n, int64_t d, int a, int b)
{
    const int64_t shape[4] = {1, H, n, d};
    ck_assert_int_le(H * n * d, ROOM);
    ck_assert_int_eq(attn_tensor_init(t, memory, dtype, 4, shape), ATTN_OK);
    for (int64_t i = 0; i < H * n * d; i++)
        oracle_store((char *)memory + i * (int64_t)attn_dtype_size(dtype), dtype,
                     (double)((i * a + b) % 61 - 30) / 16);
}

static void check(const attn_tensor *t, const double *want, double tolerance, const char *text)
{
    /* weights that do not sum to 1 may be large, and cancel in the output */
    double size = 1;
    for (int64_t i = 0; i < H * NQ * t->shape[3]; i++)
        size = fmax(size, fabs(want[i]));
    for (int64_t i = 0; i < H * NQ * t->shape[3]; i++) {
        double got = oracle_element(
            (const char *)t->data + i * (int64_t)attn_dtype_size(t->dtype), t->dtype);
        ck_assert_msg(fabs(got - want[i]) <= tolerance * size,
                      "%s: element %d is %.12g, expected %.12g", text, (int)i, got, want[i]);
    }
}

/* lssar raises to the power 15 what is made of the scores: 15 times their
 * errors. */
static double tolerance(int32_t dtype, const char *options)
{
    static const double of[] = {[ATTN_DTYPE_F32] = 2e-6, [ATTN_DTYPE_F64] = 1e-9,
                                [ATTN_DTYPE_F16] = 6e-4, [ATTN_DTYPE_BF16] = 5e-3};
    return of[dtype] + (dtype != ATTN_DTYPE_F64 && strstr(options, "lssar") ? 3e-5 : 0);
}

/* True if the solver could serve it. */
static bool solve(attn_ctx *ctx, size_t n, int32_t dtype, const char *solver, bool probs)
{
    static double memory[5][ROOM];
    const char *options = golden_norm_cases[n].options;
    int32_t row = dtype == ATTN_DTYPE_F64 ? dtype : ATTN_DTYPE_F32;
    attn_tensor q, k, v, out, p;
    char text[256];
    attn_desc *desc;
    attn_plan *plan;
    fill(&q, memory[0], dtype, NQ, D, 17, 5);
    fill(&k, memory[1], dtype, NK, D, 23, 1);
    fill(&v, memory[2], dtype, NK, DV, 29, 7);
    fill(&out, memory[3], dtype, NQ, DV, 0, 0);
    fill(&p, memory[4], row, NQ, NK, 0, 0);
    snprintf(text, sizeof text, "softmax h=2 q=5 k=7 d=4/3 causal %s dtype=%s%s", options,
             attn_dtype_name(dtype), probs ? " want=probs" : "");
    ck_assert_int_eq(attn_desc_parse(ctx, text, &desc), ATTN_OK);
    if (solver)
        ck_assert_int_eq(attn_desc_set_text(desc, ATTN_PARAM_SOLVER, solver), ATTN_OK);
    int32_t status = attn_plan_create(ctx, desc, &plan);
    attn_desc_destroy(desc);
    if (status == ATTN_ERR_UNSUPPORTED && solver)
        return false;
    ck_assert_int_eq(status, ATTN_OK);
    attn_arg args[5] = {{ATTN_ROLE_Q, 0, &q},
                        {ATTN_ROLE_K, 0, &k},
                        {ATTN_ROLE_V, 0, &v},
                        {ATTN_ROLE_OUT, 0, &out},
                        {ATTN_ROLE_PROBS, 0, &p}};
    ck_assert_int_eq(attn_plan_execute(plan, args, probs ? 5 : 4, NULL, 0), ATTN_OK);
    attn_plan_destroy(plan);
    check(&out, golden_norm_cases[n].out, tolerance(dtype, options), text);
    if (probs)
        check(&p, golden_norm_cases[n].probs, tolerance(row, options), text);
    return true;
}

static void all(int32_t max_isa)
{
    attn_ctx *ctx;
    const char *solver;
    ck_assert_int_eq(attn_ctx_create(NULL, &ctx), ATTN_OK);
    ck_assert_int_eq(attn_ctx_set_i64(ctx, ATTN_CTX_MAX_ISA, max_isa), ATTN_OK);
    for (size_t n = 0; n < sizeof golden_norm_cases / sizeof golden_norm_cases[0]; n++)
        for (int32_t dtype = ATTN_DTYPE_F32; dtype <= ATTN_DTYPE_BF16; dtype++)
            for (int probs = 0; probs < 2; probs++) {
                ck_assert(solve(ctx, n, dtype, NULL, probs));
                for (size_t s = 0; (solver = attn_solver_at(s)) != NULL; s++)
                    solve(ctx, n, dtype, solver, probs);
            }
    attn_ctx_destroy(ctx);
}

START_TEST(solvers)
{
    int32_t isa;
    for (size_t n = 0; (isa = attn_isa_at(n)) >= 0; n++)
        if (attn_isa_usable(isa))
            all(isa);
}
END_TEST

/* The oracle that random problems are held against agrees as well. */
START_TEST(oracle)
{
    static double memory[3][ROOM];
    attn_tensor q, k, v;
    fill(&q, memory[0], ATTN_DTYPE_F64, NQ, D, 17, 5);
    fill(&k, memory[1], ATTN_DTYPE_F64, NK, D, 23, 1);
    fill(&v, memory[2], ATTN_DTYPE_F64, NK, DV, 29, 7);
    const struct oracle_inputs in = {.q = &q, .k = &k, .v = &v};
    attn_ctx *ctx;
    ck_assert_int_eq(attn_ctx_create(NULL, &ctx), ATTN_OK);
    for (size_t n = 0; n < sizeof golden_norm_cases / sizeof golden_norm_cases[0]; n++) {
        struct oracle_options o = {.hout = H, .hk = H, .hv = H, .d = D, .dv = DV, .causal = true,
                                   .window_left = ATTN_UNBOUNDED,
                                   .window_right = ATTN_UNBOUNDED, .scale = NAN};
        struct oracle_result r;
        attn_desc *desc;
        char text[256];
        int64_t value;
        o.norm = (struct oracle_norm){.power = NAN, .bias = NAN, .n = 1, .gamma = 1};
        snprintf(text, sizeof text, "softmax %s", golden_norm_cases[n].options);
        ck_assert_int_eq(attn_desc_parse(ctx, text, &desc), ATTN_OK);
        attn_desc_get_i64(desc, ATTN_PARAM_NORMALIZER, &value);
        o.norm.kind = (int32_t)value;
        if (attn_desc_get_i64(desc, ATTN_PARAM_NORM_COUNT, &value) == ATTN_OK)
            o.norm.count = (int32_t)value;
        attn_desc_get_f64(desc, ATTN_PARAM_NORM_POWER, &o.norm.power);
        attn_desc_get_f64(desc, ATTN_PARAM_NORM_BIAS, &o.norm.bias);
        attn_desc_get_f64(desc, ATTN_PARAM_NORM_N, &o.norm.n);
        attn_desc_get_f64(desc, ATTN_PARAM_NORM_GAMMA, &o.norm.gamma);
        attn_desc_destroy(desc);
        ck_assert(oracle_run(&o, &in, 0, 0, &r));
        for (int64_t i = 0; i < H * NQ * NK; i++)
            ck_assert_msg(fabs(r.probs[i] - golden_norm_cases[n].probs[i]) < 1e-9,
                          "%s: weight %d is %.12g, expected %.12g", text, (int)i, r.probs[i],
                          golden_norm_cases[n].probs[i]);
        for (int64_t i = 0; i < H * NQ * DV; i++)
            ck_assert_msg(fabs(r.out[i] - golden_norm_cases[n].out[i]) < 1e-9 * 50,
                          "%s: element %d is %.12g, expected %.12g", text, (int)i, r.out[i],
                          golden_norm_cases[n].out[i]);
        oracle_free(&r);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

/* LSE where the normaliser has none is refused before anything is written. */
START_TEST(no_lse)
{
    static double memory[4][ROOM];
    static const int64_t rows[3] = {1, H, NQ};
    attn_tensor q, k, v, out, lse;
    attn_ctx *ctx;
    attn_desc *desc;
    attn_plan *plan;
    char message[200];
    double before[ROOM];
    fill(&q, memory[0], ATTN_DTYPE_F64, NQ, D, 17, 5);
    fill(&k, memory[1], ATTN_DTYPE_F64, NK, D, 23, 1);
    fill(&v, memory[2], ATTN_DTYPE_F64, NK, DV, 29, 7);
    fill(&out, memory[3], ATTN_DTYPE_F64, NQ, DV, 0, 0);
    attn_tensor_init(&lse, memory[3] + 64, ATTN_DTYPE_F64, 3, rows);
    memcpy(before, memory[3], sizeof before);
    const attn_arg args[5] = {{ATTN_ROLE_Q, 0, &q},
                              {ATTN_ROLE_K, 0, &k},
                              {ATTN_ROLE_V, 0, &v},
                              {ATTN_ROLE_OUT, 0, &out},
                              {ATTN_ROLE_LSE, 0, &lse}};
    ck_assert_int_eq(attn_ctx_create(NULL, &ctx), ATTN_OK);
    ck_assert_int_eq(
        attn_desc_parse(ctx, "softmax h=2 q=5 k=7 d=4/3 dtype=f64 normalizer=sigmoid", &desc),
        ATTN_OK);
    ck_assert_int_eq(attn_plan_create(ctx, desc, &plan), ATTN_OK);
    attn_desc_destroy(desc);
    ck_assert_int_eq(attn_plan_execute(plan, args, 5, NULL, 0), ATTN_ERR_ROLE);
    attn_last_error(message, sizeof message);
    ck_assert_ptr_nonnull(strstr(message, "normalizer=sigmoid"));
    ck_assert_mem_eq(before, memory[3], sizeof before);
    ck_assert_int_eq(attn_plan_execute(plan, args, 4, NULL, 0), ATTN_OK);
    attn_plan_destroy(plan);
    attn_ctx_destroy(ctx);
}
END_TEST

UNIT_MAIN("golden_norms", solvers, oracle, no_lse)
