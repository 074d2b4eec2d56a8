/* SPDX-License-Identifier: MIT */
/*
 * Lists of keys along views (solvers/list_pass, list_attend) and quest's choice
 * of pages there (solvers/select_pooled, mech/quest): a cache against the same
 * rows in a tensor, where sequences end before it does. The same bits, with and
 * without bounds that the cache keeps, and for keys in q8_0 those of what they
 * stand for, to rounding. Beside windows of the cache lists are compared with
 * the same windows of a plan, and in steps that branch with plain C.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <attn/attn.h>

#include "../mech/rng.h"
#include "apart.h"

enum { B = 3, H = 4, HK = 2, D = 32, PAGE = 16, MOST = 500, ROWS = 3 };

static const int64_t length[B] = {MOST, 161, 40};

struct bench {
    attn_ctx *ctx;
    attn_cache *cache;
    attn_view *view;
    int64_t id[B];
    float q[B * H * ROWS * D], k[B * HK * MOST * D], v[B * HK * MOST * D];
};

static void ok(int32_t status, const char *what)
{
    char text[512];
    if (status == ATTN_OK)
        return;
    attn_last_error(text, sizeof text);
    fprintf(stderr, "%s: %s\n", what, text);
    exit(1);
}

static void refused(int32_t status, int32_t want, const char *says)
{
    char text[512];
    attn_last_error(text, sizeof text);
    if (status == want && strstr(text, says))
        return;
    fprintf(stderr, "%s in place of %s: %s\n", attn_status_name(status), attn_status_name(want),
            text);
    exit(1);
}

static attn_tensor dense(const void *data, int32_t dtype, int32_t rank, const int64_t *shape)
{
    attn_tensor t;
    attn_tensor_init(&t, (void *)(uintptr_t)data, dtype, rank, shape);
    return t;
}

#define SHAPE(...) ((const int64_t[]){__VA_ARGS__})

/* Tokens n0..n1-1 of sequence s; parents: in a step that stays open. */
static attn_step *put(struct bench *b, int s, int64_t n0, int64_t n1, const int32_t *parents)
{
    const int64_t at = ((int64_t)s * HK * MOST + n0) * D, n = n1 - n0;
    attn_tensor k = dense(b->k + at, ATTN_DTYPE_F32, 4, SHAPE(1, HK, n, D)), v = k;
    attn_step *step;
    k.stride[1] = v.stride[1] = MOST * D;
    v.data = b->v + at;
    ok(attn_step_begin(b->cache, 1, &b->id[s], &n, parents, &step), "begin");
    ok(attn_step_write(step, 0, &k, &v), "write");
    if (parents)
        return step;
    ok(attn_step_commit(step, NULL, NULL), "commit");
    attn_step_destroy(step);
    return NULL;
}

/* An empty cache, and rows for it. */
static void make(struct bench *b, const char *options)
{
    struct rng rng = {11};
    char text[256];
    attn_desc *desc;
    ok(attn_ctx_create(NULL, &b->ctx), "ctx");
    sprintf(text, "cache cache_layers=1 cache_pages=200 cache_page=%d h=%d d=%d %s", PAGE, HK, D,
            options);
    ok(attn_desc_parse(b->ctx, text, &desc), text);
    ok(attn_cache_create(b->ctx, desc, &b->cache), text);
    attn_desc_destroy(desc);
    for (size_t i = 0; i < sizeof b->q / sizeof *b->q; i++)
        b->q[i] = (float)rng_int(&rng, -64, 64) / 32;
    for (size_t i = 0; i < sizeof b->k / sizeof *b->k; i++) {
        b->k[i] = (float)rng_int(&rng, -64, 64) / 32;
        b->v[i] = (float)rng_int(&rng, -64, 64) / 32;
    }
    for (int s = 0; s < B; s++)
        ok(attn_cache_seq_create(b->cache, &b->id[s]), "create");
}

