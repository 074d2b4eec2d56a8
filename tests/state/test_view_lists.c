/* SPDX-License-Identifier: MIT */
/*
 * Lists of keys along views (solvers/list_pass, list_attend) and quest's choice
 * of pages there (solvers/select_pooled, mech/quest): a cache against the same
 * rows in a tensor, where sequences end before it does. The same bits, with and
 * without bounds that the cache keeps, and for keys in q8_0 those of what they
 * stand for, to rounding.
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

/* The sequences in a cache, and what it stores of them in k and v. */
static void begin(struct bench *b, const char *options)
{
    struct rng rng = {11};
    char text[256];
    attn_desc *desc;
    attn_step *step;
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
    for (int s = 0; s < B; s++) {
        int64_t n = length[s], at = (int64_t)s * HK * MOST * D;
        attn_tensor k = dense(b->k + at, ATTN_DTYPE_F32, 4, SHAPE(1, HK, n, D)), v = k;
        k.stride[1] = v.stride[1] = MOST * D;
        v.data = b->v + at;
        ok(attn_cache_seq_create(b->cache, &b->id[s]), "create");
        ok(attn_step_begin(b->cache, 1, &b->id[s], &n, NULL, &step), "begin");
        ok(attn_step_write(step, 0, &k, &v), "write");
        ok(attn_step_commit(step, NULL, NULL), "commit");
        attn_step_destroy(step);
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

/* Half of the pages of the shortest sequence and more of the others. */
static attn_selection *some_pages(const struct bench *b, int64_t rows)
{
    static int32_t start[B * H * ROWS * (MOST / PAGE + 1)], ptr[B * H * ROWS + 1];
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
            ROWS, MOST, D, view ? options : lists ? strstr(options, "solver") : "");
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

static void compare(const struct bench *b, const char *options, int64_t rows,
                    const attn_selection *lists, bool bits)
{
    static struct result got, want;
    ok(run(b, options, true, rows, lists, &got), options);
    ok(run(b, options, false, rows, lists, &want), options);
    double most = apart_by(got.out, want.out, sizeof got.out / sizeof *got.out);
    if (memcmp(&got, &want, sizeof got) == 0 || (!bits && most < 1e-5))
        return;
    fprintf(stderr, "%s, %s, %d rows: apart by %.3g\n", lists ? "lists" : "quest", options,
            (int)rows, most);
    exit(1);
}

static void check(const char *cache, const char *plan, bool bits)
{
    static const char *const solvers[] = {"solver=lists", "solver=decode", "solver=flash",
                                          "solver=reference"};
    static struct bench b;
    char options[256];
    begin(&b, cache);
    for (int64_t rows = 1; rows <= ROWS; rows += ROWS - 1) {
        attn_selection *lists = some_pages(&b, rows);
        for (int i = 0; i < 4; i++) {
            sprintf(options, "%s %s", plan, solvers[i]);
            compare(&b, options, rows, lists, bits);
        }
        attn_selection_destroy(lists);
        compare(&b, plan, rows, NULL, bits);
    }
    end(&b);
}

/* Gaps under lists; what quest refuses; a window and lists. */
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
    lists = some_pages(&b, 1);
    refused(run(&b, "solver=lists", true, 1, lists, &got), ATTN_ERR_UNSUPPORTED, "window");
    refused(run(&b, "", true, 1, NULL, &got), ATTN_ERR_UNSUPPORTED, "window");
    attn_selection_destroy(lists);
    end(&b);
}

int main(void)
{
    check("", "", true);
    check("cache_summary=minmax", "", true);
    check("kv_dtype=q8_0 cache_summary=minmax", "kv_dtype=q8_0", false);
    check_gaps();
    printf("lists and quest read views\n");
    return 0;
}
