/* SPDX-License-Identifier: MIT */
/*
 * Pieces of visibility whose numbers come at execute, and the caller's own
 * rule: equations with other ways to say the same, and every way to be wrong;
 * also of src/mech/vis_presets.c, multitab.c and head_spans.c, whose results
 * are in golden/visible.gold.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../unit/unit.h"
#include "dense.h"

static const double NEAR = 3e-6;

enum { Q = 70, K = 200, D = 16 };

static attn_ctx *ctx;

static void begin(void)
{
    ctx = dense_ctx(2);
}

static void end(void)
{
    attn_ctx_destroy(ctx);
}

/* What one way needs besides its string. */
typedef void prepare_fn(struct dense *x);

/* False if the solver cannot serve the problem: out and lse are NaN then. */
static bool plan_and_run(const char *options, const char *solver, int64_t q, int64_t k,
                         prepare_fn *prepare, struct dense *x)
{
    char text[400];
    snprintf(text, sizeof text, "softmax h=4/2 q=%d k=%d d=16 %s", (int)q, (int)k, options);
    dense_make(x, 1, 4, 2, q, k, D, D);
    if (prepare)
        prepare(x);
    return dense_run(ctx, text, solver, x);
}

static void same(const char *one, prepare_fn *with_one, const char *other, prepare_fn *with_other,
                 int64_t q, int64_t k)
{
    const char *solver;
    for (size_t at = 0; (solver = attn_solver_at(at)) != NULL; at++) {
        struct dense x, y;
        plan_and_run(one, solver, q, k, with_one, &x);
        plan_and_run(other, solver, q, k, with_other, &y);
        ck_assert_msg(dense_distance(x.out, y.out, x.n_out) < NEAR &&
                          dense_distance(x.lse, y.lse, x.n_lse) < NEAR,
                      "%s: %s is not %s", solver, other, one);
        dense_free(&x);
        dense_free(&y);
    }
}

static int32_t *numbers(struct dense *x, int32_t role, int32_t rank, int64_t a, int64_t b,
                        int64_t c)
{
    int64_t shape[3] = {a, b, c};
    return dense_add(x, role, ATTN_DTYPE_I32, rank, shape, NULL)->data;
}

/* Positions as they are without any, and 1000 further. */
static void shifted(struct dense *x)
{
    int32_t *q = numbers(x, ATTN_ROLE_POS_Q, 2, 1, x->nq, 0);
    int32_t *k = numbers(x, ATTN_ROLE_POS_K, 2, 1, x->nk, 0);
    for (int32_t i = 0; i < x->nq; i++)
        q[i] = 1000 + (int32_t)(x->nk - x->nq) + i;
    for (int32_t j = 0; j < x->nk; j++)
        k[j] = 1000 + j;
}

/* Keys in a ring: what stands at j is key (j + 60) % K. */
static void ring(struct dense *x)
{
    shifted(x);
    int32_t *k = dense_view(x, ATTN_ROLE_POS_K)->data;
    size_t row = (size_t)D;
    float *old = malloc(row * (size_t)x->nk * sizeof *old);
    for (int32_t j = 0; j < x->nk; j++)
        k[j] = 1000 + (j + 60) % (int32_t)x->nk;
    for (int64_t h = 0; h < x->hk; h++)
        for (int side = 0; side < 2; side++) {
            float *data = (side == 0 ? x->k : x->v) + h * x->nk * D;
            memcpy(old, data, row * (size_t)x->nk * sizeof *old);
            for (int64_t j = 0; j < x->nk; j++)
                memcpy(data + j * D, old + (j + 60) % x->nk * D, row * sizeof *old);
        }
    free(old);
}

START_TEST(positions)
{
    begin();
    same("causal window=30,inf sink_tokens=2", NULL,
         "causal window=30,inf sink_tokens=2 positions", shifted, Q, K);
    same("causal window=30,0", NULL, "causal window=30,0 positions", ring, Q, K);
    same("any=band[3,2,0,8] any=stride[8,5,1]", NULL,
         "any=band[3,2,0,8] any=stride[8,5,1] positions", ring, K, K);
    end();
}
END_TEST

