/* SPDX-License-Identifier: MIT */
/*
 * Weights that executes leave in a cache (solvers/observe): what mechanisms
 * keep by them is what NumPy models keep; they are those that
 * attn_cache_observe is told by hand; threads do not change them; and what is
 * refused.
 * usage: test_view_observe FILE, made by make_cache_observe.py
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <attn/attn.h>

#include "../mech/rng.h"
#include "check_that.h"

enum { D = 8, MOST = 1400, HEADS = 6, KV = 3, SEQS = 3 };

static attn_tensor dense(void *data, int32_t dtype, int32_t rank, const int64_t *shape)
{
    attn_tensor t = {0};
    CHECK(attn_tensor_init(&t, data, dtype, rank, shape) == ATTN_OK);
    return t;
}

#define SHAPE(...) ((const int64_t[]){__VA_ARGS__})

static attn_ctx *context(int64_t threads)
{
    attn_ctx *ctx = NULL;
    CHECK(attn_ctx_create(NULL, &ctx) == ATTN_OK);
    CHECK(attn_ctx_set_i64(ctx, ATTN_CTX_THREADS, threads) == ATTN_OK);
    return ctx;
}

static attn_cache *cache_of(attn_ctx *ctx, const char *text)
{
    attn_desc *desc = NULL;
    attn_cache *cache = NULL;
    CHECK(attn_desc_parse(ctx, text, &desc) == ATTN_OK);
    CHECK(attn_cache_create(ctx, desc, &cache) == ATTN_OK);
    attn_desc_destroy(desc);
    if (!cache)
        exit(EXIT_FAILURE);
    return cache;
}

static attn_plan *plan_of(attn_ctx *ctx, const char *text)
{
    attn_desc *desc = NULL;
    attn_plan *plan = NULL;
    CHECK(attn_desc_parse(ctx, text, &desc) == ATTN_OK);
    CHECK(attn_plan_create(ctx, desc, &plan) == ATTN_OK);
    attn_desc_destroy(desc);
    if (!plan)
        exit(EXIT_FAILURE);
    return plan;
}

/* Rows of q [heads][all][D], offset[i] to offset[i + 1] those of sequence i. */
static int32_t execute(const attn_plan *plan, const attn_view *view, int64_t layer, float *q,
                       int64_t heads, int64_t n, int64_t *offset, bool with_lse)
{
    static float out[HEADS * SEQS * MOST * D], lse[HEADS * SEQS * MOST];
    int64_t rows = offset[n];
    attn_tensor tq = dense(q, ATTN_DTYPE_F32, 4, SHAPE(1, heads, rows, D));
    attn_tensor to = dense(out, ATTN_DTYPE_F32, 4, SHAPE(1, heads, rows, D));
    attn_tensor tl = dense(lse, ATTN_DTYPE_F32, 3, SHAPE(1, heads, rows));
    attn_tensor off = dense(offset, ATTN_DTYPE_I64, 1, SHAPE(n + 1));
    attn_tensor at = dense(&layer, ATTN_DTYPE_I64, 1, SHAPE(1));
    const attn_arg args[] = {{ATTN_ROLE_Q, 0, &tq},      {ATTN_ROLE_Q_OFFSETS, 0, &off},
                             {ATTN_ROLE_VIEW, 0, view},  {ATTN_ROLE_LAYER, 0, &at},
                             {ATTN_ROLE_OUT, 0, &to},    {ATTN_ROLE_LSE, 0, &tl}};
    return attn_plan_execute(plan, args, with_lse ? 6 : 5, NULL, 0);
}

static attn_step *write(attn_cache *cache, int64_t n, const int64_t *seq, const int64_t *counts,
                        const int32_t *parents, int64_t kv, float *k)
{
    attn_step *step = NULL;
    int64_t all = 0;
    for (int64_t i = 0; i < n; i++)
        all += counts[i];
    attn_tensor t = dense(k, ATTN_DTYPE_F32, 4, SHAPE(1, kv, all, D));
    CHECK(attn_step_begin(cache, (size_t)n, seq, counts, parents, &step) == ATTN_OK);
    CHECK(attn_step_write(step, 0, &t, &t) == ATTN_OK);
    return step;
}

static void commit(attn_step *step)
{
    CHECK(attn_step_commit(step, NULL, NULL) == ATTN_OK);
    attn_step_destroy(step);
}

/* ---- models */

static bool read_floats(FILE *file, float *x, int64_t n)
{
    bool good = true;
    for (int64_t i = 0; i < n && good; i++)
        good = fscanf(file, "%f", &x[i]) == 1;
    return good;
}

