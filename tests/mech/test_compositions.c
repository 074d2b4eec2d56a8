/* SPDX-License-Identifier: MIT */
/*
 * Mechanisms that are not one of their own but several calls, as docs/mechanisms/
 * hpnet.md, deconstructed_attention.md and unified_view.md show them: the problem
 * strings here are those of the sheets, which is looked after too. Every solver that can
 * serve a call, against direct sums in double.
 *
 *     test_compositions DOCS_MECHANISMS
 */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "../unit/unit.h"
#include "dense.h"
#include "rng.h"

static const char *folder;

/* The sheet shows this problem. */
static void shown(const char *sheet, const char *text)
{
    static char page[16384];
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, sheet);
    FILE *f = fopen(path, "r");
    ck_assert_msg(f != NULL, "%s cannot be read", path);
    page[fread(page, 1, sizeof page - 1, f)] = 0;
    fclose(f);
    ck_assert_msg(strstr(page, text) != NULL, "%s does not show '%s'", sheet, text);
}

struct call {
    const char *text;
    attn_tensor t[8];
    attn_arg arg[8];
    size_t n;
};

static attn_tensor *give(struct call *c, int32_t role, int32_t dtype, void *data, int32_t rank,
                         const int64_t *shape)
{
    attn_tensor *t = &c->t[c->n];
    ck_assert_int_eq(attn_tensor_init(t, data, dtype, rank, shape), ATTN_OK);
    c->arg[c->n++] = (attn_arg){.role = role, .object = t};
    return t;
}

/* A view with strides of its own. */
static void view(struct call *c, int32_t role, float *data, const int64_t shape[4],
                 const int64_t stride[4])
{
    attn_tensor *t = give(c, role, ATTN_DTYPE_F32, data, 4, shape);
    memcpy(t->stride, stride, 4 * sizeof *stride);
}

static void random_floats(struct rng *r, float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (float)rng_normal(r);
}

/* Runs the call with one solver, or as the planner likes (NULL), and compares
 * out with want; false if the solver cannot serve it. */
static bool holds(attn_ctx *ctx, const struct call *c, const char *solver, float *out,
                  const double *want, size_t n, double logit)
{
    double error = 0, size = 0;
    for (size_t i = 0; i < n; i++)
        out[i] = NAN;
    attn_plan *plan = dense_plan(ctx, c->text, solver);
    if (!plan)
        return false;
    ck_assert_msg(attn_plan_execute(plan, c->arg, c->n, NULL, 0) == ATTN_OK, "%s: %s", c->text,
                  dense_error());
    attn_plan_destroy(plan);
    for (size_t i = 0; i < n; i++) {
        ck_assert_msg(isfinite(out[i]), "%s, %s: out[%zu] is %g", c->text,
                      solver ? solver : "chosen", i, (double)out[i]);
        error += (out[i] - want[i]) * (out[i] - want[i]);
        size += want[i] * want[i];
    }
    double bound = 8 * 0x1p-23 * (1 + logit / 4);
    ck_assert_msg(sqrt(error / size) <= bound, "%s, %s: relative RMS %g, bound %g", c->text,
                  solver ? solver : "chosen", sqrt(error / size), bound);
    return true;
}

static void all_solvers(const struct call *c, float *out, const double *want, size_t n,
                        double logit)
{
    attn_ctx *ctx = dense_ctx(2);
    const char *solver;
    int served = 0;
    for (size_t s = 0; (solver = attn_solver_at(s)) != NULL; s++)
        served += holds(ctx, c, solver, out, want, n, logit);
    ck_assert_int_ge(served, 2);
    holds(ctx, c, NULL, out, want, n, logit); /* stays in out */
    attn_ctx_destroy(ctx);
}

/* hpnet: states [T][A][M][C] of times, agents and modes. */
enum { T = 6, A = 5, M = 3, HEADS = 2, DH = 4, C = HEADS * DH, ALL = T * A * M * C, PAST = 3 };

static float x[ALL], y[ALL];
static uint8_t near_enough[T][1][A][A];
static const int32_t scene[A] = {7, 7, 7, 4, 4};

/* Who sees whom in each of the three: only one index differs. */
static bool agents(const int i[3], const int j[3])
{
    return i[0] == j[0] && i[2] == j[2] && i[1] != j[1] && scene[i[1]] == scene[j[1]] &&
           near_enough[i[0]][0][i[1]][j[1]];
}

static bool history(const int i[3], const int j[3])
{
    return i[1] == j[1] && i[2] == j[2] && i[0] - j[0] > 0 && i[0] - j[0] <= PAST;
}

static bool modes(const int i[3], const int j[3])
{
    return i[0] == j[0] && i[1] == j[1] && i[2] != j[2];
}

static void place(int n, int at[3])
{
    at[0] = n / (A * M);
    at[1] = n / M % A;
    at[2] = n % M;
}

