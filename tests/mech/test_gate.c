/* SPDX-License-Identifier: MIT */
/*
 * Head gates: the rows that are computed have the bits of a run without gates
 * times their gate, the others are rows of nobody whatever their inputs hold,
 * and their work is not done.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../unit/unit.h"
#include "dense.h"
#include "rng.h"

enum { B = 2, H = 4, HK = 2, NQ = 75, NK = 200, D = 24, DV = 20, ROWS = B * H * NQ };

#define SIZES "softmax b=2 h=4/2 q=80 k=300 d=24/20 "

/* Those in front give a row the same bits whatever its neighbours are. */
static const char *const SOLVERS[] = {"flash", "decode", "rows", "gemm", "reference"};
enum { BITS = 2 };

static void make(struct dense *x)
{
    dense_make(x, B, H, HK, NQ, NK, D, DV);
}

static float *gates(struct dense *x, int percent, uint64_t seed)
{
    static const int64_t shape[3] = {B, H, NQ};
    struct rng r = {seed};
    float *g = dense_add(x, ATTN_ROLE_GATE, ATTN_DTYPE_F32, 3, shape, NULL)->data;
    for (int64_t i = 0; i < ROWS; i++)
        g[i] = rng_percent(&r, percent) ? (float)(1 + rng_normal(&r) / 2) : 0;
    return g;
}

static void check_row(const struct dense *a, const struct dense *b, int64_t row, float g,
                      bool exactly, const char *what)
{
    float lse = g == 0 ? -INFINITY : a->lse[row];
    ck_assert_msg(b->lse[row] == lse || (!exactly && fabsf(b->lse[row] - lse) < 1e-5f),
                  "%s: lse of row %d", what, (int)row);
    for (int64_t e = row * DV; e < (row + 1) * DV; e++) {
        float want = g == 0 ? 0 : a->out[e] * g;
        ck_assert_msg(exactly ? b->out[e] == want : fabsf(b->out[e] - want) < 1e-5f,
                      "%s: row %d is %g, expected %g", what, (int)row, (double)b->out[e],
                      (double)want);
    }
}

static void rows_as_without(const char *options, int percent)
{
    char plain[200], gated[200], what[300];
    attn_ctx *ctx = dense_ctx(2);
    struct dense a, b;
    make(&a);
    make(&b);
    const float *g = gates(&b, percent, 31);
    snprintf(plain, sizeof plain, SIZES "%s", options);
    snprintf(gated, sizeof gated, SIZES "%s head_gate", options);
    for (size_t s = 0; s < sizeof SOLVERS / sizeof SOLVERS[0]; s++) {
        dense_clear(&b);
        if (!dense_run(ctx, plain, SOLVERS[s], &a))
            continue;
        ck_assert(dense_run(ctx, gated, SOLVERS[s], &b));
        snprintf(what, sizeof what, "%s %s", gated, SOLVERS[s]);
        for (int64_t row = 0; row < ROWS; row++)
            check_row(&a, &b, row, g[row], s < BITS, what);
    }
    dense_free(&a);
    dense_free(&b);
    attn_ctx_destroy(ctx);
}

START_TEST(active_rows_keep_their_bits)
{
    static const char *const options[] = {"", "causal", "causal window=30,0", "alibi",
                                          "invariant=chunk causal", "softcap=3",
                                          "prefix=70 causal"};
    for (size_t n = 0; n < sizeof options / sizeof options[0]; n++)
        for (int percent = 20; percent <= 60; percent += 40)
            rows_as_without(options[n], percent);
    /* no tile has to be filled from rows apart, whatever the options */
    rows_as_without("causal", 0);
    rows_as_without("causal", 100);
}
END_TEST

/* NaN in the queries of rows that are not computed, and in K and V of a head
 * that nobody reads. */
