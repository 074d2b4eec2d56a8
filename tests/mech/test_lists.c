/* SPDX-License-Identifier: MIT */
/*
 * Attention along index lists (src/mech/lists.c, src/problem/vis_rows.c,
 * src/solvers/list_attend.c, list_by_keys.c, list_pass.c, list_walk.c):
 * random selections against their definition in double and against the same visibility as a
 * mask, by every solver; what lists must not change; and what is refused.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/unit.h"
#include "dense.h"
#include "rng.h"

/* Entries up to LONG are most often longer than all keys: lines of many lists then
 * go over them together. */
enum { LONG = 200 };

enum { B = 2, H = 4, HK = 2, NQ = 37, NK = 90, D = 16, DV = 12 };

#define SIZES "b=2 h=4/2 q=40 k=100 d=16/12 "

static const char *const SOLVERS[] = {"reference", "flash", "decode", "rows",
                                      "gemm",      "lists", NULL};

/* Lists as plain arrays. */
struct lists {
    int64_t batch, head_group, q_block, rows, n;
    int64_t ptr[B * H * NQ + 1];
    int32_t start[B * H * NQ * NK], length[B * H * NQ * NK];
    float logit[B * H * NQ * NK];
    uint8_t replace[B * H * NQ * NK];
    bool has_logit, has_replace;
};

static int64_t row_of(const struct lists *l, int64_t b, int64_t h, int64_t i)
{
    int64_t blocks = (NQ + l->q_block - 1) / l->q_block;
    int64_t set = (l->batch == 1 ? 0 : b) * (H / l->head_group) + h / l->head_group;
    return set * blocks + i / l->q_block;
}

/* Entries of 1 to `longest` keys with gaps; some rows have none. */
static struct lists *random_lists(struct rng *r, int64_t longest, int percent, bool logit,
                                  bool replace)
{
    static const int64_t groups[] = {1, 2, 4}, q_blocks[] = {1, 3, 16, 128};
    struct lists *l = calloc(1, sizeof *l);
    ck_assert_ptr_nonnull(l);
    l->batch = rng_int(r, 1, 2);
    l->head_group = groups[rng_int(r, 0, 2)];
    l->q_block = q_blocks[rng_int(r, 0, 3)];
    l->has_logit = logit;
    l->has_replace = replace;
    l->rows = l->batch * (H / l->head_group) * ((NQ + l->q_block - 1) / l->q_block);
    for (int64_t row = 0; row < l->rows; row++) {
        bool none = rng_percent(r, 5);
        for (int64_t j = rng_int(r, 0, 3); j < NK && !none;) {
            int64_t n = rng_int(r, 1, longest);
            n = n > NK - j ? NK - j : n;
            if (rng_percent(r, percent)) {
                l->start[l->n] = (int32_t)j;
                l->length[l->n] = (int32_t)n;
                l->logit[l->n] = rng_percent(r, 5) ? -INFINITY : (float)rng_normal(r);
                l->replace[l->n] = rng_percent(r, 50);
                l->n++;
            }
            j += n + (rng_percent(r, 50) ? 0 : rng_int(r, 0, 4));
        }
        l->ptr[row + 1] = l->n;
    }
    return l;
}

static attn_tensor vector(void *data, int32_t dtype, int64_t n)
{
    attn_tensor t;
    ck_assert_int_eq(attn_tensor_init(&t, data, dtype, 1, &n), ATTN_OK);
    return t;
}

static attn_selection *import(attn_ctx *ctx, struct lists *l)
{
    attn_tensor t[5] = {vector(l->ptr, ATTN_DTYPE_I64, l->rows + 1),
                        vector(l->start, ATTN_DTYPE_I32, l->n),
                        vector(l->length, ATTN_DTYPE_I32, l->n),
                        vector(l->logit, ATTN_DTYPE_F32, l->n),
                        vector(l->replace, ATTN_DTYPE_U8, l->n)};
    attn_arg part[5];
    for (int n = 0; n < 5; n++)
        part[n] = (attn_arg){n + 1, 0, &t[n]};
    attn_selection *sel;
    ck_assert_int_eq(attn_selection_import_rows(ctx, l->batch, H, l->head_group, NQ, l->q_block,
                                                NK, 0, part,
                                                l->has_replace ? 5 : l->has_logit ? 4 : 3, &sel),
                     ATTN_OK);
    return sel;
}

static void give(struct dense *x, const attn_selection *sel)
{
    x->arg[x->n++] = (attn_arg){ATTN_ROLE_SELECTION, 0, sel};
}

struct rules {
    bool causal, lists_or;
    int64_t window, sink; /* -1: no window */
};

/* The entry of a row that has key j, or -1. */
static int64_t entry_of(const struct lists *l, int64_t row, int64_t j)
{
    for (int64_t e = l->ptr[row]; e < l->ptr[row + 1]; e++)
        if (j >= l->start[e] && j < l->start[e] + l->length[e])
            return e;
    return -1;
}