/* Largest |score|. */
static double direct(bool (*sees)(const int i[3], const int j[3]), double *want)
{
    double most = 0;
    memset(want, 0, ALL * sizeof *want);
    for (int n = 0; n < T * A * M * HEADS; n++) {
        int i[3], h = n % HEADS;
        const float *q = x + n * DH;
        double sum = 0;
        place(n / HEADS, i);
        for (int m = 0; m < T * A * M; m++) {
            int j[3];
            const float *k = x + m * C + h * DH;
            double s = 0;
            place(m, j);
            if (!sees(i, j))
                continue;
            for (int e = 0; e < DH; e++)
                s += (double)q[e] * k[e] / sqrt(DH);
            most = fmax(most, fabs(s));
            sum += exp(s);
            for (int e = 0; e < DH; e++)
                want[n * DH + e] += exp(s) * k[e];
        }
        for (int e = 0; e < DH && sum > 0; e++)
            want[n * DH + e] /= sum;
    }
    return most;
}

/* One of the three: q, k, v and out are the same view of x and y. Then the
 * residual. */
static void hpnet_step(struct call *c, const int64_t shape[4], const int64_t stride[4],
                       bool (*sees)(const int i[3], const int j[3]))
{
    double want[ALL];
    shown("hpnet.md", c->text);
    view(c, ATTN_ROLE_Q, x, shape, stride);
    view(c, ATTN_ROLE_K, x, shape, stride);
    view(c, ATTN_ROLE_V, x, shape, stride);
    view(c, ATTN_ROLE_OUT, y, shape, stride);
    double logit = direct(sees, want);
    all_solvers(c, y, want, ALL, logit);
    for (int i = 0; i < ALL; i++)
        x[i] += y[i];
}

START_TEST(hpnet)
{
    static const int64_t masks[4] = {T, 1, A, A}, one[2] = {1, A};
    struct rng r = {5};
    random_floats(&r, x, ALL);
    for (int t = 0; t < T; t++)
        for (int n = 0; n < A * A; n++)
            near_enough[t][0][n / A][n % A] = rng_int(&r, 0, 3) != 0 && t != 2;

    /* agents of a scene and time, all but oneself; at t = 2 nobody is near */
    struct call c = {.text = "softmax b=6 h=6 q=5 k=5 d=4 segments mask any=band[inf,-1,0,1] "
                             "any=band[-1,inf,0,1]"};
    give(&c, ATTN_ROLE_SEG_Q, ATTN_DTYPE_I32, (void *)(uintptr_t)scene, 2, one);
    give(&c, ATTN_ROLE_SEG_K, ATTN_DTYPE_I32, (void *)(uintptr_t)scene, 2, one);
    give(&c, ATTN_ROLE_MASK, ATTN_DTYPE_U8, near_enough, 4, masks);
    hpnet_step(&c, (const int64_t[]){T, M * HEADS, A, DH},
               (const int64_t[]){A * M * C, DH, M * C, 1}, agents);
    for (int i = 0; i < A * M * C; i++)
        ck_assert(y[2 * A * M * C + i] == 0);

    /* the agent's own past, the present left out: nothing at t = 0 */
    c = (struct call){.text = "softmax b=5 h=6 q=6 k=6 d=4 window=3,-1"};
    hpnet_step(&c, (const int64_t[]){A, M * HEADS, T, DH},
               (const int64_t[]){M * C, DH, A * M * C, 1}, history);
    for (int i = 0; i < A * M * C; i++)
        ck_assert(y[i] == 0);

    /* the other modes */
    c = (struct call){
        .text = "softmax b=30 h=2 q=3 k=3 d=4 any=band[inf,-1,0,1] any=band[-1,inf,0,1]"};
    hpnet_step(&c, (const int64_t[]){T * A, HEADS, M, DH}, (const int64_t[]){M * C, DH, C, 1},
               modes);
}
END_TEST

/* deconstructed_attention: q, k, v [B][H][N][D]. */
enum { B = 2, H = 3, N = 9, D = 8, ROWS = B * H * N, NUMBERS = ROWS * D, PAIRS = H * N * N };

static const int64_t dense_shape[4] = {B, H, N, D};
static float q[NUMBERS], k[NUMBERS], v[NUMBERS], out[NUMBERS];

static double silu(double a)
{
    return a / (1 + exp(-a));
}

static double dot(const float *a, const float *b)
{
    double sum = 0;
    for (int e = 0; e < D; e++)
        sum += (double)a[e] * b[e];
    return sum / sqrt(D);
}

