/* SPDX-License-Identifier: MIT */
/*
 * want=argmax, classmass and counts (output_options, class_mass, row_tops): ties, empty rows,
 * exact counts, the same bytes for any number of threads, who serves them and
 * what is refused. Random problems hold them against the oracle.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../unit/unit.h"
#include "dense.h"

enum { HQ = 4, HK = 2, Q = 40, K = 300, D = 16, BASES = 7, CLASSES = 5 };

#define SIZES "softmax b=2 h=4/2 q=40 k=300 d=16 "

static attn_ctx *ctx;

static void *add(struct dense *x, int32_t role, int32_t dtype, int32_t rank, int64_t a, int64_t b,
                 int64_t c, int64_t d)
{
    int64_t shape[4] = {a, b, c, d};
    return dense_add(x, role, dtype, rank, shape, NULL)->data;
}

static void make(struct dense *x)
{
    dense_make(x, 2, HQ, HK, Q, K, D, D);
}

/* Runs of four, classes 0 to 5. */
static void classes(struct dense *x)
{
    uint8_t *c = add(x, ATTN_ROLE_CLASS_K, ATTN_DTYPE_U8, 2, 1, x->nk, 0, 0);
    for (int64_t j = 0; j < x->nk; j++)
        c[j] = (uint8_t)(j / 4 % (CLASSES + 1));
}

static double dot(const float *a, const float *b)
{
    double sum = 0;
    for (int e = 0; e < D; e++)
        sum += (double)a[e] * (double)b[e];
    return sum;
}

/* Keys repeat after BASES, so that every row has many equal largest scores:
 * the first one that it sees is meant. */
START_TEST(first_of_equal_keys)
{
    static const char *const solvers[] = {"rows", "reference", "decode", NULL};
    struct dense x;
    ctx = dense_ctx(1);
    make(&x);
    for (int64_t n = 0; n < 2 * HK * K; n++)
        memcpy(x.k + n * D, x.k + (n / K * K + n % K % BASES) * D, D * sizeof(float));
    int64_t *wide = add(&x, ATTN_ROLE_ARGMAX, ATTN_DTYPE_I64, 3, 2, HQ, Q, 0);
    for (size_t n = 0; n < 4; n++) {
        memset(wide, 0x55, 2 * HQ * Q * sizeof *wide);
        ck_assert(dense_run(ctx, SIZES "causal window=19,0 want=argmax", solvers[n], &x));
        for (int64_t r = 0; r < 2 * HQ * Q; r++) {
            const float *k = x.k + r / Q / (HQ / HK) * K * D;
            int64_t end = r % Q + K - Q, best = end - 19;
            for (int64_t j = best; j <= end; j++)
                if (dot(x.q + r * D, k + j * D) > dot(x.q + r * D, k + best * D))
                    best = j;
            ck_assert_msg(wide[r] == best, "%s: row %d: %d, not %d", solvers[n], (int)r,
                          (int)wide[r], (int)best);
        }
    }
    ck_assert(!dense_run(ctx, SIZES "want=argmax", "gemm", &x));
    dense_free(&x);
    attn_ctx_destroy(ctx);
}
END_TEST

/* Many chunks of keys, shared by threads: nine queries of three heads, and one
 * by one, which with invariant=chunk are the same bytes. */
