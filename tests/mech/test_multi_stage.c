/* SPDX-License-Identifier: MIT */
/*
 * Properties and bad input of vhr, pine and moda (src/mech/vhr.c, pine.c,
 * moda.c; src/solvers/map_vhr.c, map_pine.c, map_gram.c, head_scores.c), whose
 * numbers test_mechs holds against golden files.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../unit/unit.h"
#include "dense.h"

static void run(const char *text, struct dense *x, int64_t threads)
{
    attn_ctx *ctx = dense_ctx(threads);
    dense_clear(x);
    ck_assert_msg(dense_run(ctx, text, NULL, x), "%s", dense_error());
    attn_ctx_destroy(ctx);
}

static void refused(const char *text, struct dense *x, int32_t status, const char *word)
{
    attn_ctx *ctx = dense_ctx(1);
    attn_plan *plan = dense_plan(ctx, text, NULL);
    dense_clear(x);
    ck_assert_int_eq(attn_plan_execute(plan, x->arg, x->n, NULL, 0), status);
    ck_assert_msg(strstr(dense_error(), word), "%s: %s", text, dense_error());
    for (size_t n = 0; n < x->n_out; n++)
        ck_assert(isnan(x->out[n]));
    attn_plan_destroy(plan);
    attn_ctx_destroy(ctx);
}

static void fill(float *to, int64_t n, uint32_t seed)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = (float)(((uint32_t)i * 2654435761u + seed * 40503u) >> 16) / 32768 - 1;
}

/* Rows [b,h,from..] of n tokens each into rows [b,h,to..]. */
static void move(const float *from, int64_t from_row, float *to, int64_t to_row, int64_t n,
                 int64_t heads, int64_t all, int64_t width)
{
    for (int64_t h = 0; h < heads; h++)
        memcpy(to + (h * all + to_row) * width, from + (h * all + from_row) * width,
               (size_t)(n * width) * sizeof *to);
}

static double distance_at(const float *a, const float *b, int64_t row_a, int64_t row_b, int64_t n,
                          int64_t heads, int64_t all, int64_t width)
{
    double most = 0;
    for (int64_t h = 0; h < heads; h++)
        most = fmax(most, dense_distance(a + (h * all + row_a) * width,
                                         b + (h * all + row_b) * width, (size_t)(n * width)));
    return most;
}

/* Documents in another order: their rows come along, the rest stays. */
START_TEST(pine_order)
{
    enum { HQ = 4, HK = 2, N = 90, D = 16 };
    static const int32_t docs[] = {7, 20, 45, 47, 77}, order[] = {2, 0, 3, 1};
    static const int64_t shape[2] = {1, 5};
    const char *text = "pine h=4/2 q=90 k=90 d=16 pine_docs=6";
    int32_t now[5] = {7};
    struct dense x, y;
    dense_make(&x, 1, HQ, HK, N, N, D, D);
    dense_make(&y, 1, HQ, HK, N, N, D, D); /* the same numbers */
    for (int e = 0; e < 4; e++) {
        int64_t from = docs[order[e]], n = docs[order[e] + 1] - from;
        move(x.q, from, y.q, now[e], n, HQ, N, D);
        move(x.k, from, y.k, now[e], n, HK, N, D);
        move(x.v, from, y.v, now[e], n, HK, N, D);
        now[e + 1] = now[e] + (int32_t)n;
    }
    dense_add(&x, ATTN_ROLE_DOCS, ATTN_DTYPE_I32, 2, shape, (void *)(uintptr_t)docs);
    dense_add(&y, ATTN_ROLE_DOCS, ATTN_DTYPE_I32, 2, shape, now);
    run(text, &x, 1);
    run(text, &y, 3);
    ck_assert(distance_at(x.out, y.out, 0, 0, 7, HQ, N, D) < 1e-6);
    ck_assert(distance_at(x.out, y.out, 77, 77, N - 77, HQ, N, D) < 1e-6);
    for (int e = 0; e < 4; e++)
        ck_assert(distance_at(x.out, y.out, docs[order[e]], now[e],
                              docs[order[e] + 1] - docs[order[e]], HQ, N, D) < 1e-6);
    dense_free(&x);
    dense_free(&y);
}
END_TEST