START_TEST(poison_stays_where_it_is)
{
    attn_ctx *ctx = dense_ctx(1);
    struct dense a, b;
    make(&a);
    make(&b);
    float *g = gates(&b, 50, 7);
    for (int64_t i = 0; i < 2 * NQ; i++)
        g[i] = 0; /* both heads of K head 0 in sequence 0 */
    for (int64_t i = 0; i < NK * D; i++)
        b.k[i] = NAN;
    for (int64_t i = 0; i < NK * DV; i++)
        b.v[i] = INFINITY;
    for (int64_t row = 0; row < ROWS; row++)
        for (int64_t e = 0; e < D && g[row] == 0; e++)
            b.q[row * D + e] = NAN;
    for (size_t s = 0; s < sizeof SOLVERS / sizeof SOLVERS[0]; s++) {
        dense_clear(&b);
        if (!dense_run(ctx, SIZES "causal", SOLVERS[s], &a))
            continue;
        ck_assert(dense_run(ctx, SIZES "causal head_gate", SOLVERS[s], &b));
        for (int64_t row = 0; row < ROWS; row++)
            check_row(&a, &b, row, g[row], false, SOLVERS[s]);
    }
    dense_free(&a);
    dense_free(&b);
    attn_ctx_destroy(ctx);
}
END_TEST

START_TEST(any_number_of_threads)
{
    struct dense a, b;
    make(&a);
    make(&b);
    gates(&a, 40, 5);
    gates(&b, 40, 5);
    for (size_t s = 0; s < sizeof SOLVERS / sizeof SOLVERS[0]; s++)
        for (int64_t threads = 1; threads <= 4; threads++) {
            attn_ctx *ctx = dense_ctx(threads);
            struct dense *x = threads == 1 ? &a : &b;
            if (dense_run(ctx, SIZES "causal head_gate blas=never", SOLVERS[s], x)) {
                ck_assert(memcmp(a.out, x->out, a.n_out * sizeof *a.out) == 0);
                ck_assert(memcmp(a.lse, x->lse, a.n_lse * sizeof *a.lse) == 0);
            }
            attn_ctx_destroy(ctx);
        }
    dense_free(&a);
    dense_free(&b);
}
END_TEST

/* Pairs of rows that are not computed are not done; tiles are as many as the
 * active rows fill. */
START_TEST(skipped_work_is_told)
{
    static const int64_t four = 4;
    attn_ctx *ctx = dense_ctx(2);
    struct dense x;
    make(&x);
    const float *g = gates(&x, 50, 11);
    const int64_t *c = dense_add(&x, ATTN_ROLE_COUNTS, ATTN_DTYPE_I64, 1, &four, NULL)->data;
    int64_t active = 0;
    for (int64_t row = 0; row < ROWS; row++)
        active += g[row] != 0;
    for (size_t s = 0; s < sizeof SOLVERS / sizeof SOLVERS[0]; s++) {
        if (!dense_run(ctx, SIZES "head_gate want=counts", SOLVERS[s], &x))
            continue;
        ck_assert_int_eq(c[0], active * NK);
        ck_assert_int_eq(c[1], (int64_t)ROWS * NK);
        bool blocks = strcmp(SOLVERS[s], "gemm") == 0; /* each head is one block */
        ck_assert_msg(c[2] > 0 && 10 * c[2] < (blocks ? 11 : 8) * c[3], "%s: %d of %d",
                      SOLVERS[s], (int)c[2], (int)c[3]);
    }
    dense_free(&x);
    attn_ctx_destroy(ctx);
}
END_TEST