/* The sequences in a cache, and what it stores of them in k and v. */
static void begin(struct bench *b, const char *options)
{
    make(b, options);
    for (int s = 0; s < B; s++) {
        int64_t at = (int64_t)s * HK * MOST * D;
        attn_tensor k = dense(b->k + at, ATTN_DTYPE_F32, 4, SHAPE(1, HK, length[s], D)), v = k;
        k.stride[1] = v.stride[1] = MOST * D;
        v.data = b->v + at;
        put(b, s, 0, length[s], NULL);
        ok(attn_cache_read(b->cache, b->id[s], 0, 0, &k, &v), "read");
    }
    ok(attn_view_create(b->cache, B, NULL, b->id, NULL, &b->view), "view");
}

static void end(struct bench *b)
{
    attn_view_destroy(b->view);
    attn_cache_destroy(b->cache);
    attn_ctx_destroy(b->ctx);
}

/* What some_pages made: entry n of row r is the page that begins at start[n]. */
static int32_t start[B * H * ROWS * (MOST / PAGE + 1)], ptr[B * H * ROWS + 1];

/* Half of the pages of the shortest sequence and more of the others. */
static attn_selection *some_pages(const struct bench *b, int64_t rows)
{
    struct rng rng = {5};
    attn_selection *made;
    int64_t n = 0, row = 0;
    for (int s = 0; s < B; s++)
        for (int64_t i = 0; i < H * rows; i++, ptr[++row] = (int32_t)n)
            for (int64_t page = 0; page * PAGE < length[s]; page++)
                if (rng_percent(&rng, 60))
                    start[n++] = (int32_t)(page * PAGE);
    attn_tensor t[] = {dense(ptr, ATTN_DTYPE_I32, 1, SHAPE(B * H * rows + 1)),
                       dense(start, ATTN_DTYPE_I32, 1, SHAPE(n))};
    const attn_arg parts[] = {{ATTN_SELECTION_PART_ROW_PTR, 0, &t[0]},
                              {ATTN_SELECTION_PART_START, 0, &t[1]}};
    ok(attn_selection_import_rows(b->ctx, B, H, 1, rows, 1, MOST, PAGE, parts, 2, &made), "lists");
    return made;
}

struct result {
    float out[B * H * ROWS * D], lse[B * H * ROWS];
};

static int32_t run(const struct bench *b, const char *options, bool view, int64_t rows,
                   const attn_selection *lists, struct result *r)
{
    char text[512];
    attn_desc *desc;
    attn_plan *plan;
    int64_t layer = 0;
    sprintf(text, "%s b=%d h=%d/%d q=%d k=%d d=%d causal %s", lists ? "lists" : "quest", B, H, HK,
            ROWS, MOST, D, options);
    if (!lists)
        sprintf(text + strlen(text), " quest_budget=4 quest_page=%d", PAGE);
    if (view)
        sprintf(text + strlen(text), " view cache_page=%d", PAGE);
    ok(attn_desc_parse(b->ctx, text, &desc), text);
    ok(attn_plan_create(b->ctx, desc, &plan), text);
    attn_desc_destroy(desc);
    memset(r, 0, sizeof *r);
    attn_tensor q = dense(b->q, ATTN_DTYPE_F32, 4, SHAPE(B, H, rows, D));
    attn_tensor out = dense(r->out, ATTN_DTYPE_F32, 4, SHAPE(B, H, rows, D));
    attn_tensor lse = dense(r->lse, ATTN_DTYPE_F32, 3, SHAPE(B, H, rows));
    attn_tensor k = dense(b->k, ATTN_DTYPE_F32, 4, SHAPE(B, HK, MOST, D));
    attn_tensor v = dense(b->v, ATTN_DTYPE_F32, 4, SHAPE(B, HK, MOST, D));
    attn_tensor n = dense(length, ATTN_DTYPE_I64, 1, SHAPE(B));
    attn_tensor at = dense(&layer, ATTN_DTYPE_I64, 1, SHAPE(1));
    attn_arg args[8] = {{ATTN_ROLE_Q, 0, &q}, {ATTN_ROLE_OUT, 0, &out}, {ATTN_ROLE_LSE, 0, &lse}};
    const attn_arg of_tensor[] = {{ATTN_ROLE_K, 0, &k}, {ATTN_ROLE_V, 0, &v},
                                  {ATTN_ROLE_K_LEN, 0, &n}};
    const attn_arg of_view[] = {{ATTN_ROLE_VIEW, 0, b->view}, {ATTN_ROLE_LAYER, 0, &at}};
    size_t used = 3;
    for (size_t i = 0; i < (view ? 2 : 3); i++)
        args[used++] = view ? of_view[i] : of_tensor[i];
    if (lists)
        args[used++] = (attn_arg){ATTN_ROLE_SELECTION, 0, lists};
    int32_t status = attn_plan_execute(plan, args, used, NULL, 0);
    attn_plan_destroy(plan);
    return status;
}