/* Segments as classes, documents of 25 tokens. */
static void documents(struct dense *x)
{
    int32_t *q = numbers(x, ATTN_ROLE_SEG_Q, 2, 1, x->nq, 0);
    int32_t *k = numbers(x, ATTN_ROLE_SEG_K, 2, 1, x->nk, 0);
    for (int64_t i = 0; i < x->nq; i++)
        q[i] = (int32_t)(i / 25);
    for (int64_t j = 0; j < x->nk; j++)
        k[j] = (int32_t)(j / 25);
}

static void classes(struct dense *x)
{
    int64_t q[2] = {1, x->nq}, k[2] = {1, x->nk};
    unsigned char *cq = dense_add(x, ATTN_ROLE_CLASS_Q, ATTN_DTYPE_U8, 2, q, NULL)->data;
    unsigned char *ck = dense_add(x, ATTN_ROLE_CLASS_K, ATTN_DTYPE_U8, 2, k, NULL)->data;
    for (int64_t i = 0; i < x->nq; i++)
        cq[i] = (unsigned char)(i / 25);
    for (int64_t j = 0; j < x->nk; j++)
        ck[j] = (unsigned char)(j / 25);
}

START_TEST(segments_and_classes)
{
    begin();
    same("segments", documents, "must=band[0,0,0,25]", NULL, K, K);
    same("segments causal", documents, "causal any=segment[]", documents, K, K);
    same("segments", documents, "must=segment[]", documents, K, K);
    same("segments", documents, "must=pair[1,2,4,8,16,32,64,128]", classes, K, K);
    same("any=segment[] any=band[inf,0,0,1]", documents,
         "any=band[inf,0,0,1] any=pair[1,2,4,8,16,32,64,128]", classes, K, K);
    same("", NULL, "must=pair[255,255,255,255,255,255,255,inf] any=prefix[200]", classes, Q, K);
    end();
}
END_TEST

static void two_rects(struct dense *x)
{
    static const int32_t c[8] = {0, 70, 0, 9, 20, 40, 100, 150};
    memcpy(numbers(x, ATTN_ROLE_RECTS, 3, 1, 2, 4), c, sizeof c);
}

static void prefix_nine(struct dense *x)
{
    numbers(x, ATTN_ROLE_PREFIX_LEN, 1, 1, 0, 0)[0] = 9;
}

START_TEST(rects_and_prefix)
{
    begin();
    same("any=rect[0,inf,0,9] any=rect[20,40,100,150]", NULL, "any=rect[]", two_rects, Q, K);
    same("causal any=prefix[9] any=rect[20,40,100,150]", NULL, "causal must=rect[]", two_rects, Q,
         K);
    same("must=prefix[9]", NULL, "must=prefix[]", prefix_nine, Q, K);
    same("causal prefix=9", NULL, "any=prefix[] any=band[inf,0,0,1]", prefix_nine, Q, K);
    end();
}
END_TEST

/* For each block of 10 queries and each head every key block of 8. */
static void all_lists(struct dense *x)
{
    int32_t n_q = (int32_t)(x->nq + 9) / 10, n_k = (int32_t)(x->nk + 7) / 8;
    int32_t *offset = numbers(x, ATTN_ROLE_LIST_OFFSETS, 3, 1, x->hq, n_q + 1);
    int32_t *index = numbers(x, ATTN_ROLE_LIST_INDEX, 1, x->hq * n_q * n_k, 0, 0), at = 0;
    for (int64_t h = 0; h < x->hq; h++)
        for (int32_t n = 0; n <= n_q; n++) {
            *offset++ = at;
            for (int32_t k = 0; k < n_k && n < n_q; k++)
                index[at++] = k;
        }
}