/* One document, or none with tokens: plain causal attention with rope. */
START_TEST(pine_one)
{
    static const int32_t docs[] = {9, 9, 30, 30};
    static const int64_t shape[2] = {1, 4};
    struct dense x, y;
    dense_make(&x, 2, 2, 2, 41, 41, 8, 8);
    dense_make(&y, 2, 2, 2, 41, 41, 8, 8);
    dense_add(&x, ATTN_ROLE_DOCS, ATTN_DTYPE_I32, 2, shape, (void *)(uintptr_t)docs);
    run("pine b=2 h=2 q=41 k=41 d=8 pine_docs=3 rope=interleaved rope_base=100", &x, 1);
    run("softmax b=2 h=2 q=41 k=41 d=8 causal rope=interleaved rope_base=100", &y, 1);
    ck_assert(dense_distance(x.out, y.out, x.n_out) < 1e-6);
    ck_assert(dense_distance(x.lse, y.lse, x.n_lse) < 1e-6);
    dense_free(&x);
    dense_free(&y);
}
END_TEST

/* Each batch element has its own documents; threads and the others change no
 * bit; rows behind the documents one by one are those of the prefill. */
START_TEST(pine_batch)
{
    enum { H = 2, N = 60, D = 8, ROWS = H * N * D };
    static const int32_t docs[2][4] = {{3, 20, 21, 48}, {0, 10, 40, 58}};
    static const int64_t two[2] = {2, 4}, one[2] = {1, 4};
    static const char *whole = "pine b=2 h=2 q=60 k=60 d=8 pine_docs=3 blas=never";
    struct dense x, y;
    dense_make(&x, 2, H, H, N, N, D, D);
    dense_add(&x, ATTN_ROLE_DOCS, ATTN_DTYPE_I32, 2, two, (void *)(uintptr_t)docs);
    run(whole, &x, 3);
    for (int64_t b = 0; b < 2; b++) {
        dense_make(&y, 1, H, H, N, N, D, D);
        memcpy(y.q, x.q + b * ROWS, ROWS * sizeof(float));
        memcpy(y.k, x.k + b * ROWS, ROWS * sizeof(float));
        memcpy(y.v, x.v + b * ROWS, ROWS * sizeof(float));
        dense_add(&y, ATTN_ROLE_DOCS, ATTN_DTYPE_I32, 2, one, (void *)(uintptr_t)docs[b]);
        run(whole, &y, 1);
        ck_assert(memcmp(y.out, x.out + b * ROWS, ROWS * sizeof(float)) == 0);
        for (int64_t i = docs[b][3]; i < N; i++) {
            attn_tensor *t[4] = {dense_view(&y, ATTN_ROLE_Q), dense_view(&y, ATTN_ROLE_K),
                                 dense_view(&y, ATTN_ROLE_V), dense_view(&y, ATTN_ROLE_OUT)};
            t[0]->data = y.q + i * D;
            t[0]->shape[2] = t[3]->shape[2] = dense_view(&y, ATTN_ROLE_LSE)->shape[2] = 1;
            t[1]->shape[2] = t[2]->shape[2] = i + 1;
            dense_clear(&y);
            run(whole, &y, 1);
            for (int64_t h = 0; h < H; h++)
                ck_assert(dense_distance(y.out + h * N * D,
                                         x.out + b * ROWS + (h * N + i) * D, D) < 2e-6);
        }
        dense_free(&y);
    }
    dense_free(&x);
}
END_TEST