static bool read_step(FILE *file, attn_cache *cache, int64_t seq, const attn_plan *plan,
                      int64_t heads, bool executes)
{
    static float k[64 * D], q[HEADS * 64 * D];
    int64_t n = 0;
    attn_view *view = NULL;
    if (fscanf(file, "%" SCNd64, &n) != 1 || n > 64 || !read_floats(file, k, n * D))
        return false;
    attn_step *step = write(cache, 1, &seq, &n, NULL, 1, k);
    if (executes) {
        int64_t offset[2] = {0, n};
        if (!read_floats(file, q, heads * n * D))
            return false;
        CHECK(attn_view_create(cache, 1, NULL, &seq, NULL, &view) == ATTN_OK);
        CHECK(execute(plan, view, 0, q, heads, 1, offset, true) == ATTN_OK);
        attn_view_destroy(view);
    }
    commit(step);
    return true;
}

static bool read_prune(FILE *file, attn_cache *cache, int64_t seq)
{
    int32_t rules[8];
    int64_t values[8], n = 0;
    bool good = fscanf(file, "%" SCNd64, &n) == 1 && n <= 8;
    for (int64_t i = 0; i < n && good; i++)
        good = fscanf(file, "%" SCNd32 " %" SCNd64, &rules[i], &values[i]) == 2;
    CHECK(attn_cache_prune_scores(cache, seq, 0, 0, rules, values, (size_t)n) == ATTN_OK);
    return good;
}

static bool check_keep(FILE *file, const attn_cache *cache, int64_t seq)
{
    int64_t pos[64], n = 0, want;
    size_t found = 0;
    bool good = fscanf(file, "%" SCNd64, &n) == 1 && n <= 64;
    CHECK(attn_cache_positions(cache, seq, 0, 0, pos, 64, &found) == ATTN_OK);
    CHECK((int64_t)found == n);
    for (int64_t i = 0; i < n && good; i++) {
        good = fscanf(file, "%" SCNd64, &want) == 1;
        CHECK(pos[i] == want);
    }
    return good;
}

static void check_models(attn_ctx *ctx, const char *path)
{
    FILE *file = fopen(path, "r");
    attn_cache *cache = NULL;
    attn_plan *plan = NULL;
    char word[16], policy[32], text[256];
    int64_t seq = 0, rows = 0, heads = 1, kept = 0;
    if (!file) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    while (fscanf(file, "%15s", word) == 1) {
        bool good;
        if (strcmp(word, "new") == 0) {
            good = fscanf(file, "%31s %" SCNd64 " %" SCNd64, policy, &rows, &heads) == 3;
            int at = snprintf(text, sizeof text, "cache h=1 d=%d cache_layers=1 cache_page=8 "
                                                 "cache_pages=20 policy=%s", D, policy);
            if (rows > 0)
                snprintf(text + at, sizeof text - (size_t)at, " cache_score_rows=%" PRId64, rows);
            attn_cache_destroy(cache);
            attn_plan_destroy(plan);
            cache = cache_of(ctx, text);
            CHECK(attn_cache_seq_create(cache, &seq) == ATTN_OK);
            snprintf(text, sizeof text, "softmax h=%" PRId64 "/1 q=64 k=inf d=%d packed view "
                                        "causal observe cache_page=8", heads, D);
            plan = plan_of(ctx, text);
        } else if (strcmp(word, "prune") == 0) {
            good = read_prune(file, cache, seq);
        } else if (strcmp(word, "keep") == 0) {
            good = check_keep(file, cache, seq);
            kept++;
        } else {
            good = read_step(file, cache, seq, plan, heads, strcmp(word, "step") == 0);
        }
        CHECK(good);
        if (!good)
            break;
    }
    CHECK(kept > 20);
    attn_cache_destroy(cache);
    attn_plan_destroy(plan);
    fclose(file);
}

/* ---- by hand */

static float *numbers(struct rng *rng, int64_t n)
{
    float *x = malloc((size_t)n * sizeof *x);
    for (int64_t i = 0; x && i < n; i++)
        x[i] = (float)(rng_unit(rng) * 4 - 2);
    if (!x)
        exit(EXIT_FAILURE);
    return x;
}