/* One list for all: every third block of 8, from the second on. */
static void thirds(struct dense *x)
{
    int32_t *offset = numbers(x, ATTN_ROLE_LIST_OFFSETS, 3, 1, 1, 2), at = 0;
    int32_t *index = numbers(x, ATTN_ROLE_LIST_INDEX, 1, 30, 0, 0);
    for (int32_t k = 1; k < (x->nk + 7) / 8; k += 3)
        index[at++] = k;
    offset[1] = at;
}

/* Blocks of 32 queries see their own block and that of 32 keys before. */
static void band_lists(struct dense *x)
{
    int32_t n_q = (int32_t)(x->nq + 31) / 32, at = 0;
    int32_t *offset = numbers(x, ATTN_ROLE_LIST_OFFSETS, 3, 1, 1, n_q + 1);
    int32_t *index = numbers(x, ATTN_ROLE_LIST_INDEX, 1, 2 * n_q, 0, 0);
    for (int32_t n = 0; n < n_q; n++) {
        offset[n] = at;
        if (n > 0)
            index[at++] = n - 1;
        index[at++] = n;
    }
    offset[n_q] = at;
}

START_TEST(lists)
{
    begin();
    same("", NULL, "must=list[10,8]", all_lists, Q, K);
    same("causal", NULL, "causal must=list[10,8]", all_lists, Q, K);
    same("must=stride[8,3,-1]", NULL, "must=list[inf,8]", thirds, Q, K);
    same("any=stride[8,3,-1] any=band[5,0,0,1]", NULL, "any=list[inf,8] any=band[5,0,0,1]", thirds,
         Q, K);
    same("must=band[1,0,0,32]", NULL, "must=list[32,32]", band_lists, K, K);
    end();
}
END_TEST

/* Keys picked by a list are keys gathered. */
START_TEST(gathered)
{
    begin();
    const char *solver;
    for (size_t at = 0; (solver = attn_solver_at(at)) != NULL; at++) {
        struct dense x, y;
        plan_and_run("must=list[inf,8]", solver, Q, K, thirds, &x);
        dense_make(&y, 1, 4, 2, Q, K, D, D);
        int64_t n = 0;
        for (int64_t j = 0; j < K; j++) {
            if (j / 8 % 3 != 1)
                continue;
            for (int64_t h = 0; h < 2; h++) {
                memmove(y.k + (h * K + n) * D, y.k + (h * K + j) * D, D * sizeof *y.k);
                memmove(y.v + (h * K + n) * D, y.v + (h * K + j) * D, D * sizeof *y.v);
            }
            n++;
        }
        dense_view(&y, ATTN_ROLE_K)->shape[2] = dense_view(&y, ATTN_ROLE_V)->shape[2] = n;
        dense_run(ctx, "softmax h=4/2 q=70 k=200 d=16", solver, &y);
        ck_assert_msg(dense_distance(x.out, y.out, x.n_out) < NEAR, "%s", solver);
        ck_assert_msg(dense_distance(x.lse, y.lse, x.n_lse) < NEAR, "%s", solver);
        dense_free(&x);
        dense_free(&y);
    }
    end();
}
END_TEST

/* Draft token n has the parent n - 1: a chain. */
static void chain(struct dense *x)
{
    int64_t shape[3] = {1, x->nq, (x->nq + 63) / 64};
    uint64_t *word = dense_add(x, ATTN_ROLE_TREE_BITS, ATTN_DTYPE_I64, 3, shape, NULL)->data;
    for (int64_t i = 0; i < x->nq; i++)
        for (int64_t n = 0; n <= i; n++)
            word[i * shape[2] + n / 64] |= UINT64_C(1) << n % 64;
}

START_TEST(trees)
{
    begin();
    same("causal", NULL, "must=tree[inf]", chain, Q, K);
    same("causal", NULL, "must=tree[70]", chain, Q, K);
    same("", NULL, "must=tree[1]", chain, 1, K);
    end();
}
END_TEST

/* ---- the caller's own rule ---- */

struct window {
    int64_t off, left;
};