static bool rule_shows(const struct rules *u, int64_t i, int64_t j)
{
    int64_t at = i + NK - NQ;
    bool window = u->window >= 0 && j >= at - u->window && j <= at;
    if (u->lists_or)
        return window || j < u->sink;
    return u->window < 0 || window || j < u->sink;
}

static bool shows(const struct rules *u, const struct lists *l, int64_t row, int64_t i, int64_t j)
{
    bool listed = entry_of(l, row, j) >= 0, rule = rule_shows(u, i, j);
    return (!u->causal || j <= i + NK - NQ) && (u->lists_or ? listed || rule : listed && rule);
}

/* Adds (o, lse) of keys with lse less than infinity to (out, all). */
static void merge(double *out, double *all, const double *o, double lse)
{
    if (lse == -INFINITY)
        return;
    double top = fmax(*all, lse), a = exp(*all - top), b = exp(lse - top);
    for (int e = 0; e < DV; e++)
        out[e] = (a * out[e] + b * o[e]) / (a + b);
    *all = top + log(a + b);
}

/* One row by the definition. */
static double row_by_hand(const struct dense *x, const struct lists *l, const struct rules *u,
                          int64_t b, int64_t h, int64_t i, double out[DV])
{
    int64_t row = row_of(l, b, h, i), n = l->ptr[row + 1] - l->ptr[row];
    const float *q = x->q + ((b * H + h) * NQ + i) * D;
    const float *k = x->k + (b * HK + h / 2) * NK * D, *v = x->v + (b * HK + h / 2) * NK * DV;
    double all = -INFINITY;
    memset(out, 0, DV * sizeof *out);
    for (int64_t part = 0; part <= n; part++) { /* the last: what no entry has */
        double lse = -INFINITY, o[DV] = {0};
        int64_t e = part < n ? l->ptr[row] + part : -1;
        for (int64_t j = 0; j < NK; j++) {
            double s = 0, value[DV];
            if (!shows(u, l, row, i, j) || entry_of(l, row, j) != e)
                continue;
            for (int c = 0; c < D; c++)
                s += (double)q[c] * (double)k[j * D + c];
            for (int c = 0; c < DV; c++)
                value[c] = (double)v[j * DV + c];
            merge(o, &lse, value, s / 4);
        }
        if (e >= 0 && l->has_logit && lse > -INFINITY)
            lse = (l->has_replace && l->replace[e] ? 0 : lse) + (double)l->logit[e];
        merge(out, &all, o, lse);
    }
    return all;
}

static void text_of(const struct rules *u, bool logits, char text[200])
{
    int n = snprintf(text, 200, "lists " SIZES "%s%s%s", u->causal ? "causal " : "",
                     u->lists_or ? "lists=or " : "", logits ? "lists_logits " : "");
    if (u->window >= 0)
        n += snprintf(text + n, (size_t)(200 - n), "window=%d,0 ", (int)u->window);
    if (u->sink > 0)
        snprintf(text + n, (size_t)(200 - n), "sink_tokens=%d ", (int)u->sink);
}

static void close_to_hand(const struct dense *x, const struct lists *l, const struct rules *u,
                          const char *what)
{
    double error = 0, size = 0;
    for (int64_t r = 0; r < B * H * NQ; r++) {
        double out[DV], lse = row_by_hand(x, l, u, r / NQ / H, r / NQ % H, r % NQ, out);
        ck_assert_msg(lse == -INFINITY ? x->lse[r] == lse
                                       : fabs((double)x->lse[r] - lse) < 4e-6 * (1 + fabs(lse)),
                      "%s: lse of row %d is %g, expected %g", what, (int)r, (double)x->lse[r], lse);
        for (int e = 0; e < DV; e++) {
            double d = (double)x->out[r * DV + e] - out[e];
            error += d * d;
            size += out[e] * out[e];
        }
    }
    ck_assert_msg(error <= 9e-12 * size, "%s: off by %g", what, sqrt(error / size));
}

static const struct rules RULES[] = {{false, false, -1, 0}, {true, false, -1, 0},
                                     {true, false, 30, 4},  {true, true, -1, 0},
                                     {true, true, 6, 3},    {false, true, 5, 0},
                                     {true, true, -1, 5}};