/* A plan with a view, and one of a tensor. */
static void compare(const struct bench *b, const char *options, const char *of_tensor,
                    int64_t rows, const attn_selection *lists, bool bits)
{
    static struct result got, want;
    ok(run(b, options, true, rows, lists, &got), options);
    ok(run(b, of_tensor, false, rows, lists, &want), of_tensor);
    double most = apart_by(got.out, want.out, sizeof got.out / sizeof *got.out);
    if (memcmp(&got, &want, sizeof got) == 0 || (!bits && most < 1e-5))
        return;
    fprintf(stderr, "%s, %s, %d rows: apart by %.3g\n", lists ? "lists" : "quest", options,
            (int)rows, most);
    exit(1);
}

static const char *const solvers[] = {"solver=lists", "solver=decode", "solver=flash",
                                      "solver=reference"};

static void check(const char *cache, const char *plan, bool bits)
{
    static struct bench b;
    char options[256];
    begin(&b, cache);
    for (int64_t rows = 1; rows <= ROWS; rows += ROWS - 1) {
        attn_selection *lists = some_pages(&b, rows);
        for (int i = 0; i < 4; i++) {
            sprintf(options, "%s %s", plan, solvers[i]);
            compare(&b, options, solvers[i], rows, lists, bits);
        }
        attn_selection_destroy(lists);
        compare(&b, plan, "", rows, NULL, bits);
    }
    end(&b);
}

/* Gaps under lists; what quest refuses. */
static void check_gaps(void)
{
    static struct bench b;
    static struct result got, want;
    begin(&b, "");
    attn_view_destroy(b.view);
    ok(attn_cache_remove(b.cache, b.id[0], 20, 70), "remove");
    ok(attn_view_create(b.cache, B, NULL, b.id, NULL, &b.view), "view");
    attn_selection *lists = some_pages(&b, 1);
    ok(run(&b, "solver=reference", true, 1, lists, &want), "reference");
    ok(run(&b, "solver=lists", true, 1, lists, &got), "lists");
    if (!(apart_by(got.out, want.out, sizeof got.out / sizeof *got.out) < 1e-5)) {
        fprintf(stderr, "lists over gaps differ\n");
        exit(1);
    }
    refused(run(&b, "", true, 1, NULL, &got), ATTN_ERR_UNSUPPORTED, "removed");
    attn_selection_destroy(lists);
    end(&b);
    begin(&b, "cache_window=[90]");
    refused(run(&b, "", true, 1, NULL, &got), ATTN_ERR_UNSUPPORTED, "window");
    end(&b);
}

/* Lists that name keys which the window has dropped, with a window of the plan and without. */
static void check_windows(void)
{
    static const struct {
        const char *cache, *view, *tensor;
    } cases[] = {
        {"cache_window=[90] cache_sink=[4]", "", "window=89,0 sink_tokens=4"},
        {"cache_window=[90]", "window=120,0 sink_tokens=40 any=prefix[60]",
         "must=band[89,inf,0,1] window=120,0 sink_tokens=40 any=prefix[60]"},
        {"cache_window=[20] cache_sink=[400]", "window=70,0",
         "any=band[19,inf,0,1] any=prefix[400] window=70,0"},
        {"cache_window=[90]", "lists=or window=3,0 sink_tokens=40",
         "lists=or must=band[89,inf,0,1] window=3,0 sink_tokens=40"}};
    static struct bench b;
    char options[2][256];
    for (size_t n = 0; n < sizeof cases / sizeof cases[0]; n++) {
        make(&b, cases[n].cache);
        for (int s = 0; s < B; s++) {
            put(&b, s, 0, length[s] - 7, NULL);
            put(&b, s, length[s] - 7, length[s], NULL);
        }
        ok(attn_view_create(b.cache, B, NULL, b.id, NULL, &b.view), "view");
        attn_selection *lists = some_pages(&b, ROWS);
        for (int i = 0; i < 4; i++) {
            sprintf(options[0], "%s %s", cases[n].view, solvers[i]);
            sprintf(options[1], "%s solver=reference", cases[n].tensor);
            compare(&b, options[0], options[1], ROWS, lists, false);
        }
        attn_selection_destroy(lists);
        end(&b);
    }
}