/* What a row does not see does not touch it. */
START_TEST(pine_poison)
{
    enum { H = 2, N = 30, D = 8 };
    static const int32_t docs[] = {4, 12, 20, 25};
    static const int64_t shape[2] = {1, 4};
    static const char *text = "pine h=2 q=30 k=30 d=8 pine_docs=3";
    struct dense x, y;
    dense_make(&x, 1, H, H, N, N, D, D);
    dense_make(&y, 1, H, H, N, N, D, D);
    for (int64_t h = 0; h < H; h++)
        for (int64_t c = 0; c < D; c++)
            y.k[(h * N + 27) * D + c] = y.v[(h * N + 27) * D + c] = c % 2 ? NAN : INFINITY;
    dense_add(&x, ATTN_ROLE_DOCS, ATTN_DTYPE_I32, 2, shape, (void *)(uintptr_t)docs);
    dense_add(&y, ATTN_ROLE_DOCS, ATTN_DTYPE_I32, 2, shape, (void *)(uintptr_t)docs);
    run(text, &x, 1);
    run(text, &y, 1);
    ck_assert(distance_at(x.out, y.out, 0, 0, 27, H, N, D) < 1e-6);
    ck_assert(isnan(y.out[27 * D]));
    dense_free(&x);
    dense_free(&y);
}
END_TEST

START_TEST(pine_errors)
{
    static const char *text = "pine h=2 q=12 k=12 d=4 pine_docs=2";
    static const int64_t three[2] = {1, 3}, four[2] = {1, 4}, one[2] = {1, 1};
    static int32_t docs[4] = {2, 8, 7, 0};
    struct dense x;
    dense_make(&x, 1, 2, 2, 12, 12, 4, 4);
    refused(text, &x, ATTN_ERR_ROLE, "docs is missing");
    attn_tensor *t = dense_add(&x, ATTN_ROLE_DOCS, ATTN_DTYPE_I32, 2, three, docs);
    refused(text, &x, ATTN_ERR_RANGE, "docs[0,2] is 7, expected 8 to 12");
    docs[2] = 13;
    refused(text, &x, ATTN_ERR_RANGE, "docs[0,2] is 13, expected 8 to 12");
    docs[0] = -1;
    refused(text, &x, ATTN_ERR_RANGE, "docs[0,0] is -1, expected 0 to 12");
    attn_tensor_init(t, docs, ATTN_DTYPE_I32, 2, four);
    refused(text, &x, ATTN_ERR_SHAPE, "docs has extent 4 in dimension 1, expected 2 to");
    attn_tensor_init(t, docs, ATTN_DTYPE_I32, 2, one);
    refused(text, &x, ATTN_ERR_SHAPE, "docs has extent 1 in dimension 1, expected 2 to");
    dense_free(&x);
    docs[0] = 2, docs[1] = 8, docs[2] = 11;
    dense_make(&x, 1, 2, 2, 5, 12, 4, 4);
    dense_add(&x, ATTN_ROLE_DOCS, ATTN_DTYPE_I32, 2, three, docs);
    refused(text, &x, ATTN_ERR_RANGE, "stands at token 7, inside of document 0 (2 to 7)");
    dense_free(&x);
    dense_make(&x, 1, 2, 2, 12, 11, 4, 4);
    dense_add(&x, ATTN_ROLE_DOCS, ATTN_DTYPE_I32, 2, three, docs);
    refused(text, &x, ATTN_ERR_SHAPE, "q has 12 rows and k 11");
    dense_free(&x);
}
END_TEST

static uint8_t modality[64];

/* Classes of rows and keys, and the second output. */
static float *add_modalities(struct dense *x)
{
    int64_t q[2] = {1, x->nq}, k[2] = {1, x->nk}, out[4] = {x->b, x->hq, x->nq, x->dv};
    for (int i = 0; i < 64; i++)
        modality[i] = (uint8_t)(i / 5 % 2);
    dense_add(x, ATTN_ROLE_CLASS_Q, ATTN_DTYPE_U8, 2, q, modality + x->nk - x->nq);
    dense_add(x, ATTN_ROLE_CLASS_K, ATTN_DTYPE_U8, 2, k, modality);
    dense_add(x, ATTN_ROLE_LSE_CROSS, ATTN_DTYPE_F32, 3, out, NULL);
    return dense_add(x, ATTN_ROLE_OUT_CROSS, ATTN_DTYPE_F32, 4, out, NULL)->data;
}

/* Without alignment and pseudo scores the two outputs are causal softmax cut
 * in two; threads change no bit. */