START_TEST(joined_by_decode)
{
    enum { ROWS = 9, KEYS = 5200 };
    static const char text[] = "softmax h=3/1 q=9 k=inf d=16 causal want=rowmax,argmax,counts";
    char line[120];
    float first[2][3 * ROWS];
    for (int64_t threads = 1; threads <= 3; threads++)
        for (int chunk = 0; chunk < 2; chunk++) {
            struct dense x;
            ctx = dense_ctx(threads);
            dense_make(&x, 1, 3, 1, ROWS, KEYS, D, D);
            for (int64_t n = 2000; n < KEYS; n++)
                memcpy(x.k + n * D, x.k + n % 2000 * D, D * sizeof(float));
            float *top = add(&x, ATTN_ROLE_ROWMAX, ATTN_DTYPE_F32, 3, 1, 3, ROWS, 0);
            int32_t *arg = add(&x, ATTN_ROLE_ARGMAX, ATTN_DTYPE_I32, 3, 1, 3, ROWS, 0);
            snprintf(line, sizeof line, "%s%s", text, chunk ? " invariant=chunk" : "");
            attn_plan *plan = dense_plan(ctx, line, NULL);
            ck_assert_str_eq(attn_plan_solver(plan, ROWS, KEYS), "decode");
            ck_assert_int_eq(attn_plan_execute(plan, x.arg, x.n, NULL, 0), ATTN_OK);
            for (int64_t r = 0; r < 3 * ROWS; r++) {
                int32_t best = 0;
                for (int32_t j = 0; j < 2000; j++)
                    if (dot(x.q + r * D, x.k + j * D) > dot(x.q + r * D, x.k + best * D))
                        best = j;
                ck_assert_int_eq(arg[r], best);
                ck_assert_double_lt(fabs((double)top[r] -
                                         dot(x.q + r * D, x.k + best * D) / 4), 1e-5);
            }
            if (threads == 1)
                memcpy(first[chunk], top, sizeof first[0]);
            ck_assert(memcmp(top, first[chunk], sizeof first[0]) == 0);
            for (int64_t i = 0; i < ROWS && chunk; i++) { /* one query alone */
                attn_tensor q = *dense_view(&x, ATTN_ROLE_Q), k = *dense_view(&x, ATTN_ROLE_K);
                attn_tensor v = *dense_view(&x, ATTN_ROLE_V), o = *dense_view(&x, ATTN_ROLE_OUT);
                float one[3];
                int64_t shape[3] = {1, 3, 1};
                attn_tensor t;
                attn_tensor_init(&t, one, ATTN_DTYPE_F32, 3, shape);
                q.shape[2] = o.shape[2] = 1;
                k.shape[2] = v.shape[2] = KEYS - ROWS + 1 + i;
                q.data = (float *)q.data + i * D;
                const attn_arg args[] = {{ATTN_ROLE_Q, 0, &q}, {ATTN_ROLE_K, 0, &k},
                                         {ATTN_ROLE_V, 0, &v}, {ATTN_ROLE_OUT, 0, &o},
                                         {ATTN_ROLE_ROWMAX, 0, &t}};
                ck_assert_int_eq(attn_plan_execute(plan, args, 5, NULL, 0), ATTN_OK);
                for (int h = 0; h < 3; h++)
                    ck_assert(memcmp(&one[h], &first[1][h * ROWS + i], 4) == 0);
            }
            attn_plan_destroy(plan);
            dense_free(&x);
            attn_ctx_destroy(ctx);
        }
}
END_TEST

/* Keys are counted as the columns of PROBS; rows without a key have -1. */
START_TEST(columns_and_empty_rows)
{
    static const int32_t q_len[2] = {Q, 7}, k_start[2] = {11, 250}, k_len[2] = {20, 50};
    struct dense x;
    ctx = dense_ctx(1);
    make(&x);
    dense_list(&x, ATTN_ROLE_Q_LEN, q_len, 2);
    dense_list(&x, ATTN_ROLE_K_START, k_start, 2);
    dense_list(&x, ATTN_ROLE_K_LEN, k_len, 2);
    classes(&x);
    int32_t *arg = add(&x, ATTN_ROLE_ARGMAX, ATTN_DTYPE_I32, 3, 2, HQ, Q, 0);
    float *mass = add(&x, ATTN_ROLE_CLASSMASS, ATTN_DTYPE_F32, 4, 2, HQ, Q, CLASSES);
    float *probs = add(&x, ATTN_ROLE_PROBS, ATTN_DTYPE_F32, 4, 2, HQ, Q, K);
    const uint8_t *class = dense_view(&x, ATTN_ROLE_CLASS_K)->data;
    ck_assert(dense_run(ctx, SIZES "causal want=argmax,classmass,probs mass_classes=5", NULL, &x));
    int64_t empty = 0;
    for (int64_t r = 0; r < 2 * HQ * Q; r++) {
        const float *p = probs + r * K;
        double sum[CLASSES + 1] = {0};
        int32_t best = -1;
        for (int32_t j = 0; j < K; j++) {
            if (p[j] > (best < 0 ? 0 : p[best]))
                best = j;
            sum[class[j]] += (double)p[j];
        }
        empty += best < 0;
        ck_assert_int_eq(arg[r], best);
        for (int c = 0; c < CLASSES; c++)
            ck_assert_double_lt(fabs((double)mass[r * CLASSES + c] - sum[c]), 1e-6);
    }
    /* causal has 20 rows above the first key in the first sequence */
    ck_assert_int_eq(empty, HQ * (Q - 20 + Q - 7));
    dense_free(&x);
    attn_ctx_destroy(ctx);
}
END_TEST