/* causal window: the class of a tile from its corners */
static int32_t window_fn(void *user, uint8_t *visible, int64_t q_stride, int64_t k_stride,
                         int64_t b, int64_t h, int64_t q0, int64_t nq, int64_t k0, int64_t nk)
{
    const struct window *w = user;
    int64_t lo = k0 - (q0 + nq - 1 + w->off), hi = k0 + nk - 1 - (q0 + w->off);
    (void)b;
    (void)h;
    if (lo > 0 || hi < -w->left)
        return 0;
    if (hi <= 0 && lo >= -w->left)
        return 1;
    for (int64_t i = 0; i < nq && visible; i++)
        for (int64_t j = 0; j < nk; j++) {
            int64_t distance = k0 + j - (q0 + i + w->off);
            visible[i * q_stride + j * k_stride] = distance <= 0 && distance >= -w->left;
        }
    return 2;
}

/* The same without an idea of tiles. */
static int32_t slow_fn(void *user, uint8_t *visible, int64_t q_stride, int64_t k_stride, int64_t b,
                       int64_t h, int64_t q0, int64_t nq, int64_t k0, int64_t nk)
{
    const struct window *w = user;
    (void)b;
    (void)h;
    for (int64_t i = 0; i < nq && visible; i++)
        for (int64_t j = 0; j < nk; j++) {
            int64_t distance = k0 + j - (q0 + i + w->off);
            visible[i * q_stride + j * k_stride] = distance <= 0 && distance >= -w->left;
        }
    return 2;
}

static void with_rule(const char *text, attn_mask_fn fn, const char *solver, struct dense *x)
{
    attn_desc *desc;
    attn_plan *plan;
    ck_assert_int_eq(attn_desc_parse(ctx, text, &desc), ATTN_OK);
    ck_assert_int_eq(attn_desc_set_mask_fn(desc, fn), ATTN_OK);
    if (solver)
        ck_assert_int_eq(attn_desc_set_text(desc, ATTN_PARAM_SOLVER, solver), ATTN_OK);
    int32_t status = attn_plan_create(ctx, desc, &plan);
    ck_assert_msg(status == ATTN_OK, "%s", dense_error());
    attn_desc_destroy(desc);
    ck_assert_int_eq(attn_plan_execute(plan, x->arg, x->n, NULL, 0), ATTN_OK);
    attn_plan_destroy(plan);
}

START_TEST(own_rule)
{
    static const struct window w = {K - Q, 40};
    begin();
    const char *solver;
    for (size_t at = 0; (solver = attn_solver_at(at)) != NULL; at++) {
        struct dense x, y;
        bool served = plan_and_run("causal window=40,0", solver, Q, K, NULL, &x);
        for (int kind = 0; kind < 2 && served; kind++) {
            dense_make(&y, 1, 4, 2, Q, K, D, D);
            y.arg[y.n++] = (attn_arg){.role = ATTN_ROLE_USER, .object = &w};
            with_rule("softmax h=4/2 q=70 k=200 d=16", kind == 0 ? window_fn : slow_fn, solver, &y);
            ck_assert_msg(dense_distance(x.out, y.out, x.n_out) < NEAR, "%s", solver);
            ck_assert_msg(dense_distance(x.lse, y.lse, x.n_lse) < NEAR, "%s", solver);
            dense_free(&y);
        }
        dense_free(&x);
    }
    end();
}
END_TEST

START_TEST(rule_in_words)
{
    attn_desc *desc;
    attn_plan *plan;
    char text[100];
    begin();
    ck_assert_int_eq(attn_desc_parse(ctx, "softmax h=1 q=1 k=1 d=1 dtype=f64", &desc), ATTN_OK);
    ck_assert_int_eq(attn_desc_set_mask_fn(desc, slow_fn), ATTN_OK);
    ck_assert_int_eq(attn_desc_print(desc, text, sizeof text, NULL), ATTN_OK);
    ck_assert_str_eq(text, "softmax h=1 q=1 k=1 d=1 dtype=f64 mask=user");
    ck_assert_int_eq(attn_plan_create(ctx, desc, &plan), ATTN_ERR_UNSUPPORTED);
    ck_assert(strstr(dense_error(), "mask function with dtype=f64"));
    ck_assert_int_eq(attn_desc_set_mask_fn(desc, NULL), ATTN_OK);
    ck_assert_int_eq(attn_plan_create(ctx, desc, &plan), ATTN_OK);
    attn_plan_destroy(plan);
    attn_desc_destroy(desc);
    ck_assert_int_eq(attn_desc_parse(ctx, text, &desc), ATTN_ERR_SYNTAX);
    ck_assert_int_eq(attn_desc_set_mask_fn(NULL, slow_fn), ATTN_ERR_NULL);
    end();
}
END_TEST