START_TEST(moda_parts)
{
    static const char *text = "moda b=2 h=4/2 q=40 k=48 d=16/12 moda_align=0";
    static const char *full = "moda b=2 h=4/2 q=40 k=48 d=16/12 moda_base=0.5 moda_decay=0.1 "
                              "blas=never";
    struct dense x, y;
    dense_make(&x, 2, 4, 2, 40, 48, 16, 12);
    dense_make(&y, 2, 4, 2, 40, 48, 16, 12);
    float *cross = add_modalities(&x);
    run(text, &x, 1);
    run("softmax b=2 h=4/2 q=40 k=48 d=16/12 causal", &y, 1);
    const attn_tensor outs[2] = {*dense_view(&x, ATTN_ROLE_OUT),
                                 *dense_view(&x, ATTN_ROLE_OUT_CROSS)};
    const attn_tensor lses[2] = {*dense_view(&x, ATTN_ROLE_LSE),
                                 *dense_view(&x, ATTN_ROLE_LSE_CROSS)};
    ck_assert_int_eq(attn_merge(2, outs, lses, &outs[0], &lses[0]), ATTN_OK);
    ck_assert(dense_distance(x.out, y.out, x.n_out) < 1e-6);
    ck_assert(dense_distance(x.lse, y.lse, x.n_lse) < 1e-6);
    float *cross_y = add_modalities(&y);
    run(full, &x, 1);
    run(full, &y, 3);
    ck_assert(memcmp(x.out, y.out, x.n_out * sizeof *x.out) == 0);
    ck_assert(memcmp(cross, cross_y, x.n_out * sizeof *x.out) == 0);
    /* with as many keys as there may be */
    run("moda b=2 h=4/2 q=40 k=inf d=16/12 moda_base=0.5 moda_decay=0.1 blas=never", &y, 1);
    ck_assert(dense_distance(cross, cross_y, x.n_out) < 1e-6);
    dense_free(&x);
    dense_free(&y);
}
END_TEST

/* Keys of other classes are seen by nobody and are in no Gram matrix; with one
 * modality the other one's keys stay what they are. */
START_TEST(moda_classes)
{
    static const char *text = "moda h=2 q=20 k=20 d=8";
    enum { N = 20, D = 8, H = 2 };
    struct dense x, y;
    dense_make(&x, 1, H, H, N, N, D, D);
    dense_make(&y, 1, H, H, N, N, D, D);
    float *cross[2] = {add_modalities(&x), add_modalities(&y)};
    modality[3] = 2;
    modality[17] = 63;
    /* class 2 may be a key's only: queries have classes of their own */
    static uint8_t rows[N];
    for (int i = 0; i < N; i++)
        rows[i] = modality[i] & 1;
    dense_view(&x, ATTN_ROLE_CLASS_Q)->data = dense_view(&y, ATTN_ROLE_CLASS_Q)->data = rows;
    for (int64_t h = 0; h < H; h++)
        for (int64_t c = 0; c < D; c++)
            for (int64_t j = 3; j < N; j += 14)
                y.k[(h * N + j) * D + c] = y.v[(h * N + j) * D + c] = NAN;
    run(text, &x, 1);
    run(text, &y, 1);
    ck_assert(dense_distance(x.out, y.out, x.n_out) < 1e-6);
    ck_assert(dense_distance(cross[0], cross[1], x.n_out) < 1e-6);
    memset(modality, 1, sizeof modality);
    memset(rows, 0, sizeof rows);
    run(text, &x, 1);
    run("moda h=2 q=20 k=20 d=8 moda_align=0", &y, 1);
    memcpy(y.k, x.k, H * N * D * sizeof(float));
    memcpy(y.v, x.v, H * N * D * sizeof(float));
    run("moda h=2 q=20 k=20 d=8 moda_align=0", &y, 1);
    ck_assert(dense_distance(cross[0], cross[1], x.n_out) < 1e-6);
    for (size_t n = 0; n < x.n_out; n++)
        ck_assert(x.out[n] == 0);
    dense_free(&x);
    dense_free(&y);
}
END_TEST

