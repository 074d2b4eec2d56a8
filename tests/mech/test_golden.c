/* SPDX-License-Identifier: MIT */
/*
 * The golden vectors, by every solver, in every element type; and the same
 * for the oracle that the random problems are held against.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../unit/unit.h"
#include "golden.h"
#include "oracle.h"

struct golden {
    const char *text;
    struct oracle_options o;
    int64_t b, hq, nq, nk;
    bool bias, sinks;
    const double *out, *lse, *probs;
};

static const struct golden cases[] = {
    {"softmax b=1 h=4/2 q=3 k=5 d=4/3 causal",
     {.hout = 4, .hk = 2, .hv = 2, .d = 4, .dv = 3, .causal = true, .window_left = ATTN_UNBOUNDED,
      .window_right = ATTN_UNBOUNDED, .scale = NAN},
     1, 4, 3, 5, false, false, golden_causal_out, golden_causal_lse, golden_causal_probs},
    {"softmax b=2 h=2 q=6 k=4 d=3 causal window=1,1 scale=0.75 softcap=2.5 bias",
     {.hout = 2, .hk = 2, .hv = 2, .d = 3, .dv = 3, .causal = true, .window_left = 1,
      .window_right = 1, .scale = 0.75, .softcap = 2.5},
     2, 2, 6, 4, true, false, golden_window_out, golden_window_lse, golden_window_probs},
    {"softmax b=1 h=6/3 q=4 k=4 d=5/2 align=top_left window=inf,-1 alibi sink_logits",
     {.hout = 6, .hk = 3, .hv = 3, .d = 5, .dv = 2, .top_left = true, .alibi = true,
      .window_left = ATTN_UNBOUNDED, .window_right = -1, .scale = NAN},
     1, 6, 4, 4, false, true, golden_sinks_out, golden_sinks_lse, golden_sinks_probs},
};

enum { N_CASES = sizeof cases / sizeof cases[0], ROOM = 256 };

struct tensors {
    attn_tensor q, k, v, bias, sinks, out, lse, probs;
    double memory[8][ROOM];
};

static void fill(attn_tensor *t, double *memory, int32_t dtype, int32_t rank,
                 const int64_t *shape, int a, int b)
{
    int64_t n = 1;
    for (int32_t i = 0; i < rank; i++)
        n *= shape[i];
    ck_assert_int_le(n, ROOM);
    ck_assert_int_eq(attn_tensor_init(t, memory, dtype, rank, shape), ATTN_OK);
    for (int64_t i = 0; i < n; i++)
        oracle_store((char *)memory + i * (int64_t)attn_dtype_size(dtype), dtype,
                     (double)((i * a + b) % 61 - 30) / 16);
}

static void make(struct tensors *x, const struct golden *g, int32_t dtype)
{
    const struct oracle_options *o = &g->o;
    int32_t row = dtype == ATTN_DTYPE_F64 ? dtype : ATTN_DTYPE_F32;
    int64_t q[4] = {g->b, g->hq, g->nq, o->d}, k[4] = {g->b, o->hk, g->nk, o->d};
    int64_t v[4] = {g->b, o->hv, g->nk, o->dv}, out[4] = {g->b, o->hout, g->nq, o->dv};
    int64_t pairs[4] = {g->b, o->hout, g->nq, g->nk}, bias[4] = {1, o->hout, g->nq, g->nk};
    fill(&x->q, x->memory[0], dtype, 4, q, 17, 5);
    fill(&x->k, x->memory[1], dtype, 4, k, 23, 1);
    fill(&x->v, x->memory[2], dtype, 4, v, 29, 7);
    fill(&x->bias, x->memory[3], row, 4, bias, 13, 3);
    fill(&x->sinks, x->memory[4], row, 1, &o->hout, 19, 2);
    fill(&x->out, x->memory[5], dtype, 4, out, 0, 0);
    fill(&x->lse, x->memory[6], row, 3, out, 0, 0);
    fill(&x->probs, x->memory[7], row, 4, pairs, 0, 0);
}

static void check(const attn_tensor *t, const double *want, double tolerance, const char *text)
{
    int64_t n = 1;
    for (int32_t i = 0; i < t->rank; i++)
        n *= t->shape[i];
    for (int64_t i = 0; i < n; i++) {
        double got = oracle_element(
            (const char *)t->data + i * (int64_t)attn_dtype_size(t->dtype), t->dtype);
        ck_assert_msg(got == want[i] || fabs(got - want[i]) <= tolerance * fmax(1, fabs(want[i])),
                      "%s: element %d is %.9g, expected %.9g", text, (int)i, got, want[i]);
    }
}

static void solve(attn_ctx *ctx, const struct golden *g, int32_t dtype, const char *solver,
                  bool probs)
{
    static const double tolerance[] = {
        [ATTN_DTYPE_F32] = 2e-6, [ATTN_DTYPE_F64] = 1e-9, [ATTN_DTYPE_F16] = 6e-4,
        [ATTN_DTYPE_BF16] = 5e-3};
    struct tensors x;
    char text[256];
    attn_desc *desc;
    attn_plan *plan;
    make(&x, g, dtype);
    snprintf(text, sizeof text, "%s dtype=%s%s", g->text, attn_dtype_name(dtype),
             probs ? " want=probs" : "");
    ck_assert_int_eq(attn_desc_parse(ctx, text, &desc), ATTN_OK);
    ck_assert_int_eq(attn_desc_set_text(desc, ATTN_PARAM_SOLVER, solver), ATTN_OK);
    int32_t status = attn_plan_create(ctx, desc, &plan);
    attn_desc_destroy(desc);
    if (status == ATTN_ERR_UNSUPPORTED && strcmp(solver, "reference") != 0)
        return;
    ck_assert_int_eq(status, ATTN_OK);
    attn_arg args[8] = {{ATTN_ROLE_Q, 0, &x.q},     {ATTN_ROLE_K, 0, &x.k},
                        {ATTN_ROLE_V, 0, &x.v},     {ATTN_ROLE_OUT, 0, &x.out},
                        {ATTN_ROLE_LSE, 0, &x.lse}};
    size_t n = 5;
    if (g->bias)
        args[n++] = (attn_arg){ATTN_ROLE_BIAS, 0, &x.bias};
    if (g->sinks)
        args[n++] = (attn_arg){ATTN_ROLE_SINK_LOGITS, 0, &x.sinks};
    if (probs)
        args[n++] = (attn_arg){ATTN_ROLE_PROBS, 0, &x.probs};
    ck_assert_int_eq(attn_plan_execute(plan, args, n, NULL, 0), ATTN_OK);
    attn_plan_destroy(plan);
    check(&x.out, g->out, tolerance[dtype], text);
    check(&x.lse, g->lse, dtype == ATTN_DTYPE_F64 ? 1e-9 : 2e-6, text);
    if (probs)
        check(&x.probs, g->probs, dtype == ATTN_DTYPE_F64 ? 1e-9 : 2e-6, text);
}

START_TEST(solvers)
{
    attn_ctx *ctx;
    const char *solver;
    ck_assert_int_eq(attn_ctx_create(NULL, &ctx), ATTN_OK);
    for (size_t s = 0; (solver = attn_solver_at(s)) != NULL; s++)
        for (int n = 0; n < N_CASES; n++)
            for (int32_t dtype = ATTN_DTYPE_F32; dtype <= ATTN_DTYPE_BF16; dtype++) {
                solve(ctx, &cases[n], dtype, solver, false);
                solve(ctx, &cases[n], dtype, solver, true);
            }
    attn_ctx_destroy(ctx);
}
END_TEST

static void close_to(const double *got, const double *want, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        ck_assert_msg(got[i] == want[i] || fabs(got[i] - want[i]) < 1e-9 * (1 + fabs(want[i])),
                      "element %d is %.12g, expected %.12g", (int)i, got[i], want[i]);
}

START_TEST(oracle)
{
    for (int n = 0; n < N_CASES; n++) {
        const struct golden *g = &cases[n];
        struct tensors x;
        struct oracle_result r;
        make(&x, g, ATTN_DTYPE_F64);
        struct oracle_inputs in = {.q = &x.q, .k = &x.k, .v = &x.v};
        in.bias = g->bias ? &x.bias : NULL;
        in.sink_logits = g->sinks ? &x.sinks : NULL;
        ck_assert(oracle_run(&g->o, &in, 0, 0, &r));
        int64_t rows = g->b * g->o.hout * g->nq;
        close_to(r.out, g->out, rows * g->o.dv);
        close_to(r.lse, g->lse, rows);
        close_to(r.probs, g->probs, rows * g->nk);
        oracle_free(&r);
    }
}
END_TEST

UNIT_MAIN("golden", solvers, oracle)