/* Random lists and rules, with and without logits. */
START_TEST(as_defined)
{
    static const int64_t longest[] = {24, 1, LONG};
    struct rng r = {21};
    attn_ctx *ctx = dense_ctx(2);
    for (int round = 0; round < 27; round++) {
        bool logit = round % 3 > 0, replace = round % 3 > 1;
        struct lists *l = random_lists(&r, longest[round / 3 % 3], 60, logit, replace);
        const struct rules *u = &RULES[rng_int(&r, 0, 6)];
        attn_selection *sel = import(ctx, l);
        struct dense x;
        char text[200], what[300];
        int served = 0;
        dense_make(&x, B, H, HK, NQ, NK, D, DV);
        give(&x, sel);
        text_of(u, logit, text);
        for (size_t s = 0; s < sizeof SOLVERS / sizeof SOLVERS[0]; s++) {
            dense_clear(&x);
            if (!dense_run(ctx, text, SOLVERS[s], &x))
                continue;
            served++;
            snprintf(what, sizeof what, "%s, %s, round %d", text,
                     SOLVERS[s] ? SOLVERS[s] : "chosen", round);
            close_to_hand(&x, l, u, what);
        }
        ck_assert_int_ge(served, 2);
        dense_free(&x);
        attn_selection_destroy(sel);
        free(l);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

/* The tensors that options ask for. */
static void give_more(struct dense *x, const char *options)
{
    static const int64_t gates[3] = {B, H, NQ}, table[3] = {H, 31, D};
    struct rng r = {9};
    float *gate = NULL, *t = NULL;
    if (strstr(options, "head_gate"))
        gate = dense_add(x, ATTN_ROLE_GATE, ATTN_DTYPE_F32, 3, gates, NULL)->data;
    if (strstr(options, "query_table"))
        t = dense_add(x, ATTN_ROLE_QUERY_TABLE, ATTN_DTYPE_F32, 3, table, NULL)->data;
    for (int64_t i = 0; gate && i < B * H * NQ; i++)
        gate[i] = rng_percent(&r, 60) ? 0 : (float)rng_normal(&r);
    for (int64_t i = 0; t && i < H * 31 * D; i++)
        t[i] = (float)rng_normal(&r) / 2;
}

/* The same visibility as MASK, with every sort of option. */
START_TEST(same_as_a_mask)
{
    static const char *const options[] = {"softcap=3", "alibi causal", "rope=half causal",
                                          "qk_norm=rms", "invariant=chunk causal",
                                          "scale=0.4", "any=band[3,0,0,1] causal",
                                          "compute=bf16", "head_gate causal", "query_table",
                                          "head_gate query_table softcap=4"};
    static const int64_t shape[4] = {B, H, NQ, NK};
    struct rng r = {5};
    attn_ctx *ctx = dense_ctx(2);
    for (size_t turn = 0; turn < 2 * sizeof options / sizeof options[0]; turn++) {
        size_t n = turn / 2;
        struct lists *l = random_lists(&r, turn % 2 ? LONG : 9, 50, false, false);
        attn_selection *sel = import(ctx, l);
        struct dense masked, x;
        char text[300];
        dense_make(&masked, B, H, HK, NQ, NK, D, DV);
        dense_make(&x, B, H, HK, NQ, NK, D, DV);
        uint8_t *mask = dense_add(&masked, ATTN_ROLE_MASK, ATTN_DTYPE_U8, 4, shape, NULL)->data;
        for (int64_t at = 0; at < B * H * NQ * NK; at++) {
            int64_t j = at % NK, i = at / NK % NQ, h = at / NK / NQ % H, b = at / NK / NQ / H;
            mask[at] = entry_of(l, row_of(l, b, h, i), j) >= 0;
        }
        give(&x, sel);
        give_more(&masked, options[n]);
        give_more(&x, options[n]);
        snprintf(text, sizeof text, "softmax " SIZES "mask %s", options[n]);
        ck_assert(dense_run(ctx, text, "reference", &masked));
        snprintf(text, sizeof text, "lists " SIZES "%s", options[n]);
        for (size_t s = 0; s < sizeof SOLVERS / sizeof SOLVERS[0]; s++) {
            dense_clear(&x);
            if (!dense_run(ctx, text, SOLVERS[s], &x))
                continue;
            double bound = strstr(text, "bf16") ? 1e-2 : 3e-6;
            ck_assert_msg(dense_distance(masked.out, x.out, x.n_out) < bound, "%s %s: %g", text,
                          SOLVERS[s] ? SOLVERS[s] : "chosen",
                          dense_distance(masked.out, x.out, x.n_out));
        }
        dense_free(&masked);
        dense_free(&x);
        attn_selection_destroy(sel);
        free(l);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

/* Keys and values in bf16, which rows and tiles load in other ways. */
START_TEST(half_keys)
{
    static const int64_t longest[] = {LONG, 1, 20, 20};
    static uint16_t half[2][B * HK * NK * D];
    struct rng r = {15};
    attn_ctx *ctx = dense_ctx(1);
    for (int round = 0; round < 4; round++) {
        struct lists *l = random_lists(&r, longest[round], 50, round % 2, false);
        attn_selection *sel = import(ctx, l);
        struct dense a, b;
        dense_make(&a, B, H, HK, NQ, NK, D, DV);
        dense_make(&b, B, H, HK, NQ, NK, D, DV);
        give(&a, sel);
        give(&b, sel);
        for (int part = 0; part < 2; part++) {
            attn_tensor *t = dense_view(&b, part ? ATTN_ROLE_V : ATTN_ROLE_K);
            float *f = part ? a.v : a.k;
            for (int64_t n = 0; n < B * HK * NK * (part ? DV : D); n++) {
                uint32_t bits;
                memcpy(&bits, &f[n], sizeof bits);
                half[part][n] = (uint16_t)(bits >> 16);
                bits &= 0xffff0000u;
                memcpy(&f[n], &bits, sizeof bits);
            }
            t->data = half[part];
            t->dtype = ATTN_DTYPE_BF16;
        }
        const char *more = l->has_logit ? "causal lists_logits" : "causal";
        char text[200];
        for (size_t s = 0; s < sizeof SOLVERS / sizeof SOLVERS[0]; s++) {
            snprintf(text, sizeof text, "lists " SIZES "%s", more);
            if (!dense_run(ctx, text, SOLVERS[s], &a))
                continue;
            snprintf(text, sizeof text, "lists " SIZES "kv_dtype=bf16 %s", more);
            ck_assert(dense_run(ctx, text, SOLVERS[s], &b));
            ck_assert_double_lt(dense_distance(a.out, b.out, a.n_out), 2e-6);
        }
        dense_free(&a);
        dense_free(&b);
        attn_selection_destroy(sel);
        free(l);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

/* A selection of one list for everybody: entries of n keys, made by k_block. */
static attn_selection *blocks(attn_ctx *ctx, int64_t heads, int64_t n, float *logit,
                              uint8_t *replace)
{
    int64_t ptr[2] = {0, (NK + n - 1) / n};
    int32_t start[NK];
    for (int64_t e = 0; e < ptr[1]; e++)
        start[e] = (int32_t)(e * n);
    attn_tensor t[4] = {vector(ptr, ATTN_DTYPE_I64, 2), vector(start, ATTN_DTYPE_I32, ptr[1]),
                        vector(logit, ATTN_DTYPE_F32, ptr[1]),
                        vector(replace, ATTN_DTYPE_U8, ptr[1])};
    attn_arg part[] = {{1, 0, &t[0]}, {2, 0, &t[1]}, {4, 0, &t[2]}, {5, 0, &t[3]}};
    attn_selection *sel;
    ck_assert_int_eq(attn_selection_import_rows(ctx, 1, heads, heads, NQ, NQ, NK, n, part,
                                                replace ? 4 : logit ? 3 : 2, &sel), ATTN_OK);
    return sel;
}

static void run_blocks(attn_ctx *ctx, const char *text, int64_t n, float *logit,
                       uint8_t *replace, struct dense *x)
{
    attn_selection *sel = blocks(ctx, H, n, logit, replace);
    give(x, sel);
    ck_assert(dense_run(ctx, text, NULL, x));
    dense_drop(x, 1);
    attn_selection_destroy(sel);
}

static void ck_close(const struct dense *a, const struct dense *b, double lse)
{
    ck_assert_double_lt(dense_distance(a->out, b->out, a->n_out), 2e-6);
    for (size_t n = 0; n < a->n_lse; n++)
        ck_assert_double_eq_tol((double)a->lse[n] + lse, (double)b->lse[n], 1e-5);
}

START_TEST(properties)
{
    struct dense a, b;
    float logit[NK];
    uint8_t replace[NK];
    attn_ctx *ctx = dense_ctx(1);
    dense_make(&a, B, H, HK, NQ, NK, D, DV);
    dense_make(&b, B, H, HK, NQ, NK, D, DV);
    /* all blocks are dense */
    ck_assert(dense_run(ctx, "softmax " SIZES "causal", NULL, &a));
    run_blocks(ctx, "lists " SIZES "causal", 16, NULL, NULL, &b);
    ck_close(&a, &b, 0);
    /* a constant on all logits shifts lse alone; entries may be split */
    for (int n = 0; n < NK; n++)
        logit[n] = 0.75f;
    run_blocks(ctx, "lists " SIZES "causal lists_logits", 16, logit, NULL, &b);
    ck_close(&a, &b, 0.75);
    run_blocks(ctx, "lists " SIZES "causal lists_logits", 1, logit, NULL, &b);
    ck_close(&a, &b, 0.75);
    /* with replace it shifts lse and what is said per entry, not the result */
    for (int n = 0; n < NK; n++) {
        replace[n] = 1;
        logit[n] = (float)(n % 3);
    }
    run_blocks(ctx, "lists " SIZES "lists_logits", 16, logit, replace, &a);
    for (int n = 0; n < NK; n++)
        logit[n] += 2;
    run_blocks(ctx, "lists " SIZES "lists_logits", 16, logit, replace, &b);
    ck_close(&a, &b, 2);
    /* a plan for logits takes lists without them */
    ck_assert(dense_run(ctx, "softmax " SIZES, NULL, &a));
    run_blocks(ctx, "lists " SIZES "lists_logits", 9, NULL, NULL, &b);
    ck_close(&a, &b, 0);
    dense_free(&a);
    dense_free(&b);
    attn_ctx_destroy(ctx);
}
END_TEST

/* NaN in keys and values that no list has, or has with a logit of -inf. */
START_TEST(poison)
{
    struct rng r = {77};
    attn_ctx *ctx = dense_ctx(1);
    for (int round = 0; round < 4; round++) {
        struct lists *l = random_lists(&r, round < 2 ? 5 : LONG, 40, round % 2, round % 2);
        struct dense a, b;
        attn_selection *sel = import(ctx, l);
        dense_make(&a, B, H, HK, NQ, NK, D, DV);
        dense_make(&b, B, H, HK, NQ, NK, D, DV);
        give(&a, sel);
        give(&b, sel);
        for (int64_t at = 0; at < B * HK * NK; at++) {
            bool seen = false;
            for (int64_t r2 = 0; r2 < 2 * NQ; r2++) {
                int64_t b0 = at / NK / HK, h = at / NK % HK * 2 + r2 / NQ;
                int64_t e = entry_of(l, row_of(l, b0, h, r2 % NQ), at % NK);
                seen |= e >= 0 && !(l->has_logit && l->logit[e] == -INFINITY);
            }
            for (int c = 0; c < D && !seen; c++)
                b.k[at * D + c] = NAN;
            for (int c = 0; c < DV && !seen; c++)
                b.v[at * DV + c] = INFINITY;
        }
        for (size_t s = 0; s < sizeof SOLVERS / sizeof SOLVERS[0]; s++) {
            const char *text = round % 2 ? "lists " SIZES "lists_logits" : "lists " SIZES;
            if (!dense_run(ctx, text, SOLVERS[s], &a))
                continue;
            ck_assert(dense_run(ctx, text, SOLVERS[s], &b));
            ck_assert_double_lt(dense_distance(a.out, b.out, a.n_out), 2e-6);
        }
        dense_free(&a);
        dense_free(&b);
        attn_selection_destroy(sel);
        free(l);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

START_TEST(any_number_of_threads)
{
    struct rng r = {3};
    for (int round = 0; round < 4; round++) {
        struct lists *l = random_lists(&r, round < 2 ? 12 : LONG, 50, round % 2, round % 2);
        const char *text = round % 2 ? "lists " SIZES "causal lists_logits blas=never"
                                     : "lists " SIZES "causal blas=never";
        struct dense a, b;
        dense_make(&a, B, H, HK, NQ, NK, D, DV);
        dense_make(&b, B, H, HK, NQ, NK, D, DV);
        for (int64_t threads = 1; threads <= 3; threads++) {
            attn_ctx *ctx = dense_ctx(threads);
            struct dense *x = threads == 1 ? &a : &b;
            attn_selection *sel = import(ctx, l);
            give(x, sel);
            ck_assert(dense_run(ctx, text, NULL, x));
            dense_drop(x, 1);
            ck_assert(memcmp(a.out, x->out, a.n_out * sizeof *a.out) == 0);
            ck_assert(memcmp(a.lse, x->lse, a.n_lse * sizeof *a.lse) == 0);
            attn_selection_destroy(sel);
            attn_ctx_destroy(ctx);
        }
        dense_free(&a);
        dense_free(&b);
        free(l);
    }
}
END_TEST

/* Pairs that no list has are not done; outputs per pair are those of a mask. */
START_TEST(outputs)
{
    static const int64_t four = 4, pairs[4] = {B, H, NQ, NK};
    struct rng r = {12};
    attn_ctx *ctx = dense_ctx(1);
    struct lists *l = random_lists(&r, 30, 20, true, true);
    attn_selection *sel = import(ctx, l);
    struct dense x;
    dense_make(&x, B, H, HK, NQ, NK, D, DV);
    give(&x, sel);
    const int64_t *c = dense_add(&x, ATTN_ROLE_COUNTS, ATTN_DTYPE_I64, 1, &four, NULL)->data;
    ck_assert(dense_run(ctx, "lists " SIZES "lists_logits want=counts", NULL, &x));
    ck_assert_int_eq(c[1], B * H * NQ * NK);
    ck_assert_int_lt(c[0], c[1]);
    ck_assert_int_gt(c[0], 0);
    ck_assert_int_le(c[2], c[3]);
    dense_drop(&x, 1);
    char told[2000];
    attn_plan *plan = dense_plan(ctx, "lists " SIZES, NULL);
    ck_assert_int_eq(attn_plan_describe(plan, NQ, NK, told, sizeof told, NULL), ATTN_OK);
    ck_assert(strstr(told, "solver: lists") && strstr(told, "known at execute; want=counts"));
    attn_plan_destroy(plan);
    const float *p = dense_add(&x, ATTN_ROLE_PROBS, ATTN_DTYPE_F32, 4, pairs, NULL)->data;
    ck_assert(dense_run(ctx, "lists " SIZES "lists_logits want=probs", NULL, &x));
    for (int64_t row = 0; row < B * H * NQ; row++) {
        int64_t at = row_of(l, row / NQ / H, row / NQ % H, row % NQ);
        double sum = 0;
        for (int64_t j = 0; j < NK; j++) {
            sum += (double)p[row * NK + j];
            ck_assert(entry_of(l, at, j) >= 0 || p[row * NK + j] == 0);
        }
        ck_assert_double_eq_tol(sum, x.lse[row] == -INFINITY ? 0 : 1, 1e-5);
    }
    dense_free(&x);
    attn_selection_destroy(sel);
    free(l);
    attn_ctx_destroy(ctx);
}
END_TEST

static void run_refuses(attn_ctx *ctx, const char *text, struct dense *x, int32_t status,
                        const char *words)
{
    attn_plan *plan = dense_plan(ctx, text, NULL);
    ck_assert_ptr_nonnull(plan);
    dense_clear(x);
    ck_assert_int_eq(attn_plan_execute(plan, x->arg, x->n, NULL, 0), status);
    ck_assert_msg(strstr(dense_error(), words) != NULL, "'%s' has no '%s'", dense_error(), words);
    ck_assert(status == ATTN_OK || isnan(x->out[0]));
    attn_plan_destroy(plan);
}

/* One entry that is nearly all of a long list, with a short one before it: it is
 * cut for threads too. */
START_TEST(long_entry)
{
    enum { MANY = 20000, HEADS = 4 };
    static const char text[] = "lists h=4/1 q=1 k=20000 d=8 causal";
    int64_t ptr[2] = {0, 2};
    int32_t start[2] = {3, 17}, length[2] = {4, MANY - 30};
    struct dense x[3];
    for (int64_t t = 0; t < 3; t++) {
        attn_ctx *ctx = dense_ctx(t + 1);
        attn_tensor part[3] = {vector(ptr, ATTN_DTYPE_I64, 2), vector(start, ATTN_DTYPE_I32, 2),
                               vector(length, ATTN_DTYPE_I32, 2)};
        const attn_arg args[3] = {{1, 0, &part[0]}, {2, 0, &part[1]}, {3, 0, &part[2]}};
        attn_selection *sel;
        ck_assert_int_eq(attn_selection_import_rows(ctx, 1, HEADS, HEADS, 1, 1, MANY, 0, args, 3,
                                                    &sel), ATTN_OK);
        dense_make(&x[t], 1, HEADS, 1, 1, MANY, 8, 8);
        give(&x[t], sel);
        ck_assert(dense_run(ctx, text, t < 2 ? "lists" : "reference", &x[t]));
        attn_selection_destroy(sel);
        attn_ctx_destroy(ctx);
    }
    ck_assert(memcmp(x[0].out, x[1].out, x[0].n_out * sizeof(float)) == 0);
    ck_assert_double_lt(dense_distance(x[2].out, x[0].out, x[0].n_out), 2e-6);
    for (int t = 0; t < 3; t++)
        dense_free(&x[t]);
}
END_TEST

/* Both sequences of a batch one behind the other: the same bits, and lists for
 * fewer queries or more keys than a sequence has are refused. */
START_TEST(packed)
{
    static const char text[] = "lists b=2 h=4/2 q=40 k=100 d=16/12 packed causal";
    struct rng r = {19};
    attn_ctx *ctx = dense_ctx(2);
    struct lists *l = random_lists(&r, 7, 40, false, false);
    attn_selection *sel = import(ctx, l);
    struct dense a, b;
    dense_make(&a, B, H, HK, NQ, NK, D, DV);
    dense_make(&b, 1, H, HK, B * NQ, B * NK, D, DV);
    for (int64_t h = 0; h < H; h++)
        for (int64_t n = 0; n < B; n++) {
            memcpy(b.q + (h * B + n) * NQ * D, a.q + (n * H + h) * NQ * D, NQ * D * sizeof *a.q);
            if (h >= HK)
                continue;
            memcpy(b.k + (h * B + n) * NK * D, a.k + (n * HK + h) * NK * D, NK * D * sizeof *a.k);
            memcpy(b.v + (h * B + n) * NK * DV, a.v + (n * HK + h) * NK * DV,
                   NK * DV * sizeof *a.v);
        }
    give(&a, sel);
    give(&b, sel);
    int32_t *q = dense_list(&b, ATTN_ROLE_Q_OFFSETS, (int32_t[]){0, NQ, B * NQ}, 3)->data;
    int32_t *k = dense_list(&b, ATTN_ROLE_K_OFFSETS, (int32_t[]){0, NK, B * NK}, 3)->data;
    ck_assert(dense_run(ctx, "lists " SIZES "causal", "lists", &a));
    ck_assert(dense_run(ctx, text, "lists", &b));
    for (int64_t at = 0; at < B * H; at++) /* [B,H] and [H,B] */
        ck_assert(memcmp(a.out + at * NQ * DV, b.out + (at % H * B + at / H) * NQ * DV,
                         NQ * DV * sizeof *a.out) == 0);
    q[1]++;
    run_refuses(ctx, text, &b, ATTN_ERR_SHAPE,
                "made for 37 queries, expected at least the 38 of the longest sequence");
    q[1]--;
    k[1] = NK / 2;
    k[2] = NK;
    run_refuses(ctx, text, &b, ATTN_ERR_RANGE, "expected at most");
    dense_free(&a);
    dense_free(&b);
    attn_selection_destroy(sel);
    free(l);
    attn_ctx_destroy(ctx);
}
END_TEST

START_TEST(refused)
{
    attn_ctx *ctx = dense_ctx(1);
    struct dense x;
    float logit[NK] = {0};
    attn_selection *sel = blocks(ctx, H, 16, NULL, NULL), *with = blocks(ctx, H, 16, logit, NULL);
    attn_selection *others = blocks(ctx, 2, 16, NULL, NULL);
    dense_make(&x, B, H, HK, NQ, NK, D, DV);
    run_refuses(ctx, "lists " SIZES, &x, ATTN_ERR_ROLE, "role selection is missing");
    give(&x, NULL);
    run_refuses(ctx, "lists " SIZES, &x, ATTN_ERR_NULL, "selection is NULL");
    x.arg[x.n - 1].object = x.q; /* memory that is no selection */
    run_refuses(ctx, "lists " SIZES, &x, ATTN_ERR_INVALID, "no attn_selection");
    x.arg[x.n - 1].object = with;
    run_refuses(ctx, "lists " SIZES, &x, ATTN_ERR_UNSUPPORTED, "lists_logits=1");
    x.arg[x.n - 1].object = sel;
    run_refuses(ctx, "softmax " SIZES, &x, ATTN_ERR_ROLE, "selection was not declared");
    x.arg[x.n - 1].object = others;
    run_refuses(ctx, "lists " SIZES, &x, ATTN_ERR_SHAPE, "made for 2 output heads, expected 4");
    x.arg[x.n - 1].object = sel;
    dense_view(&x, ATTN_ROLE_K)->shape[2] = NK - 1;
    dense_view(&x, ATTN_ROLE_V)->shape[2] = NK - 1;
    run_refuses(ctx, "lists " SIZES, &x, ATTN_ERR_RANGE, "has key 89, expected at most 88");
    dense_view(&x, ATTN_ROLE_K)->shape[2] = NK;
    dense_view(&x, ATTN_ROLE_V)->shape[2] = NK;
    dense_view(&x, ATTN_ROLE_Q)->shape[2] = NQ - 1;
    dense_view(&x, ATTN_ROLE_OUT)->shape[2] = NQ - 1;
    dense_view(&x, ATTN_ROLE_LSE)->shape[2] = NQ - 1;
    run_refuses(ctx, "lists " SIZES, &x, ATTN_ERR_SHAPE, "made for 37 queries, expected 36");
    dense_free(&x);
    attn_selection_destroy(sel);
    attn_selection_destroy(with);
    attn_selection_destroy(others);
    static const char *const plans[] = {"lists_logits normalizer=sigmoid",
                                        "lists_logits invariant=chunk", "lists=or prefix=3",
                                        "lists_layout=groups packed", "packed view causal"};
    for (size_t n = 0; n < sizeof plans / sizeof plans[0]; n++) {
        attn_desc *desc;
        attn_plan *plan;
        char text[200];
        snprintf(text, sizeof text, "lists " SIZES "%s", plans[n]);
        ck_assert_int_eq(attn_desc_parse(ctx, text, &desc), ATTN_OK);
        ck_assert_int_eq(attn_plan_create(ctx, desc, &plan), ATTN_ERR_UNSUPPORTED);
        attn_desc_destroy(desc);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

/* The list of a single query in parts: the same bits for any number of threads,
 * and what all keys together give. */
START_TEST(long_lists)
{
    enum { MANY = 20000, HEADS = 4 };
    static const char *const options[] = {"causal", "softcap=3 head_gate", "lists=or window=300,0"};
    static int32_t start[2 * MANY];
    static int64_t ptr[3];
    static uint8_t seen[2 * MANY];
    const int64_t gates[3] = {1, HEADS, 1}, mask[4] = {1, HEADS, 1, MANY};
    struct rng r = {41};
    for (int set = 0; set < 2; set++) { /* a long one and a short one */
        ptr[set + 1] = ptr[set];
        for (int32_t j = 0; j < MANY; j++)
            if (rng_percent(&r, set ? 2 : 80)) {
                start[ptr[set + 1]++] = j;
                seen[set * MANY + j] = 1;
            }
    }
    for (size_t n = 0; n < sizeof options / sizeof options[0]; n++) {
        struct dense x[2], masked;
        char text[200];
        bool gated = strstr(options[n], "head_gate");
        for (int t = 0; t < 2; t++) {
            attn_ctx *ctx = dense_ctx(1 + 2 * t);
            attn_tensor part[2] = {vector(ptr, ATTN_DTYPE_I64, 3),
                                   vector(start, ATTN_DTYPE_I32, ptr[2])};
            const attn_arg args[2] = {{1, 0, &part[0]}, {2, 0, &part[1]}};
            attn_selection *sel;
            ck_assert_int_eq(attn_selection_import_rows(ctx, 1, HEADS, 2, 1, 1, MANY, 1, args, 2,
                                                        &sel), ATTN_OK);
            dense_make(&x[t], 1, HEADS, 1, 1, MANY, 8, 8);
            give(&x[t], sel);
            if (gated)
                ((float *)dense_add(&x[t], ATTN_ROLE_GATE, ATTN_DTYPE_F32, 3, gates, NULL)
                     ->data)[1] = 0.5f;
            snprintf(text, sizeof text, "lists h=4/1 q=1 k=20000 d=8 want=counts %s", options[n]);
            ck_assert(dense_run(ctx, text, "lists", &x[t]));
            attn_selection_destroy(sel);
            attn_ctx_destroy(ctx);
        }
        ck_assert(memcmp(x[0].out, x[1].out, x[0].n_out * sizeof(float)) == 0);
        attn_ctx *ctx = dense_ctx(1);
        dense_make(&masked, 1, HEADS, 1, 1, MANY, 8, 8);
        uint8_t *m = dense_add(&masked, ATTN_ROLE_MASK, ATTN_DTYPE_U8, 4, mask, NULL)->data;
        for (int64_t at = 0; at < HEADS * MANY; at++)
            m[at] = seen[at / MANY / 2 * MANY + at % MANY] ||
                    (strstr(options[n], "window") && at % MANY >= MANY - 301);
        if (gated)
            ((float *)dense_add(&masked, ATTN_ROLE_GATE, ATTN_DTYPE_F32, 3, gates, NULL)
                 ->data)[1] = 0.5f;
        snprintf(text, sizeof text, "softmax h=4/1 q=1 k=20000 d=8 mask %s",
                 strstr(options[n], "window") ? "" : options[n]);
        ck_assert(dense_run(ctx, text, NULL, &masked));
        ck_assert_double_lt(dense_distance(masked.out, x[0].out, x[0].n_out), 3e-6);
        ck_assert_double_lt(dense_distance(masked.lse, x[0].lse, x[0].n_lse), 3e-6);
        for (int t = 0; t < 2; t++)
            dense_free(&x[t]);
        dense_free(&masked);
        attn_ctx_destroy(ctx);
    }
}
END_TEST

/* More lists than one unit takes, of blocks that neighbours do not share: what the
 * same lists give as a mask, with the same bits for any number of threads. */
START_TEST(many_lists)
{
    enum { QUERIES = 1500, BLOCKS = 4, BLOCK = 40, KEYS = BLOCKS * BLOCK };
    static int64_t ptr[QUERIES + 1];
    static int32_t start[QUERIES * BLOCKS], length[QUERIES * BLOCKS];
    struct rng r = {8};
    struct dense x[2], by_pairs;
    for (int i = 0; i < QUERIES; i++) {
        int64_t n = ptr[i];
        for (int32_t j = 0, end = -1; j < KEYS; j += BLOCK) {
            if (!rng_percent(&r, 40))
                continue;
            if (end == j) {
                length[n - 1] += BLOCK;
            } else {
                start[n] = j;
                length[n++] = BLOCK;
            }
            end = j + BLOCK;
        }
        ptr[i + 1] = n;
    }
    for (int t = 0; t < 3; t++) {
        attn_ctx *ctx = dense_ctx(1 + t);
        attn_tensor part[3] = {vector(ptr, ATTN_DTYPE_I64, QUERIES + 1),
                               vector(start, ATTN_DTYPE_I32, ptr[QUERIES]),
                               vector(length, ATTN_DTYPE_I32, ptr[QUERIES])};
        const attn_arg args[3] = {{1, 0, &part[0]}, {2, 0, &part[1]}, {3, 0, &part[2]}};
        struct dense *y = t < 2 ? &x[t] : &by_pairs;
        attn_selection *sel;
        ck_assert_int_eq(attn_selection_import_rows(ctx, 1, 2, 2, QUERIES, 1, KEYS, 0, args, 3,
                                                    &sel), ATTN_OK);
        dense_make(y, 1, 2, 1, QUERIES, KEYS, 8, 8);
        give(y, sel);
        ck_assert(dense_run(ctx, "lists h=2/1 q=1500 k=160 d=8 causal align=top_left",
                            t < 2 ? "lists" : "reference", y));
        attn_selection_destroy(sel);
        attn_ctx_destroy(ctx);
    }
    ck_assert(memcmp(x[0].out, x[1].out, x[0].n_out * sizeof(float)) == 0);
    ck_assert_double_lt(dense_distance(by_pairs.out, x[0].out, x[0].n_out), 3e-6);
    ck_assert_double_lt(dense_distance(by_pairs.lse, x[0].lse, x[0].n_lse), 3e-6);
    for (int t = 0; t < 2; t++)
        dense_free(&x[t]);
    dense_free(&by_pairs);
}
END_TEST

UNIT_MAIN("lists", as_defined, same_as_a_mask, half_keys, properties, poison,
          any_number_of_threads, long_lists, long_entry, many_lists, outputs, packed,
          refused)