/* ---- counts ---- */

struct counts {
    int64_t pairs, all_pairs, tiles, all_tiles;
};

static struct counts counts_of(const char *text, const char *solver, struct dense *x)
{
    struct counts c;
    int64_t *n = dense_view(x, ATTN_ROLE_COUNTS)->data;
    memset(n, 0x55, sizeof c);
    ck_assert_msg(dense_run(ctx, text, solver, x), "%s %s", text, solver);
    memcpy(&c, n, sizeof c);
    ck_assert_int_eq(c.all_pairs, x->b * x->hq * x->nq * x->nk);
    ck_assert(c.pairs >= 0 && c.pairs <= c.all_pairs && c.tiles >= 0 && c.tiles <= c.all_tiles);
    return c;
}

START_TEST(exact_counts)
{
    struct dense x;
    const char *name;
    ctx = dense_ctx(2);
    make(&x);
    add(&x, ATTN_ROLE_COUNTS, ATTN_DTYPE_I64, 1, 4, 0, 0, 0);
    for (size_t n = 0; (name = attn_solver_at(n)) != NULL; n++) {
        attn_plan *plan = dense_plan(ctx, SIZES "want=counts", name);
        if (!plan) /* a build without BLAS */
            continue;
        attn_plan_destroy(plan);
        struct counts c = counts_of(SIZES "want=counts", name, &x);
        ck_assert_int_eq(c.pairs, c.all_pairs);
        ck_assert_int_eq(c.tiles, c.all_tiles);
        ck_assert(c.tiles > 0);
        /* 20 keys of the 300 in view of a row */
        c = counts_of(SIZES "causal window=19,0 want=counts", name, &x);
        ck_assert_int_ge(c.pairs, 2 * HQ * Q * 20);
        ck_assert_int_lt(c.pairs, c.all_pairs / 2);
        ck_assert_int_gt(c.tiles, 0);
        /* row i sees i keys */
        c = counts_of(SIZES "causal align=top_left must=band[inf,-1,0,1] want=counts", name, &x);
        ck_assert_int_lt(c.pairs, c.all_pairs);
        if (strcmp(name, "reference") == 0)
            ck_assert_int_eq(c.pairs, 2 * HQ * Q * (Q - 1) / 2);
    }
    struct counts c = counts_of(SIZES "causal want=counts", "reference", &x);
    ck_assert_int_eq(c.pairs, 2 * HQ * (Q * K - Q * (Q - 1) / 2));
    ck_assert_int_eq(c.all_tiles, 2 * HQ * Q);
    dense_free(&x);
    attn_ctx_destroy(ctx);
}
END_TEST

/* A head whose factor is 0 is not computed. */
START_TEST(heads_left_out)
{
    struct dense x;
    const char *name;
    ctx = dense_ctx(1);
    dense_make(&x, 2, HQ, HQ, Q, K, D, D);
    float *factor = add(&x, ATTN_ROLE_HEAD_FACTOR, ATTN_DTYPE_F32, 2, 2, HQ, 0, 0);
    add(&x, ATTN_ROLE_COUNTS, ATTN_DTYPE_I64, 1, 4, 0, 0, 0);
    factor[1] = factor[6] = 1; /* two of eight */
    for (size_t n = 0; (name = attn_solver_at(n)) != NULL; n++) {
        const char *text = "softmax b=2 h=4 q=40 k=300 d=16 head_factor want=counts";
        attn_plan *plan = dense_plan(ctx, text, name);
        if (!plan)
            continue;
        attn_plan_destroy(plan);
        struct counts c = counts_of(text, name, &x);
        ck_assert_int_eq(c.pairs, c.all_pairs / 4);
        ck_assert_msg(c.tiles * 4 == c.all_tiles, "%s: %d of %d", name, (int)c.tiles,
                      (int)c.all_tiles);
    }
    dense_free(&x);
    attn_ctx_destroy(ctx);
}
END_TEST

/* ---- threads ---- */