START_TEST(moda_errors)
{
    static const char *text = "moda h=2 q=6 k=6 d=4";
    struct dense x;
    dense_make(&x, 1, 2, 2, 6, 6, 4, 4);
    refused(text, &x, ATTN_ERR_ROLE, "class_q is missing");
    add_modalities(&x);
    modality[5] = 2;
    refused(text, &x, ATTN_ERR_RANGE, "class_q[0,5] is 2, expected 0 to 1");
    modality[5] = 1;
    dense_list(&x, ATTN_ROLE_K_LEN, (const int32_t[]){3}, 1);
    refused(text, &x, ATTN_ERR_ROLE, "k_len was not declared");
    dense_free(&x);
}
END_TEST

/* The branch without the image. */
static void add_text(struct dense *x, int64_t n2, uint32_t seed)
{
    int64_t q[4] = {x->b, x->hq, 1, x->d}, k[4] = {x->b, x->hk, n2, x->d};
    int64_t v[4] = {x->b, x->hk, n2, x->dv};
    attn_tensor *t = dense_add(x, ATTN_ROLE_Q2, ATTN_DTYPE_F32, 4, q, NULL);
    fill(t->data, x->b * x->hq * x->d, seed);
    t = dense_add(x, ATTN_ROLE_K2, ATTN_DTYPE_F32, 4, k, NULL);
    fill(t->data, x->b * x->hk * n2 * x->d, seed + 1);
    t = dense_add(x, ATTN_ROLE_V2, ATTN_DTYPE_F32, 4, v, NULL);
    fill(t->data, x->b * x->hk * n2 * x->dv, seed + 2);
}

/* alpha = 1 is softmax; the factors it gives, put into softmax, are vhr. */
START_TEST(vhr_factors)
{
    static const int64_t shape[2] = {2, 6};
    struct dense x, y;
    dense_make(&x, 2, 6, 3, 9, 33, 16, 12);
    dense_make(&y, 2, 6, 3, 9, 33, 16, 12);
    add_text(&x, 11, 5);
    run("vhr b=2 h=6/3 q=9 k=33 d=16/12 causal vhr_alpha=1", &x, 1);
    run("softmax b=2 h=6/3 q=9 k=33 d=16/12 causal", &y, 1);
    ck_assert(dense_distance(x.out, y.out, x.n_out) < 1e-7);
    const float *factors = dense_add(&x, ATTN_ROLE_FACTORS, ATTN_DTYPE_F32, 2, shape, NULL)->data;
    run("vhr b=2 h=6/3 q=9 k=33 d=16/12 causal vhr_alpha=1.75 vhr_filter=0 blas=never", &x, 3);
    for (int b = 0; b < 2; b++) {
        int many = 0;
        for (int h = 0; h < 6; h++)
            many += factors[b * 6 + h] == 1.75f;
        ck_assert_int_eq(many, 3);
    }
    dense_add(&y, ATTN_ROLE_HEAD_FACTOR, ATTN_DTYPE_F32, 2, shape, (void *)(uintptr_t)factors);
    run("softmax b=2 h=6/3 q=9 k=33 d=16/12 causal head_factor blas=never", &y, 1);
    ck_assert(memcmp(x.out, y.out, x.n_out * sizeof *x.out) == 0);
    ck_assert(memcmp(x.lse, y.lse, x.n_lse * sizeof *x.lse) == 0);
    dense_free(&x);
    dense_free(&y);
}
END_TEST

/* No rows: nothing to compare. A NaN in the last row: no head is chosen. */
START_TEST(vhr_edges)
{
    static const int64_t shape[2] = {1, 2};
    struct dense x;
    for (int rows = 0; rows < 2; rows++) {
        dense_make(&x, 1, 2, 2, rows, 7, 4, 4);
        add_text(&x, 3, 1);
        float *factors = dense_add(&x, ATTN_ROLE_FACTORS, ATTN_DTYPE_F32, 2, shape, NULL)->data;
        if (rows > 0)
            x.q[0] = NAN;
        run("vhr h=2 q=7 k=7 d=4", &x, 1);
        ck_assert(factors[0] == 1 && factors[1] == 1);
        dense_free(&x);
    }
}
END_TEST