/* ---- what is wrong ---- */

START_TEST(plans_refused)
{
    static const struct {
        const char *text, *says;
        int32_t status;
    } bads[] = {
        {"any=rect[] must=rect[]", "two rect pieces", ATTN_ERR_INVALID},
        {"any=prefix[] any=prefix[]", "two prefix pieces", ATTN_ERR_INVALID},
        {"any=tree[1] any=tree[2]", "two tree pieces", ATTN_ERR_INVALID},
        {"any=list[1,2] any=list[1,2]", "two list pieces", ATTN_ERR_INVALID},
        {"positions query_table", "query_table with positions", ATTN_ERR_UNSUPPORTED},
        {"croc:", "croc needs prefix", ATTN_ERR_UNSET},
        {"croc:prefix=3 causal", "causal is set, but croc has no such choice", ATTN_ERR_INVALID},
        {"mma:any=prefix[2]", "mma needs any=rect[", ATTN_ERR_UNSET},
        {"mma:any=rect[] prefix=1", "prefix is set", ATTN_ERR_INVALID},
        {"ee_mllm:align=top_left", "align is 1, but ee_mllm settles it as 0", ATTN_ERR_INVALID},
        {"mixformer:causal", "causal is set", ATTN_ERR_INVALID},
        {"multitab:", "multitab needs multitab_tasks", ATTN_ERR_UNSET},
        {"s2_attention:s2_stride=8", "s2_attention needs s2_local_blocks", ATTN_ERR_UNSET},
        {"s2_attention:s2_stride=8 s2_local_blocks=1 k_head=[1,0]", "a map of key heads",
         ATTN_ERR_UNSUPPORTED},
        {"moa_span:", "moa_span needs moa_bands", ATTN_ERR_UNSET},
        {"moa_span:moa_bands=[1]", "moa_bands has 1 entries, expected one for each of the 2",
         ATTN_ERR_INVALID},
        {"moa_span:moa_bands=[1,2] causal=0", "causal is 0, but moa_span settles it as 1",
         ATTN_ERR_INVALID},
        {"masformer:causal=0", "causal is 0", ATTN_ERR_INVALID},
        {"ssa:must=list[1,1]", "two list pieces", ATTN_ERR_INVALID},
        {"softmax:moa_block=8", "moa_block is set, which is of moa_span", ATTN_ERR_INVALID},
    };
    begin();
    for (size_t n = 0; n < sizeof bads / sizeof bads[0]; n++) {
        char text[200];
        attn_desc *desc;
        attn_plan *plan;
        const char *id = strchr(bads[n].text, ':'), *options = id ? id + 1 : bads[n].text;
        int name = id ? (int)(id - bads[n].text) : 7;
        snprintf(text, sizeof text, "%.*s h=2 q=1 k=1 d=1 %s", name,
                 id ? bads[n].text : "softmax", options);
        ck_assert_int_eq(attn_desc_parse(ctx, text, &desc), ATTN_OK);
        ck_assert_int_eq(attn_plan_create(ctx, desc, &plan), bads[n].status);
        ck_assert_msg(strstr(dense_error(), bads[n].says), "%s: %s", text, dense_error());
        attn_desc_destroy(desc);
    }
    end();
}
END_TEST