/* Weights [heads][rows][n] of one group's query heads, over all stored tokens. */
static void weights(const float *q, const float *k, int64_t all, int64_t first, int64_t rows,
                    const int64_t *head, int64_t heads, int64_t n, float *p)
{
    for (int64_t h = 0; h < heads; h++)
        for (int64_t i = 0; i < rows; i++) {
            double sum = 0, s[MOST];
            for (int64_t j = 0; j < n; j++) {
                double x = 0;
                for (int e = 0; e < D; e++)
                    x += (double)q[(head[h] * all + first + i) * D + e] *
                         (double)k[(head[h] / (HEADS / KV) * MOST + j) * D + e];
                s[j] = j <= n - rows + i ? exp(x / sqrt(D)) : 0;
                sum += s[j];
            }
            for (int64_t j = 0; j < n; j++)
                p[(h * rows + i) * n + j] = (float)(s[j] / sum);
        }
}

struct batch {
    attn_cache *cache;
    int64_t seq[SEQS], past[SEQS], rows[SEQS], offset[SEQS + 1];
    float *k[SEQS]; /* [KV][MOST][D] */
};

/* Query heads of each group: KV heads 0 and 2, and 1. */
static const int64_t heads_of[2][4] = {{0, 1, 4, 5}, {2, 3}};

static void same_scores(const struct batch *b, int64_t i, int64_t g, int64_t by_hand)
{
    static float x[MOST], y[MOST];
    size_t n = 0, m = 0;
    CHECK(attn_cache_scores(b->cache, b->seq[i], 0, g, x, MOST, &n) == ATTN_OK);
    CHECK(attn_cache_scores(b->cache, by_hand, 0, g, y, MOST, &m) == ATTN_OK);
    CHECK(n == m && (int64_t)n == b->past[i] + b->rows[i]);
    for (size_t j = 0; j < n; j++)
        if (!(fabs((double)x[j] - (double)y[j]) <= 2e-5 * (1 + fabs((double)y[j])))) {
            fprintf(stderr, "error: sequence %d, group %d, token %zu: %g, by hand %g\n", (int)i,
                    (int)g, j, (double)x[j], (double)y[j]);
            failures++;
            return;
        }
}

/* Scores of modes for both groups: of sequences that grow by an executed step,
 * and of others that are told. */
static void check_by_hand(attn_ctx *ctx, int mode0, int mode1, const char *options, uint64_t seed)
{
    bool windows = mode0 == ATTN_CACHE_SCORES_WINDOW_SUM || mode1 == ATTN_CACHE_SCORES_WINDOW_SUM;
    static float p[4 * 40 * MOST], rows_k[KV * MOST * D];
    struct rng rng = {seed};
    struct batch b = {0};
    char text[512];
    attn_view *view;
    snprintf(text, sizeof text, "cache h=%d d=%d cache_layers=1 cache_page=16 cache_pages=2000 "
                                "cache_group=[0,1,0] cache_scores=[%d,%d]%s",
             KV, D, mode0, mode1, windows ? " cache_score_rows=5" : "");
    b.cache = cache_of(ctx, text);
    snprintf(text, sizeof text, "softmax b=%d h=%d/%d q=40 k=inf d=%d packed view causal observe "
                                "cache_page=16 cache_group=[0,1,0] %s",
             SEQS, HEADS, KV, D, options);
    attn_plan *plan = plan_of(ctx, text);
    for (int64_t i = 0; i < SEQS; i++) {
        b.past[i] = i == 1 ? 1100 : rng_int(&rng, 1, 60);
        b.rows[i] = i == 1 ? 3 : rng_int(&rng, 1, 40);
        b.offset[i + 1] = b.offset[i] + b.rows[i];
        b.k[i] = numbers(&rng, KV * MOST * D);
        CHECK(attn_cache_seq_create(b.cache, &b.seq[i]) == ATTN_OK);
        for (int64_t h = 0; h < KV; h++)
            memcpy(rows_k + h * b.past[i] * D, b.k[i] + h * MOST * D,
                   (size_t)(b.past[i] * D) * sizeof(float));
        commit(write(b.cache, 1, &b.seq[i], &b.past[i], NULL, KV, rows_k));
    }
    int64_t all = b.offset[SEQS];
    for (int64_t h = 0; h < KV; h++)
        for (int64_t i = 0; i < SEQS; i++)
            memcpy(rows_k + (h * all + b.offset[i]) * D, b.k[i] + (h * MOST + b.past[i]) * D,
                   (size_t)(b.rows[i] * D) * sizeof(float));
    float *q = numbers(&rng, HEADS * all * D);
    attn_step *step = write(b.cache, SEQS, b.seq, b.rows, NULL, KV, rows_k);
    CHECK(attn_view_create(b.cache, SEQS, NULL, b.seq, NULL, &view) == ATTN_OK);
    CHECK(execute(plan, view, 0, q, HEADS, SEQS, b.offset, true) == ATTN_OK);
    attn_view_destroy(view);
    commit(step);
    for (int64_t i = 0; i < SEQS; i++) {
        int64_t told, n = b.past[i] + b.rows[i];
        CHECK(attn_cache_seq_create(b.cache, &told) == ATTN_OK);
        for (int64_t h = 0; h < KV; h++)
            memcpy(rows_k + h * n * D, b.k[i] + h * MOST * D, (size_t)(n * D) * sizeof(float));
        commit(write(b.cache, 1, &told, &n, NULL, KV, rows_k));
        for (int64_t g = 0; g < 2; g++) {
            int64_t heads = g == 0 ? 4 : 2;
            weights(q, b.k[i], all, b.offset[i], b.rows[i], heads_of[g], heads, n, p);
            attn_tensor t = dense(p, ATTN_DTYPE_F32, 4, SHAPE(1, heads, b.rows[i], n));
            CHECK(attn_cache_observe(b.cache, told, 0, g, &t) == ATTN_OK);
            same_scores(&b, i, g, told);
        }
        free(b.k[i]);
    }
    free(q);
    attn_plan_destroy(plan);
    attn_cache_destroy(b.cache);
}