START_TEST(vhr_errors)
{
    static const int64_t two[4] = {1, 2, 2, 4};
    struct dense x;
    dense_make(&x, 1, 2, 2, 5, 5, 4, 4);
    refused("vhr h=2 q=5 k=5 d=4", &x, ATTN_ERR_ROLE, "k2 is missing");
    add_text(&x, 4, 1);
    refused("vhr h=2 q=5 k=3 d=4", &x, ATTN_ERR_SHAPE, "k has extent 5 in dimension 2");
    attn_tensor *t = dense_view(&x, ATTN_ROLE_Q2);
    attn_tensor_init(t, t->data, ATTN_DTYPE_F32, 4, two);
    refused("vhr h=2 q=5 k=5 d=4", &x, ATTN_ERR_SHAPE, "q2 has extent 2 in dimension 2");
    dense_free(&x);
}
END_TEST

/* The f32 views of Q, K, V and the like become bf16, whose values both runs
 * then have. */
static void narrow(struct dense *x, struct dense *y, const int32_t *roles, size_t n)
{
    for (size_t r = 0; r < n; r++) {
        attn_tensor *t = dense_view(x, roles[r]);
        int64_t count = 1;
        for (int32_t i = 0; i < t->rank; i++)
            count *= t->shape[i];
        float *from = t->data;
        attn_tensor *to = dense_add(y, roles[r], ATTN_DTYPE_BF16, t->rank, t->shape, NULL);
        uint16_t *half = to->data;
        for (int64_t i = 0; i < count; i++) {
            uint32_t bits;
            memcpy(&bits, &from[i], sizeof bits);
            half[i] = (uint16_t)(bits >> 16);
            bits &= 0xFFFF0000;
            memcpy(&from[i], &bits, sizeof bits);
        }
    }
}

/* Stages on f32 intermediates beside bf16 keys and values. */
START_TEST(bf16)
{
    static const int32_t docs[] = {10, 60, 100, 150}, roles[] = {
        ATTN_ROLE_Q, ATTN_ROLE_K, ATTN_ROLE_V, ATTN_ROLE_OUT, ATTN_ROLE_Q2, ATTN_ROLE_K2,
        ATTN_ROLE_V2};
    static const int64_t shape[2] = {1, 4}, more[4] = {1, 4, 200, 32}, pairs[2] = {1, 200};
    static const char *const texts[3] = {"pine h=4/2 q=200 k=200 d=32 pine_docs=3",
                                         "moda h=4/2 q=200 k=200 d=32",
                                         "vhr h=4/2 q=200 k=200 d=32 causal"};
    static const char *const types[] = {" dtype=bf16", " dtype=bf16 compute=bf16"};
    static uint8_t kinds[200];
    for (int i = 0; i < 200; i++)
        kinds[i] = (uint8_t)(i / 30 % 2);
    for (int m = 0; m < 3; m++)
        for (int n = 0; n < 2; n++) {
            struct dense x, y;
            char text[200];
            dense_make(&x, 1, 4, 2, 200, 200, 32, 32);
            dense_make(&y, 1, 4, 2, 200, 200, 32, 32);
            if (m == 0)
                dense_add(&x, ATTN_ROLE_DOCS, ATTN_DTYPE_I32, 2, shape, (void *)(uintptr_t)docs);
            if (m == 0)
                dense_add(&y, ATTN_ROLE_DOCS, ATTN_DTYPE_I32, 2, shape, (void *)(uintptr_t)docs);
            struct dense *both[2] = {&x, &y};
            for (int i = 0; i < 2 && m == 1; i++) {
                dense_add(both[i], ATTN_ROLE_CLASS_Q, ATTN_DTYPE_U8, 2, pairs, kinds);
                dense_add(both[i], ATTN_ROLE_CLASS_K, ATTN_DTYPE_U8, 2, pairs, kinds);
                dense_add(both[i], ATTN_ROLE_OUT_CROSS, i ? ATTN_DTYPE_BF16 : ATTN_DTYPE_F32, 4,
                          more, NULL);
            }
            if (m == 2)
                add_text(&x, 50, 3);
            narrow(&x, &y, roles, m == 2 ? 7 : 4);
            run(texts[m], &x, 1);
            snprintf(text, sizeof text, "%s%s", texts[m], types[n]);
            attn_ctx *ctx = dense_ctx(1);
            ck_assert_msg(dense_run(ctx, text, NULL, &y), "%s: %s", text, dense_error());
            attn_ctx_destroy(ctx);
            for (int out = 0; out < (m == 1 ? 2 : 1); out++) {
                int32_t role = out ? ATTN_ROLE_OUT_CROSS : ATTN_ROLE_OUT;
                const float *want = dense_view(&x, role)->data;
                const uint16_t *got = dense_view(&y, role)->data;
                double error = 0, size = 0;
                for (size_t i = 0; i < x.n_out; i++) {
                    uint32_t bits = (uint32_t)got[i] << 16;
                    float f;
                    memcpy(&f, &bits, sizeof f);
                    error += pow((double)f - (double)want[i], 2);
                    size += pow((double)want[i], 2);
                }
                ck_assert_msg(sqrt(error / size) < 0x1p-8 * (1 + (n ? 6.0 / 4 : 0)),
                              "%s: role %d: %g", text, (int)role, sqrt(error / size));
            }
            dense_free(&x);
            dense_free(&y);
        }
}
END_TEST