/* ---- steps that branch ---- */

static const int32_t parents[B][ROWS] = {{-1, -1, 0}, {-1, 0, 0}, {-1, -1, -1}};

static int64_t depth_of(int s, int64_t token)
{
    return parents[s][token] < 0 ? 0 : 1 + depth_of(s, parents[s][token]);
}

/* Does token i of the step see key j: listed, no token beside it, in a window of 31 by places? */
static bool sees(int s, int64_t h, int64_t i, int64_t j)
{
    int64_t first = length[s] - ROWS, at = j, from = i, row = (s * H + h) * ROWS + i;
    bool listed = false;
    for (int32_t n = ptr[row]; n < ptr[row + 1]; n++)
        listed = listed || (j >= start[n] && j < start[n] + PAGE);
    if (j >= first) {
        at = first + depth_of(s, j - first);
        while (from > j - first)
            from = parents[s][from];
        listed = listed && from == j - first;
    }
    return listed && first + depth_of(s, i) - at <= 30;
}

static void attend(const struct bench *b, int s, int64_t h, int64_t i, double *out)
{
    const float *q = b->q + ((s * H + h) * ROWS + i) * D;
    double sum = 0;
    for (int e = 0; e < D; e++)
        out[e] = 0;
    for (int64_t j = 0; j < length[s]; j++) {
        const int64_t at = ((s * HK + h / (H / HK)) * MOST + j) * D;
        double score = 0;
        for (int e = 0; e < D; e++)
            score += (double)q[e] * (double)b->k[at + e];
        double weight = sees(s, h, i, j) ? exp(score / sqrt(D)) : 0;
        for (int e = 0; e < D; e++)
            out[e] += weight * (double)b->v[at + e];
        sum += weight;
    }
    for (int e = 0; e < D; e++)
        out[e] = sum > 0 ? out[e] / sum : 0;
}

static void check_trees(void)
{
    static struct bench b;
    static struct result got;
    attn_step *step[B];
    char options[256];
    make(&b, "");
    for (int s = 0; s < B; s++) {
        put(&b, s, 0, length[s] - ROWS, NULL);
        step[s] = put(&b, s, length[s] - ROWS, length[s], parents[s]);
    }
    ok(attn_view_create(b.cache, B, NULL, b.id, NULL, &b.view), "view");
    attn_selection *lists = some_pages(&b, ROWS);
    for (int n = 0; n < 4; n++) {
        sprintf(options, "window=30,0 %s", solvers[n]);
        ok(run(&b, options, true, ROWS, lists, &got), options);
        for (int64_t row = 0; row < B * H * ROWS; row++) {
            double want[D];
            attend(&b, (int)(row / (H * ROWS)), row / ROWS % H, row % ROWS, want);
            for (int e = 0; e < D; e++) {
                double found = (double)got.out[row * D + e];
                if (fabs(found - want[e]) < 1e-5)
                    continue;
                fprintf(stderr, "tree, %s: row %d, %d: %g, expected %g\n", options, (int)row, e,
                        found, want[e]);
                exit(1);
            }
        }
    }
    refused(run(&b, "", true, ROWS, NULL, &got), ATTN_ERR_UNSUPPORTED, "branches");
    attn_selection_destroy(lists);
    for (int s = 0; s < B; s++)
        attn_step_destroy(step[s]);
    end(&b);
}

int main(void)
{
    check("", "", true);
    check("cache_summary=minmax", "", true);
    check("kv_dtype=q8_0 cache_summary=minmax", "kv_dtype=q8_0", false);
    check_gaps();
    check_windows();
    check_trees();
    printf("lists and quest read views\n");
    return 0;
}