/* ---- threads */

/* The scores after executes on so many threads, of sequences without a step. */
static void scores_of(int64_t threads, float *scores, size_t *n)
{
    static float k[MOST * D];
    struct rng rng = {5};
    int64_t seq, count = MOST, offset[2] = {0, 7};
    attn_view *view = NULL;
    attn_ctx *ctx = context(threads);
    attn_cache *cache = cache_of(ctx, "cache h=1 d=8 cache_layers=1 cache_pages=100 policy=h2o");
    attn_plan *plan = plan_of(ctx, "softmax h=6/1 q=7 k=inf d=8 packed view causal observe");
    float *q = numbers(&rng, HEADS * 7 * D);
    for (int64_t i = 0; i < MOST * D; i++)
        k[i] = (float)(rng_unit(&rng) * 2 - 1);
    CHECK(attn_cache_seq_create(cache, &seq) == ATTN_OK);
    commit(write(cache, 1, &seq, &count, NULL, 1, k));
    CHECK(attn_view_create(cache, 1, NULL, &seq, NULL, &view) == ATTN_OK);
    for (int times = 0; times < 2; times++)
        CHECK(execute(plan, view, 0, q, HEADS, 1, offset, true) == ATTN_OK);
    CHECK(attn_cache_scores(cache, seq, 0, 0, scores, MOST, n) == ATTN_OK);
    attn_view_destroy(view);
    attn_plan_destroy(plan);
    attn_cache_destroy(cache);
    attn_ctx_destroy(ctx);
    free(q);
}

static void check_threads(void)
{
    static float x[MOST], y[MOST];
    size_t n = 0, m = 0;
    double sum = 0;
    scores_of(1, x, &n);
    scores_of(3, y, &m);
    CHECK(n == MOST && n == m && memcmp(x, y, sizeof x) == 0);
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i];
    CHECK(fabs(sum - 2 * HEADS * 7) < 1e-3);
}

/* A layer with keys of another leaves nothing. */
static void check_layers(attn_ctx *ctx)
{
    static float k[5 * D], q[2 * D];
    int64_t seq, count = 5, offset[2] = {0, 2};
    float scores[5], sum = 0;
    attn_view *view = NULL;
    size_t n = 0;
    attn_cache *cache = cache_of(ctx, "cache h=1 d=8 cache_layers=2 cache_owner=[0,0] "
                                      "cache_pages=9 policy=h2o");
    attn_plan *plan = plan_of(ctx, "softmax h=1 q=2 k=inf d=8 packed view causal observe");
    CHECK(attn_cache_seq_create(cache, &seq) == ATTN_OK);
    commit(write(cache, 1, &seq, &count, NULL, 1, k));
    CHECK(attn_view_create(cache, 1, NULL, &seq, NULL, &view) == ATTN_OK);
    for (int64_t layer = 1; layer >= 0; layer--) {
        CHECK(execute(plan, view, layer, q, 1, 1, offset, true) == ATTN_OK);
        CHECK(attn_cache_scores(cache, seq, 0, 0, scores, 5, &n) == ATTN_OK && n == 5);
        for (size_t i = 0; i < n; i++)
            sum += scores[i];
        CHECK(fabs((double)sum - (layer == 0 ? 2 : 0)) < 1e-5);
    }
    attn_view_destroy(view);
    attn_plan_destroy(plan);
    attn_cache_destroy(cache);
}

/* ---- refusals */