static void same_bytes(const char *text, const char *solver, bool rows)
{
    unsigned char first[6][2 * HQ * Q * CLASSES * 4];
    for (int64_t threads = 1; threads <= 3; threads++) {
        struct dense x;
        ctx = dense_ctx(threads);
        make(&x);
        if (rows) {
            classes(&x);
            add(&x, ATTN_ROLE_ARGMAX, ATTN_DTYPE_I32, 3, 2, HQ, Q, 0);
            add(&x, ATTN_ROLE_CLASSMASS, ATTN_DTYPE_F32, 4, 2, HQ, Q, CLASSES);
        }
        int64_t *counts = add(&x, ATTN_ROLE_COUNTS, ATTN_DTYPE_I64, 1, 4, 0, 0, 0);
        ck_assert(dense_run(ctx, text, solver, &x));
        const struct {
            const void *data;
            size_t bytes;
        } got[] = {{x.lse, x.n_lse * 4},
                   {counts, 32},
                   {rows ? dense_view(&x, ATTN_ROLE_ARGMAX)->data : NULL, x.n_lse * 4},
                   {rows ? dense_view(&x, ATTN_ROLE_CLASSMASS)->data : NULL,
                    x.n_lse * CLASSES * 4}};
        for (int i = 0; i < (rows ? 4 : 2); i++) {
            if (threads == 1)
                memcpy(first[i], got[i].data, got[i].bytes);
            ck_assert_msg(memcmp(first[i], got[i].data, got[i].bytes) == 0, "%s %s: output %d",
                          text, solver, i);
        }
        dense_free(&x);
        attn_ctx_destroy(ctx);
    }
}

START_TEST(any_number_of_threads)
{
    same_bytes(SIZES "causal want=counts", "flash", false);
    same_bytes(SIZES "causal want=counts", "decode", false);
    same_bytes(SIZES "causal want=argmax,classmass,counts mass_classes=5", "rows", true);
    same_bytes(SIZES "causal want=argmax,classmass,counts mass_classes=5", "reference", true);
}
END_TEST

/* ---- who serves them ---- */

/* What can be had in f32 is not left to the reference. */
START_TEST(reference_stands_last)
{
    static const char *const wants[] = {
        "probs",   "scores_raw", "scores_capped", "scores_biased", "colsum",
        "rowmax",  "entropy",    "argmax",        "classmass mass_classes=3",
        "counts",  "rowmax,entropy,argmax,counts"};
    static const int sizes[] = {1, 2, 5, 16, 100, 700, 5000};
    static const char *const more[] = {"", " causal", " blas=never", " blas=never dtype=f16"};
    char text[200];
    for (int64_t threads = 1; threads <= 2; threads++) {
        ctx = dense_ctx(threads);
        for (size_t w = 0; w < sizeof wants / sizeof wants[0]; w++)
            for (int n = 0; n < 7 * 7 * 4; n++) {
                int q = sizes[n % 7], k = sizes[n / 7 % 7];
                snprintf(text, sizeof text, "softmax h=4/2 q=%d k=%d d=%d want=%s%s executors=0",
                         q, k, n % 3 == 0 ? 8 : 64, wants[w], more[n / 49]);
                attn_plan *plan = dense_plan(ctx, text, NULL);
                ck_assert_msg(strcmp(attn_plan_solver(plan, q, k), "reference") != 0, "%s", text);
                attn_plan_destroy(plan);
            }
        attn_ctx_destroy(ctx);
    }
}
END_TEST