static void refused(const char *options, struct dense *x, int32_t status, const char *says)
{
    char text[200];
    snprintf(text, sizeof text, "softmax h=4/2 q=70 k=200 d=16 %s", options);
    attn_plan *plan = dense_plan(ctx, text, NULL);
    int32_t found = attn_plan_execute(plan, x->arg, x->n, NULL, 0);
    ck_assert_msg(found == status, "%s: %s: %s", options, attn_status_name(found), dense_error());
    ck_assert_msg(strstr(dense_error(), says), "%s: '%s' does not say '%s'", options,
                  dense_error(), says);
    for (size_t i = 0; i < x->n_out; i++)
        ck_assert(isnan(x->out[i]));
    attn_plan_destroy(plan);
}

START_TEST(executes_refused)
{
    struct dense x;
    int32_t *n;
    begin();
    dense_make(&x, 1, 4, 2, Q, K, D, D);
    refused("must=rect[]", &x, ATTN_ERR_ROLE, "role rects is missing");
    refused("must=list[1,1]", &x, ATTN_ERR_ROLE, "role list_offsets is missing");
    refused("positions", &x, ATTN_ERR_ROLE, "role pos_q is missing");
    refused("any=segment[]", &x, ATTN_ERR_ROLE, "role seg_q is missing");
    two_rects(&x);
    refused("", &x, ATTN_ERR_ROLE, "role rects was not declared");
    n = dense_view(&x, ATTN_ROLE_RECTS)->data;
    n[5] = 71;
    refused("must=rect[]", &x, ATTN_ERR_RANGE, "rects[0,1,1] is 71, expected 20 to 70");
    n[5] = 19;
    refused("must=rect[]", &x, ATTN_ERR_RANGE, "rects[0,1,1] is 19, expected 20 to 70");
    dense_free(&x);

    dense_make(&x, 1, 4, 2, Q, K, D, D);
    prefix_nine(&x);
    n = dense_view(&x, ATTN_ROLE_PREFIX_LEN)->data;
    n[0] = 201;
    refused("must=prefix[]", &x, ATTN_ERR_RANGE, "prefix_len[0] is 201, expected 0 to 200");
    dense_free(&x);

    dense_make(&x, 1, 4, 2, Q, K, D, D);
    classes(&x);
    refused("must=pair[1,2]", &x, ATTN_ERR_RANGE, "class_q[0,50] is 2, expected 0 to 1");
    unsigned char *c = dense_view(&x, ATTN_ROLE_CLASS_K)->data;
    c[7] = 64;
    refused("must=pair[1,2,4]", &x, ATTN_ERR_RANGE, "class_k[0,7] is 64, expected 0 to 63");
    dense_free(&x);

    dense_make(&x, 1, 4, 2, Q, K, D, D);
    thirds(&x);
    refused("must=list[8,8]", &x, ATTN_ERR_SHAPE,
            "list_offsets has extent 2 in dimension 2, expected at least 10");
    refused("must=list[inf,16]", &x, ATTN_ERR_RANGE, "list_index[4] is 13, expected 11 to 12");
    n = dense_view(&x, ATTN_ROLE_LIST_INDEX)->data;
    n[2] = 4;
    refused("must=list[inf,8]", &x, ATTN_ERR_RANGE, "list_index[2] is 4, expected 5 to 24");
    n = dense_view(&x, ATTN_ROLE_LIST_OFFSETS)->data;
    n[1] = 31;
    refused("must=list[inf,8]", &x, ATTN_ERR_RANGE, "list_offsets[0,0,1] is 31, expected 0 to 30");
    n[0] = -1;
    refused("must=list[inf,8]", &x, ATTN_ERR_RANGE, "list_offsets[0,0,0] is -1, expected 0 to 30");
    dense_free(&x);

    dense_make(&x, 1, 4, 2, Q, K, D, D);
    chain(&x);
    refused("must=tree[129]", &x, ATTN_ERR_SHAPE,
            "tree_bits has extent 2 in dimension 2, expected at least 3");
    dense_free(&x);
    end();
}
END_TEST

UNIT_MAIN("given", positions, segments_and_classes, rects_and_prefix, lists, gathered, trees,
          own_rule, rule_in_words, plans_refused, executes_refused)