/* Outputs per pair of rows that are not computed: nothing is seen. */
START_TEST(pairs_of_skipped_rows)
{
    static const int64_t pairs[4] = {B, H, NQ, NK}, keys[3] = {B, H, NK};
    attn_ctx *ctx = dense_ctx(2);
    struct dense x;
    make(&x);
    const float *g = gates(&x, 50, 13);
    const float *p = dense_add(&x, ATTN_ROLE_PROBS, ATTN_DTYPE_F32, 4, pairs, NULL)->data;
    const float *s = dense_add(&x, ATTN_ROLE_SCORES_RAW, ATTN_DTYPE_F32, 4, pairs, NULL)->data;
    const float *sums = dense_add(&x, ATTN_ROLE_COLSUM, ATTN_DTYPE_F32, 3, keys, NULL)->data;
    for (size_t n = 0; n < sizeof SOLVERS / sizeof SOLVERS[0]; n++) {
        if (!dense_run(ctx, SIZES "head_gate want=probs,scores_raw,colsum", SOLVERS[n], &x))
            continue;
        double all = 0, active = 0;
        for (int64_t row = 0; row < ROWS; row++) {
            double sum = 0;
            for (int64_t j = row * NK; j < (row + 1) * NK; j++) {
                sum += (double)p[j];
                ck_assert(g[row] == 0 ? s[j] == -INFINITY : isfinite(s[j]));
            }
            ck_assert_double_eq_tol(sum, g[row] == 0 ? 0 : 1, 1e-5);
            active += g[row] != 0;
        }
        for (int64_t i = 0; i < B * H * NK; i++)
            all += (double)sums[i];
        ck_assert_double_eq_tol(all, active, 1e-2);
    }
    dense_free(&x);
    attn_ctx_destroy(ctx);
}
END_TEST

START_TEST(refused)
{
    static const int64_t turned[3] = {B, NQ, H};
    attn_ctx *ctx = dense_ctx(1);
    struct dense x;
    make(&x);
    float *g = gates(&x, 100, 3);
    attn_plan *plan = dense_plan(ctx, SIZES "head_gate", NULL);
    ck_assert_int_eq(attn_plan_execute(plan, x.arg, x.n, NULL, 0), ATTN_OK);
    g[(1 * H + 2) * NQ + 33] = NAN;
    dense_clear(&x);
    ck_assert_int_eq(attn_plan_execute(plan, x.arg, x.n, NULL, 0), ATTN_ERR_DATA);
    ck_assert_ptr_nonnull(strstr(dense_error(), "gate has nan at [1,2,33]"));
    ck_assert(isnan(x.out[0]));
    g[(1 * H + 2) * NQ + 33] = 1;
    g[ROWS - 1] = -INFINITY;
    ck_assert_int_eq(attn_plan_execute(plan, x.arg, x.n, NULL, 0), ATTN_ERR_DATA);
    ck_assert_ptr_nonnull(strstr(dense_error(), "gate has -inf at [1,3,74]"));
    ck_assert_int_eq(attn_plan_execute(plan, x.arg, x.n - 1, NULL, 0), ATTN_ERR_ROLE);
    dense_view(&x, ATTN_ROLE_GATE)->shape[0] = 1;
    ck_assert_int_eq(attn_plan_execute(plan, x.arg, x.n, NULL, 0), ATTN_ERR_SHAPE);
    ck_assert_ptr_nonnull(strstr(dense_error(), "gate has extent 1 in dimension 0, expected 2"));
    attn_tensor *t = dense_view(&x, ATTN_ROLE_GATE);
    for (int n = 0; n < 3; n++)
        t->shape[n] = turned[n];
    ck_assert_int_eq(attn_plan_execute(plan, x.arg, x.n, NULL, 0), ATTN_ERR_SHAPE);
    attn_plan_destroy(plan);
    plan = dense_plan(ctx, SIZES, NULL);
    ck_assert_int_eq(attn_plan_execute(plan, x.arg, x.n, NULL, 0), ATTN_ERR_ROLE);
    attn_plan_destroy(plan);
    dense_free(&x);
    attn_ctx_destroy(ctx);
}
END_TEST

UNIT_MAIN("gate", active_rows_keep_their_bits, poison_stays_where_it_is, any_number_of_threads,
          skipped_work_is_told, pairs_of_skipped_rows, refused)