/* Causal weights weigh(q_i, k_j) / sum, of all values. */
static void weighted(double (*weigh)(const float *qi, const float *kj), bool one_batch,
                     double *want)
{
    memset(want, 0, NUMBERS * sizeof *want);
    for (int n = 0; n < ROWS; n++) {
        int i = n % N, from = one_batch ? n % (H * N) : n;
        double sum = 0;
        for (int j = 0; j <= i; j++) {
            double w = weigh(q + from * D, k + (from - i + j) * D);
            sum += w;
            for (int e = 0; e < D; e++)
                want[n * D + e] += w * v[(n - i + j) * D + e];
        }
        for (int e = 0; e < D; e++)
            want[n * D + e] /= sum;
    }
}

static double taylor(const float *qi, const float *kj)
{
    double s = dot(qi, kj);
    return 1 + s + s * s / 2;
}

static double exponential(const float *qi, const float *kj)
{
    return exp(dot(qi, kj));
}

/* Of the key's own position: qi is not looked at. */
static double own_weight(const float *qi, const float *kj)
{
    const float *qj = q + (kj - k);
    double sum = 0;
    (void)qi;
    for (int e = 0; e < D; e++)
        sum += silu(qj[e]) * kj[e];
    return exp(sum / sqrt(D));
}

static void begin_on(struct call *c, const char *sheet, const char *text)
{
    struct rng r = {9};
    *c = (struct call){.text = text};
    shown(sheet, text);
    random_floats(&r, q, NUMBERS);
    random_floats(&r, k, NUMBERS);
    random_floats(&r, v, NUMBERS);
    give(c, ATTN_ROLE_V, ATTN_DTYPE_F32, v, 4, dense_shape);
    give(c, ATTN_ROLE_OUT, ATTN_DTYPE_F32, out, 4, dense_shape);
}

static void begin(struct call *c, const char *text)
{
    begin_on(c, "deconstructed_attention.md", text);
}

START_TEST(approximate)
{
    double want[NUMBERS];
    struct call c;
    begin(&c, "softmax b=2 h=3 q=9 k=9 d=8 causal normalizer=taylor2");
    give(&c, ATTN_ROLE_Q, ATTN_DTYPE_F32, q, 4, dense_shape);
    give(&c, ATTN_ROLE_K, ATTN_DTYPE_F32, k, 4, dense_shape);
    weighted(taylor, false, want);
    all_solvers(&c, out, want, NUMBERS, 8);
}
END_TEST

/* Queries of ones, which are one number, and keys silu(q) k. */
START_TEST(non_approximate)
{
    static float ones = 1, gated[NUMBERS];
    double want[NUMBERS];
    struct call c;
    begin(&c, "softmax b=2 h=3 q=9 k=9 d=8 causal");
    for (int i = 0; i < NUMBERS; i++)
        gated[i] = (float)(silu(q[i]) * k[i]);
    view(&c, ATTN_ROLE_Q, &ones, dense_shape, (const int64_t[]){0, 0, 0, 0});
    give(&c, ATTN_ROLE_K, ATTN_DTYPE_F32, gated, 4, dense_shape);
    weighted(own_weight, false, want);
    all_solvers(&c, out, want, NUMBERS, 8);
}
END_TEST

/* Queries and keys that do not depend on the input: one for the batch, and the
 * weights of the first layer once more in the next. */
START_TEST(fixed_queries)
{
    static float probs[B * PAIRS], zero = 0;
    static const int64_t pairs[4] = {B, H, N, N}, first[4] = {1, H, N, N};
    static const int64_t thin[4] = {B, H, N, 1}, nowhere[4] = {0, 0, 0, 0};
    const int64_t no_batch[4] = {0, N * D, D, 1};
    double want[NUMBERS];
    struct call c;
    begin(&c, "softmax b=2 h=3 q=9 k=9 d=8 causal want=probs");
    view(&c, ATTN_ROLE_Q, q, dense_shape, no_batch);
    view(&c, ATTN_ROLE_K, k, dense_shape, no_batch);
    give(&c, ATTN_ROLE_PROBS, ATTN_DTYPE_F32, probs, 4, pairs);
    weighted(exponential, true, want);
    all_solvers(&c, out, want, NUMBERS, 8);
    ck_assert_mem_eq(probs, probs + PAIRS, PAIRS * sizeof *probs);

    begin(&c, "softmax b=2 h=3 q=9 k=9 d=1/8 causal normalizer=none bias");
    view(&c, ATTN_ROLE_Q, &zero, thin, nowhere);
    view(&c, ATTN_ROLE_K, &zero, thin, nowhere);
    give(&c, ATTN_ROLE_BIAS, ATTN_DTYPE_F32, probs, 4, first);
    all_solvers(&c, out, want, NUMBERS, 8);
}
END_TEST

/* unified_view: q . k of features that are x + 1 above 0 and e^x below. */
static double feature(float a)
{
    return a > 0 ? a + 1 : exp(a);
}