/* Asking for counts changes neither the solver nor a bit. */
START_TEST(counting_is_free)
{
    static const int sizes[] = {1, 16, 300};
    struct dense x;
    char text[2][100];
    ctx = dense_ctx(1);
    for (int n = 0; n < 9; n++) {
        int q = sizes[n % 3], k = sizes[n / 3];
        float out[HQ * 300 * D];
        dense_make(&x, 1, HQ, HK, q, k, D, D);
        for (int i = 0; i < 2; i++)
            snprintf(text[i], sizeof text[i], "softmax h=4/2 q=%d k=%d d=16%s", q, k,
                     i == 0 ? "" : " want=counts");
        attn_plan *a = dense_plan(ctx, text[0], NULL), *b = dense_plan(ctx, text[1], NULL);
        ck_assert_str_eq(attn_plan_solver(a, q, k), attn_plan_solver(b, q, k));
        attn_plan_destroy(a);
        attn_plan_destroy(b);
        dense_run(ctx, text[0], NULL, &x);
        memcpy(out, x.out, x.n_out * sizeof(float));
        add(&x, ATTN_ROLE_COUNTS, ATTN_DTYPE_I64, 1, 4, 0, 0, 0);
        dense_run(ctx, text[1], NULL, &x);
        ck_assert(memcmp(out, x.out, x.n_out * sizeof(float)) == 0);
        dense_free(&x);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

/* Mechanisms of several stages: those are added up. */
START_TEST(stages_are_added_up)
{
    static const char *const texts[] = {
        "mla h=4/1 q=8 k=8 d=16 mla_rank=8", "pwca h=2 q=8 k=8 d=8", "glca h=2 q=8 k=8 d=8",
        "var h=2 q=8 k=8 d=8", "reversed_attention h=2 q=8 k=8 d=8",
        "tensor_attention h=2 q=8 k=8 d=8"};
    enum { N = 64 };
    struct dense x;
    char text[100];
    for (size_t n = 0; n < sizeof texts / sizeof texts[0]; n++) {
        ctx = dense_ctx(1);
        snprintf(text, sizeof text, "%s want=counts", texts[n]);
        attn_plan_destroy(dense_plan(ctx, text, NULL));
        attn_ctx_destroy(ctx);
    }
    struct counts c[2];
    for (int64_t threads = 1; threads <= 2; threads++) {
        ctx = dense_ctx(threads);
        dense_make(&x, 2, HQ, HQ, N, N, D, D);
        x.n--; /* no lse */
        int64_t *got = add(&x, ATTN_ROLE_COUNTS, ATTN_DTYPE_I64, 1, 4, 0, 0, 0);
        /* column sums, then sinks and the rest */
        ck_assert(dense_run(ctx, "act b=2 h=4 q=64 k=64 d=16 blas=never want=counts", NULL, &x));
        ck_assert_int_eq(got[1], 3 * 2 * HQ * N * N);
        ck_assert(got[0] > 0 && got[0] <= got[1] && got[2] > 0 && got[2] <= got[3]);
        memcpy(&c[threads - 1], got, sizeof c[0]);
        dense_free(&x);
        attn_ctx_destroy(ctx);
    }
    ck_assert(memcmp(&c[0], &c[1], sizeof c[0]) == 0);
}
END_TEST

/* Recipes of one stage hand them on: where a pointer points. */
START_TEST(pointers)
{
    struct dense x;
    ctx = dense_ctx(1);
    make(&x);
    x.n = 2; /* no V, no outputs */
    float *w = add(&x, ATTN_ROLE_POINTER_W, ATTN_DTYPE_F32, 2, HQ, D, 0, 0);
    uint8_t *mask = add(&x, ATTN_ROLE_MASK, ATTN_DTYPE_U8, 4, 1, 1, Q, K);
    int32_t *arg = add(&x, ATTN_ROLE_ARGMAX, ATTN_DTYPE_I32, 3, 2, HQ, Q, 0);
    float *mass = add(&x, ATTN_ROLE_CLASSMASS, ATTN_DTYPE_F32, 4, 2, HQ, Q, 6);
    int64_t *counts = add(&x, ATTN_ROLE_COUNTS, ATTN_DTYPE_I64, 1, 4, 0, 0, 0);
    classes(&x);
    for (int n = 0; n < HQ * D; n++)
        w[n] = 1;
    for (int64_t n = K; n < Q * K; n++) /* the first row sees nothing */
        mask[n] = n % 3 != 0;
    ck_assert(dense_run(ctx, "pointer b=2 h=4/2 q=40 k=300 d=16 mask want=argmax,classmass,counts "
                             "mass_classes=6", NULL, &x));
    for (int64_t r = 0; r < 2 * HQ * Q; r++) {
        const float *q = x.q + r * D, *k = x.k + r / Q / (HQ / HK) * K * D;
        double best = -INFINITY, sum = 0;
        int32_t at = -1;
        for (int32_t j = 0; j < K; j++) {
            double u = 0;
            for (int e = 0; e < D; e++)
                u += tanh((double)q[e] + (double)k[j * D + e]);
            if (mask[r % Q * K + j] && u > best) {
                best = u;
                at = j;
            }
        }
        ck_assert_int_eq(arg[r], at);
        for (int c = 0; c < 6; c++)
            sum += (double)mass[r * 6 + c];
        ck_assert_double_lt(fabs(sum - (at >= 0)), 1e-5);
    }
    ck_assert_int_eq(counts[1], 2 * HQ * Q * K);
    dense_free(&x);
    attn_ctx_destroy(ctx);
}
END_TEST

/* ---- refusals ---- */

static void no_plan(const char *options, int32_t status, const char *says)
{
    char text[200];
    attn_desc *desc;
    attn_plan *plan;
    snprintf(text, sizeof text, SIZES "%s", options);
    ck_assert_int_eq(attn_desc_parse(ctx, text, &desc), ATTN_OK);
    ck_assert_msg(attn_plan_create(ctx, desc, &plan) == status, "%s: %s", text, dense_error());
    ck_assert_msg(strstr(dense_error(), says) != NULL, "%s: %s", text, dense_error());
    attn_desc_destroy(desc);
}

static void no_execute(const char *text, struct dense *x, int32_t status, const char *says)
{
    attn_plan *plan = dense_plan(ctx, text, NULL);
    int32_t found = attn_plan_execute(plan, x->arg, x->n, NULL, 0);
    ck_assert_msg(found == status, "%s: %s: %s", text, attn_status_name(found), dense_error());
    ck_assert_msg(strstr(dense_error(), says) != NULL, "%s: %s", text, dense_error());
    ck_assert(x->n_out == 0 || isnan(x->out[0]));
    attn_plan_destroy(plan);
}

START_TEST(refused)
{
    struct dense x;
    ctx = dense_ctx(1);
    no_plan("want=classmass", ATTN_ERR_UNSET, "mass_classes");
    no_plan("mass_classes=3", ATTN_ERR_INVALID, "classmass");
    no_plan("want=argmax mass_classes=3", ATTN_ERR_INVALID, "classmass");
    no_plan("want=rowmax solver=flash", ATTN_ERR_UNSUPPORTED, "keeps no scores");
    no_plan("want=argmax solver=flash", ATTN_ERR_UNSUPPORTED, "keeps no scores");
    no_plan("want=classmass mass_classes=3 solver=decode", ATTN_ERR_UNSUPPORTED,
            "keeps no scores");

    make(&x);
    no_execute(SIZES "want=classmass mass_classes=5", &x, ATTN_ERR_ROLE, "class_k is missing");
    classes(&x);
    add(&x, ATTN_ROLE_CLASSMASS, ATTN_DTYPE_F32, 4, 2, HQ, Q, CLASSES);
    no_execute(SIZES "want=classmass mass_classes=6", &x, ATTN_ERR_SHAPE,
               "classmass has extent 5 in dimension 3, expected 6");
    dense_free(&x);

    make(&x);
    add(&x, ATTN_ROLE_COUNTS, ATTN_DTYPE_I64, 1, 3, 0, 0, 0);
    no_execute(SIZES "want=counts", &x, ATTN_ERR_SHAPE, "counts has extent 3");
    no_execute(SIZES, &x, ATTN_ERR_ROLE, "counts was not declared");
    dense_free(&x);

    make(&x);
    add(&x, ATTN_ROLE_COUNTS, ATTN_DTYPE_I32, 1, 4, 0, 0, 0);
    no_execute(SIZES "want=counts", &x, ATTN_ERR_DTYPE, "counts has dtype i32");
    dense_free(&x);

    make(&x);
    add(&x, ATTN_ROLE_ARGMAX, ATTN_DTYPE_F32, 3, 2, HQ, Q, 0);
    no_execute(SIZES "want=argmax", &x, ATTN_ERR_DTYPE, "argmax has dtype f32");
    dense_free(&x);

    /* more keys than i32 counts; they share one row */
    dense_make(&x, 1, 1, 1, 1, 1, D, D);
    add(&x, ATTN_ROLE_ARGMAX, ATTN_DTYPE_I32, 3, 1, 1, 1, 0);
    attn_tensor *k = dense_view(&x, ATTN_ROLE_K), *v = dense_view(&x, ATTN_ROLE_V);
    k->shape[2] = v->shape[2] = (INT64_C(1) << 31) + 1;
    k->stride[2] = v->stride[2] = 0;
    no_execute("softmax h=1 q=1 k=inf d=16 want=argmax", &x, ATTN_ERR_DTYPE, "expected i64");
    dense_free(&x);
    attn_ctx_destroy(ctx);
}
END_TEST

UNIT_MAIN("outputs", first_of_equal_keys, joined_by_decode, columns_and_empty_rows,
          exact_counts, heads_left_out, any_number_of_threads, reference_stands_last,
          counting_is_free, stages_are_added_up, pointers, refused)