static void refused(int32_t status, int32_t want, const char *word)
{
    char text[512];
    attn_last_error(text, sizeof text);
    if (status == want && strstr(text, word))
        return;
    fprintf(stderr, "error: %s, expected %s and \"%s\": %s\n", attn_status_name(status),
            attn_status_name(want), word, text);
    failures++;
}

static int32_t try_view(const attn_plan *plan, attn_cache *cache, int64_t n, const int64_t *counts,
                        const int64_t *seqs, const int64_t *ends, bool with_lse)
{
    static float q[HEADS * SEQS * D];
    int64_t offset[SEQS + 1] = {0, 1, 2, 3};
    attn_view *view = NULL;
    CHECK(attn_view_create(cache, (size_t)n, counts, seqs, ends, &view) == ATTN_OK);
    int32_t status = execute(plan, view, 0, q, 1, n, offset, with_lse);
    attn_view_destroy(view);
    return status;
}

static void check_refusals(attn_ctx *ctx)
{
    static float k[4 * D];
    int64_t seq[3], three = 3, two = 2, end = 2, offset[2] = {0, 2};
    int32_t branches[2] = {-1, -1};
    attn_view *view = NULL;
    attn_desc *desc = NULL;
    attn_plan *none = NULL;
    attn_cache *cache = cache_of(ctx, "cache h=1 d=8 cache_layers=1 cache_pages=9 policy=h2o");
    attn_cache *plain = cache_of(ctx, "cache h=1 d=8 cache_layers=1 cache_pages=9");
    attn_plan *plan = plan_of(ctx, "softmax b=3 h=1 q=2 k=inf d=8 packed view causal observe");
    for (int i = 0; i < 2; i++) {
        CHECK(attn_cache_seq_create(cache, &seq[i]) == ATTN_OK);
        commit(write(cache, 1, &seq[i], &three, NULL, 1, k));
    }
    CHECK(try_view(plan, cache, 2, NULL, seq, NULL, true) == ATTN_OK);
    refused(try_view(plan, cache, 2, NULL, seq, NULL, false), ATTN_ERR_ROLE, "lse");
    refused(try_view(plan, cache, 1, &two, seq, NULL, true), ATTN_ERR_UNSUPPORTED, "several");
    refused(try_view(plan, cache, 1, NULL, seq, &end, true), ATTN_ERR_UNSUPPORTED, "end");
    seq[2] = seq[0];
    refused(try_view(plan, cache, 3, NULL, seq, NULL, true), ATTN_ERR_UNSUPPORTED, "twice");
    attn_step *step = write(cache, 1, seq, &two, branches, 1, k);
    CHECK(attn_view_create(cache, 1, NULL, seq, NULL, &view) == ATTN_OK);
    static float q[2 * D];
    refused(execute(plan, view, 0, q, 1, 1, offset, true), ATTN_ERR_UNSUPPORTED, "branches");
    attn_view_destroy(view);
    attn_step_destroy(step);
    CHECK(attn_cache_seq_create(plain, &seq[0]) == ATTN_OK);
    commit(write(plain, 1, seq, &three, NULL, 1, k));
    refused(try_view(plan, plain, 1, NULL, seq, NULL, true), ATTN_ERR_UNSUPPORTED, "cache_scores");
    CHECK(attn_desc_parse(ctx, "softmax h=1 q=2 k=9 d=8 observe", &desc) == ATTN_OK);
    refused(attn_plan_create(ctx, desc, &none), ATTN_ERR_INVALID, "observe");
    attn_desc_destroy(desc);
    attn_plan_destroy(plan);
    attn_cache_destroy(cache);
    attn_cache_destroy(plain);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: test_view_observe FILE\n");
        return 1;
    }
    attn_ctx *ctx = context(2);
    check_models(ctx, argv[1]);
    check_by_hand(ctx, ATTN_CACHE_SCORES_SUM, ATTN_CACHE_SCORES_WINDOW_SUM, "", 77);
    check_by_hand(ctx, ATTN_CACHE_SCORES_LAST, ATTN_CACHE_SCORES_SUM, "solver=flash", 78);
    check_by_hand(ctx, ATTN_CACHE_SCORES_WINDOW_SUM, ATTN_CACHE_SCORES_LAST, "solver=decode", 79);
    check_by_hand(ctx, ATTN_CACHE_SCORES_COUNT_LOW, ATTN_CACHE_SCORES_SUM, "", 80);
    check_threads();
    check_layers(ctx);
    check_refusals(ctx);
    attn_ctx_destroy(ctx);
    printf("%s: weights of executes\n", failures ? "FAIL" : "ok");
    return failures != 0;
}