static double features(const float *qi, const float *kj)
{
    double sum = 0;
    for (int e = 0; e < D; e++)
        sum += feature(qi[e]) * feature(kj[e]);
    return sum;
}

/* Linear attention, and its matrix as given weights. */
START_TEST(two_roads)
{
    static float matrix[B * PAIRS], zero = 0;
    static const int64_t pairs[4] = {B, H, N, N}, thin[4] = {B, H, N, 1}, nowhere[4] = {0};
    double want[NUMBERS];
    struct call c;
    begin_on(&c, "unified_view.md", "linear_attention b=2 h=3 n=9 d=8 causal");
    give(&c, ATTN_ROLE_Q, ATTN_DTYPE_F32, q, 4, dense_shape);
    give(&c, ATTN_ROLE_K, ATTN_DTYPE_F32, k, 4, dense_shape);
    weighted(features, false, want);
    all_solvers(&c, out, want, NUMBERS, 8);

    begin_on(&c, "unified_view.md", "softmax b=2 h=3 q=9 k=9 d=1/8 causal normalizer=none bias");
    for (int n = 0; n < ROWS; n++) {
        int i = n % N, first = n - i;
        double sum = 0;
        for (int j = 0; j <= i; j++)
            sum += features(q + n * D, k + (first + j) * D);
        for (int j = 0; j < N; j++)
            matrix[n * N + j] = (float)(features(q + n * D, k + (first + j) * D) / sum);
    }
    view(&c, ATTN_ROLE_Q, &zero, thin, nowhere);
    view(&c, ATTN_ROLE_K, &zero, thin, nowhere);
    give(&c, ATTN_ROLE_BIAS, ATTN_DTYPE_F32, matrix, 4, pairs);
    all_solvers(&c, out, want, NUMBERS, 8);
}
END_TEST

/* Keys in two places, joined by their log-sum-exp. */
START_TEST(two_places)
{
    enum { HERE = 5 };
    static const char *const text[2] = {"softmax b=2 h=3 q=9 k=5 d=8",
                                        "softmax b=2 h=3 q=9 k=4 d=8"};
    static float part[2][NUMBERS], lse[2][ROWS];
    static const int64_t rows[3] = {B, H, N}, stride[4] = {H * N * D, N * D, D, 1};
    attn_tensor outs[2], lses[2], to;
    double error = 0, size = 0;
    attn_ctx *ctx = dense_ctx(2);
    for (int p = 0; p < 2; p++) {
        struct call c;
        const int64_t shape[4] = {B, H, p ? N - HERE : HERE, D};
        begin_on(&c, "unified_view.md", text[p]);
        c.n = 0;
        give(&c, ATTN_ROLE_Q, ATTN_DTYPE_F32, q, 4, dense_shape);
        view(&c, ATTN_ROLE_K, k + p * HERE * D, shape, stride);
        view(&c, ATTN_ROLE_V, v + p * HERE * D, shape, stride);
        outs[p] = *give(&c, ATTN_ROLE_OUT, ATTN_DTYPE_F32, part[p], 4, dense_shape);
        lses[p] = *give(&c, ATTN_ROLE_LSE, ATTN_DTYPE_F32, lse[p], 3, rows);
        attn_plan *plan = dense_plan(ctx, text[p], NULL);
        ck_assert_ptr_nonnull(plan);
        ck_assert_int_eq(attn_plan_execute(plan, c.arg, c.n, NULL, 0), ATTN_OK);
        attn_plan_destroy(plan);
    }
    attn_ctx_destroy(ctx);
    ck_assert_int_eq(attn_tensor_init(&to, out, ATTN_DTYPE_F32, 4, dense_shape), ATTN_OK);
    ck_assert_int_eq(attn_merge(2, outs, lses, &to, NULL), ATTN_OK);
    for (int n = 0; n < ROWS; n++) {
        const float *ks = k + n / N * N * D, *vs = v + n / N * N * D;
        double sum = 0, want[D] = {0};
        for (int j = 0; j < N; j++) {
            double w = exponential(q + n * D, ks + j * D);
            sum += w;
            for (int e = 0; e < D; e++)
                want[e] += w * vs[j * D + e];
        }
        for (int e = 0; e < D; e++) {
            double off = (double)out[n * D + e] - want[e] / sum;
            error += off * off;
            size += want[e] / sum * (want[e] / sum);
        }
    }
    ck_assert_double_le(sqrt(error / size), 8 * 0x1p-23 * 3);
}
END_TEST

int main(int argc, char **argv)
{
    const TTest *const tests[] = {hpnet,         approximate, non_approximate,
                                  fixed_queries, two_roads,   two_places};
    if (argc != 2) {
        fprintf(stderr, "usage: test_compositions DOCS_MECHANISMS\n");
        return 2;
    }
    folder = argv[1];
    return unit_run("compositions", tests, sizeof tests / sizeof tests[0]);
}