static const struct {
    const char *text;
    int32_t status;
    const char *word;
} plans[] = {
    {"vhr h=2 q=4 k=4 d=4 vhr_alpha=2 head_factor", ATTN_ERR_INVALID, "head_factor is set"},
    {"vhr h=2 q=4 k=4 d=4 window=1,1", ATTN_ERR_INVALID, "window_left is set"},
    {"pine h=2 q=4 k=4 d=4", ATTN_ERR_UNSET, "pine needs pine_docs"},
    {"pine h=2 q=4 k=inf d=4 pine_docs=3", ATTN_ERR_UNSUPPORTED, "k is inf"},
    {"pine h=2 q=4 k=4 d=4 pine_docs=3 causal=0", ATTN_ERR_INVALID, "causal is 0"},
    {"pine h=2 q=4 k=4 d=4 pine_docs=3 rope_apply=q", ATTN_ERR_INVALID, "rope_apply is set"},
    {"pine h=2 q=4 k=4 d=4 pine_docs=3 rope_positions", ATTN_ERR_INVALID, "rope_positions is"},
    {"pine h=2 q=4 k=4 d=4 pine_docs=3 qk_norm=rms", ATTN_ERR_INVALID, "qk_norm is set"},
    {"pine h=2 q=4 k=4 d=3 pine_docs=3", ATTN_ERR_INVALID, "rope_dim is 3"},
    {"pine h=65536 q=1000000000000 k=4 d=4 pine_docs=65536", ATTN_ERR_OVERFLOW, "pine"},
    {"pine h=2 q=4 k=4 d=4 pine_docs=3 must=band[1,1,0,1]", ATTN_ERR_INVALID, "no pieces"},
    {"moda h=2 q=4 k=4 d=4 moda_decay=1", ATTN_ERR_INVALID, "moda_base is not"},
    {"moda h=2 q=4 k=4 d=4 causal=0", ATTN_ERR_INVALID, "causal is 0"},
    {"moda h=2 q=4 k=4 d=4 sink_logits", ATTN_ERR_INVALID, "sink_logits is set"},
    {"moda h=2 q=4 k=4 d=4 must=pair[1,2]", ATTN_ERR_INVALID, "no pieces"},
};

START_TEST(plan_create)
{
    attn_ctx *ctx = dense_ctx(1);
    for (size_t n = 0; n < sizeof plans / sizeof plans[0]; n++) {
        attn_desc *desc;
        attn_plan *plan = (attn_plan *)(void *)ctx;
        ck_assert_int_eq(attn_desc_parse(ctx, plans[n].text, &desc), ATTN_OK);
        ck_assert_msg(attn_plan_create(ctx, desc, &plan) == plans[n].status, "%s: %s",
                      plans[n].text, dense_error());
        ck_assert_ptr_null(plan);
        ck_assert_msg(strstr(dense_error(), plans[n].word), "%s: %s", plans[n].text,
                      dense_error());
        attn_desc_destroy(desc);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

UNIT_MAIN("multi_stage", pine_order, pine_one, pine_batch, pine_poison, pine_errors, moda_parts,
          moda_classes, moda_errors, vhr_factors, vhr_edges, vhr_errors, bf16, plan_create)
