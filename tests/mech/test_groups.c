/* SPDX-License-Identifier: MIT */
/*
 * Attention inside of groups (src/solvers/group_attend.c, src/state/
 * selection_groups.c, src/mech/lists.c): random groups against their definition
 * in double, against the same visibility as a mask and against lists of rows;
 * what groups must not change; and what is refused.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/unit.h"
#include "dense.h"
#include "rng.h"

enum { B = 2, H = 4, HK = 2, NQ = 45, NK = 90, D = 16, DV = 12, MOST = 40 };

#define SIZES "b=2 h=4/2 q=50 k=100 d=16/12 "
#define GROUPS "lists " SIZES "lists_layout=groups "

static const int32_t COMBINE[] = {ATTN_SELECTION_EXCLUSIVE, ATTN_SELECTION_SUM,
                                  ATTN_SELECTION_MEAN, ATTN_SELECTION_LSE};

/* Groups as plain arrays. */
struct groups {
    int64_t batch, n;
    int32_t combine, b[MOST], h[MOST];
    double eps;
    int64_t q_ptr[MOST + 1], k_ptr[MOST + 1];
    int32_t q[MOST * NQ], k[MOST * NK];
};

static void add_keys(struct groups *g, struct rng *r, int percent)
{
    int64_t n = g->k_ptr[g->n];
    for (int32_t j = 0; j < NK; j++)
        if (rng_percent(r, percent))
            g->k[n++] = j;
    g->k_ptr[g->n + 1] = n;
}

/* Five groups for each head of a batch entry, in random order; some are empty. */
static struct groups *random_groups(struct rng *r, int32_t combine, int percent)
{
    struct groups *g = calloc(1, sizeof *g);
    ck_assert_ptr_nonnull(g);
    g->batch = rng_int(r, 1, 2);
    g->combine = combine;
    g->eps = combine == ATTN_SELECTION_MEAN ? 0.25 : 0;
    int first = (int)rng_int(r, 0, H - 1);
    for (int part = 0; part < 5; part++)
        for (int b = 0; b < (int)g->batch; b++)
            for (int h = 0; h < H; h++, g->n++) {
                int64_t n = g->q_ptr[g->n];
                g->b[g->n] = b;
                g->h[g->n] = (h + first) % H;
                for (int32_t i = 0; i < NQ; i++) /* exclusive: by residues; 5 is in none */
                    if (combine ? rng_percent(r, 30) : i % 6 == part)
                        g->q[n++] = i;
                g->q_ptr[g->n + 1] = n;
                add_keys(g, r, part == 4 ? 0 : percent);
            }
    return g;
}

static attn_tensor vector(void *data, int32_t dtype, int64_t n)
{
    attn_tensor t;
    ck_assert_int_eq(attn_tensor_init(&t, data, dtype, 1, &n), ATTN_OK);
    return t;
}

static int32_t try_import(attn_ctx *ctx, struct groups *g, attn_selection **sel)
{
    attn_tensor t[] = {vector(g->b, ATTN_DTYPE_I32, g->n),
                       vector(g->h, ATTN_DTYPE_I32, g->n),
                       vector(g->q_ptr, ATTN_DTYPE_I64, g->n + 1),
                       vector(g->k_ptr, ATTN_DTYPE_I64, g->n + 1),
                       vector(g->q, ATTN_DTYPE_I32, g->q_ptr[g->n]),
                       vector(g->k, ATTN_DTYPE_I32, g->k_ptr[g->n])};
    attn_arg part[6];
    for (int n = 0; n < 6; n++)
        part[n] = (attn_arg){ATTN_SELECTION_PART_G_BATCH + n, 0, &t[n]};
    return attn_selection_import_groups(ctx, g->batch, H, NQ, NK, g->combine, g->eps, part, 6, sel);
}

static attn_selection *import(attn_ctx *ctx, struct groups *g)
{
    attn_selection *sel;
    ck_assert_msg(try_import(ctx, g, &sel) == ATTN_OK, "%s", dense_error());
    return sel;
}

static bool has_lse(int32_t combine)
{
    return combine == ATTN_SELECTION_EXCLUSIVE || combine == ATTN_SELECTION_LSE;
}

/* Roles q, k, v, out and, where there is one, lse; then the selection. */
static void make(struct dense *x, const attn_selection *sel, bool lse)
{
    dense_make(x, B, H, HK, NQ, NK, D, DV);
    if (!lse)
        dense_drop(x, 1);
    x->arg[x->n++] = (attn_arg){ATTN_ROLE_SELECTION, 0, sel};
}

struct rules {
    bool causal;
    int64_t window; /* -1: none */
};

static bool shows(const struct rules *u, int64_t i, int64_t j)
{
    int64_t at = i + NK - NQ;
    return (!u->causal || j <= at) && (u->window < 0 || (j >= at - u->window && j <= at));
}

/* Is query i in group g of head h? */
static bool is_in(const struct groups *g, int64_t n, int64_t b, int64_t h, int64_t i)
{
    bool in = false;
    for (int64_t e = g->q_ptr[n]; e < g->q_ptr[n + 1]; e++)
        in |= g->q[e] == i;
    return in && g->h[n] == h && (g->batch == 1 || g->b[n] == b);
}

/* What a query gets of one group. */
static double in_group(const struct dense *x, const struct groups *g, const struct rules *u,
                       int64_t n, int64_t b, int64_t h, int64_t i, double out[DV])
{
    const float *q = x->q + ((b * H + h) * NQ + i) * D;
    const float *k = x->k + (b * HK + h / 2) * NK * D, *v = x->v + (b * HK + h / 2) * NK * DV;
    double top = -INFINITY, sum = 0, s[NK];
    memset(out, 0, DV * sizeof *out);
    for (int64_t e = g->k_ptr[n]; e < g->k_ptr[n + 1]; e++) {
        int32_t j = g->k[e];
        s[j] = -INFINITY;
        if (!shows(u, i, j))
            continue;
        s[j] = 0;
        for (int c = 0; c < D; c++)
            s[j] += (double)q[c] * (double)k[j * D + c] / 4;
        top = fmax(top, s[j]);
    }
    for (int64_t e = g->k_ptr[n]; e < g->k_ptr[n + 1] && top > -INFINITY; e++) {
        double w = exp(s[g->k[e]] - top);
        sum += w;
        for (int c = 0; c < DV; c++)
            out[c] += w * (double)v[g->k[e] * DV + c];
    }
    for (int c = 0; c < DV && sum > 0; c++)
        out[c] /= sum;
    return sum > 0 ? top + log(sum) : -INFINITY;
}

/* One row by the definition; its log-sum-exp where there is one. */
static double row_by_hand(const struct dense *x, const struct groups *g, const struct rules *u,
                          int64_t b, int64_t h, int64_t i, double out[DV])
{
    double all = -INFINITY, count = 0, part[DV];
    memset(out, 0, DV * sizeof *out);
    for (int64_t n = 0; n < g->n; n++) {
        if (!is_in(g, n, b, h, i))
            continue;
        double lse = in_group(x, g, u, n, b, h, i, part), top = fmax(all, lse), f = 1;
        count++;
        if (has_lse(g->combine) && lse == -INFINITY)
            continue;
        if (has_lse(g->combine)) {
            f = exp(lse - top);
            for (int c = 0; c < DV; c++)
                out[c] *= exp(all - top);
            all = top + log(exp(all - top) + f);
            for (int c = 0; c < DV; c++)
                out[c] = (out[c] + f * part[c]) * exp(top - all);
            continue;
        }
        for (int c = 0; c < DV; c++)
            out[c] += part[c];
    }
    for (int c = 0; c < DV && g->combine == ATTN_SELECTION_MEAN && count > 0; c++)
        out[c] /= count + g->eps;
    return all;
}

static void close_to_hand(const struct dense *x, const struct groups *g, const struct rules *u,
                          const char *what)
{
    double error = 0, size = 0;
    for (int64_t r = 0; r < B * H * NQ; r++) {
        double out[DV], lse = row_by_hand(x, g, u, r / NQ / H, r / NQ % H, r % NQ, out);
        if (has_lse(g->combine))
            ck_assert_msg(lse == -INFINITY
                              ? x->lse[r] == lse
                              : fabs((double)x->lse[r] - lse) < 4e-6 * (1 + fabs(lse)),
                          "%s: lse of row %d is %g, expected %g", what, (int)r,
                          (double)x->lse[r], lse);
        for (int e = 0; e < DV; e++) {
            double d = (double)x->out[r * DV + e] - out[e];
            error += d * d;
            size += out[e] * out[e];
        }
    }
    ck_assert_msg(error <= 9e-12 * size, "%s: off by %g", what, sqrt(error / size));
}

static const struct rules RULES[] = {{false, -1}, {true, -1}, {true, 20}};

START_TEST(as_defined)
{
    struct rng r = {31};
    attn_ctx *ctx = dense_ctx(2);
    for (int round = 0; round < 12; round++) {
        const struct rules *u = &RULES[round % 3];
        struct groups *g = random_groups(&r, COMBINE[round / 3], round % 2 ? 90 : 25);
        attn_selection *sel = import(ctx, g);
        struct dense x;
        char text[200];
        make(&x, sel, has_lse(g->combine));
        snprintf(text, sizeof text, GROUPS "%s%s", u->causal ? "causal " : "",
                 u->window >= 0 ? "window=20,0 " : "");
        ck_assert(dense_run(ctx, text, NULL, &x));
        close_to_hand(&x, g, u, text);
        dense_free(&x);
        attn_selection_destroy(sel);
        free(g);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

/* What groups of their own have of the keys is a mask; with every sort of option. */
START_TEST(same_as_a_mask)
{
    static const char *const options[] = {"softcap=3", "alibi causal", "rope=half causal",
                                          "qk_norm=rms scale=0.4", "out_norm=rms causal",
                                          "head_gate causal", "query_table causal"};
    static const int64_t shape[4] = {B, H, NQ, NK}, table[3] = {H, 31, D};
    struct rng r = {5};
    attn_ctx *ctx = dense_ctx(2);
    for (size_t n = 0; n < sizeof options / sizeof options[0]; n++) {
        struct groups *g = random_groups(&r, ATTN_SELECTION_EXCLUSIVE, 40);
        attn_selection *sel = import(ctx, g);
        struct dense masked, x;
        char text[300];
        make(&x, sel, true);
        dense_make(&masked, B, H, HK, NQ, NK, D, DV);
        uint8_t *mask = dense_add(&masked, ATTN_ROLE_MASK, ATTN_DTYPE_U8, 4, shape, NULL)->data;
        for (int64_t at = 0; at < B * H * NQ * g->n; at++) {
            int64_t row = at / g->n, group = at % g->n;
            if (is_in(g, group, row / NQ / H, row / NQ % H, row % NQ))
                for (int64_t e = g->k_ptr[group]; e < g->k_ptr[group + 1]; e++)
                    mask[row * NK + g->k[e]] = 1;
        }
        for (int both = 0; both < 2; both++) {
            struct dense *y = both ? &x : &masked;
            struct rng s = {9};
            if (strstr(options[n], "head_gate")) {
                float *gate = dense_add(y, ATTN_ROLE_GATE, ATTN_DTYPE_F32, 3, shape, NULL)->data;
                for (int64_t i = 0; i < B * H * NQ; i++)
                    gate[i] = rng_percent(&s, 50) ? 0 : (float)rng_normal(&s);
            } else if (strstr(options[n], "query_table")) {
                float *t =
                    dense_add(y, ATTN_ROLE_QUERY_TABLE, ATTN_DTYPE_F32, 3, table, NULL)->data;
                for (int64_t i = 0; i < H * 31 * D; i++)
                    t[i] = (float)rng_normal(&s);
            }
        }
        snprintf(text, sizeof text, "softmax " SIZES "mask %s", options[n]);
        ck_assert(dense_run(ctx, text, "reference", &masked));
        snprintf(text, sizeof text, GROUPS "%s", options[n]);
        ck_assert(dense_run(ctx, text, NULL, &x));
        ck_assert_msg(dense_distance(masked.out, x.out, x.n_out) < 3e-6, "%s: %g", text,
                      dense_distance(masked.out, x.out, x.n_out));
        ck_assert_msg(dense_distance(masked.lse, x.lse, x.n_lse) < 3e-6, "%s: lse", text);
        dense_free(&masked);
        dense_free(&x);
        attn_selection_destroy(sel);
        free(g);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

/* Groups of all queries over a partition of the keys: together they are dense,
 * added up they are the sum of lists of those keys. */
START_TEST(partition_of_keys)
{
    attn_ctx *ctx = dense_ctx(1);
    struct groups *g = calloc(1, sizeof *g);
    struct dense whole, x;
    ck_assert_ptr_nonnull(g);
    g->batch = 1;
    g->combine = ATTN_SELECTION_LSE;
    for (int part = 0; part < 3; part++)
        for (int h = 0; h < H; h++, g->n++) {
            g->h[g->n] = h;
            g->q_ptr[g->n + 1] = g->q_ptr[g->n] + NQ;
            g->k_ptr[g->n + 1] = g->k_ptr[g->n];
            for (int32_t i = 0; i < NQ; i++)
                g->q[g->q_ptr[g->n] + i] = i;
            for (int32_t j = 0; j < NK; j++)
                if ((j / 7 + h) % 3 == part)
                    g->k[g->k_ptr[g->n + 1]++] = j;
        }
    attn_selection *sel = import(ctx, g);
    dense_make(&whole, B, H, HK, NQ, NK, D, DV);
    ck_assert(dense_run(ctx, "softmax " SIZES "causal", NULL, &whole));
    make(&x, sel, true);
    ck_assert(dense_run(ctx, GROUPS "causal", NULL, &x));
    ck_assert_double_lt(dense_distance(whole.out, x.out, x.n_out), 2e-6);
    ck_assert_double_lt(dense_distance(whole.lse, x.lse, x.n_lse), 2e-6);
    attn_selection_destroy(sel);
    dense_free(&x);
    /* the mean of three is a third of the sum */
    struct dense sum;
    g->combine = ATTN_SELECTION_SUM;
    sel = import(ctx, g);
    make(&sum, sel, false);
    ck_assert(dense_run(ctx, GROUPS, NULL, &sum));
    attn_selection_destroy(sel);
    g->combine = ATTN_SELECTION_MEAN;
    sel = import(ctx, g);
    make(&x, sel, false);
    ck_assert(dense_run(ctx, GROUPS, NULL, &x));
    for (size_t n = 0; n < sum.n_out; n++)
        sum.out[n] /= 3;
    ck_assert_double_lt(dense_distance(sum.out, x.out, x.n_out), 1e-6);
    attn_selection_destroy(sel);
    dense_free(&sum);
    dense_free(&x);
    dense_free(&whole);
    free(g);
    attn_ctx_destroy(ctx);
}
END_TEST

/* NaN and infinities in keys that groups have and rules hide. */
START_TEST(poison)
{
    struct rng r = {77};
    attn_ctx *ctx = dense_ctx(1);
    for (int n = 0; n < 4; n++) {
        struct groups *g = random_groups(&r, COMBINE[n], 50);
        attn_selection *sel = import(ctx, g);
        struct dense a, b;
        make(&a, sel, has_lse(g->combine));
        make(&b, sel, has_lse(g->combine));
        for (int64_t h = 0; h < B * HK; h++)
            for (int64_t j = NK - 20; j < NK; j++)
                b.k[(h * NK + j) * D] = b.v[(h * NK + j) * DV + 3] = j % 2 ? NAN : INFINITY;
        ck_assert(dense_run(ctx, GROUPS "window=inf,-20", NULL, &a));
        ck_assert(dense_run(ctx, GROUPS "window=inf,-20", NULL, &b));
        ck_assert_double_lt(dense_distance(a.out, b.out, a.n_out), 2e-6);
        dense_free(&a);
        dense_free(&b);
        attn_selection_destroy(sel);
        free(g);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

/* The same bits for any number of threads and by itself, and in double what f32
 * is near to. */
START_TEST(threads_and_types)
{
    static double wide[4][B * H * NK * D];
    struct rng r = {13};
    for (int n = 0; n < 4; n++) {
        struct groups *g = random_groups(&r, COMBINE[n], 50);
        struct dense x[2];
        for (int t = 0; t < 2; t++) {
            attn_ctx *ctx = dense_ctx(1 + 2 * t);
            attn_selection *sel = import(ctx, g);
            make(&x[t], sel, has_lse(g->combine));
            ck_assert(dense_run(ctx, GROUPS "causal", NULL, &x[t]));
            attn_selection_destroy(sel);
            attn_ctx_destroy(ctx);
        }
        ck_assert(memcmp(x[0].out, x[1].out, x[0].n_out * sizeof(float)) == 0);
        attn_ctx *ctx = dense_ctx(2);
        attn_selection *sel = import(ctx, g);
        const float *from[] = {x[0].q, x[0].k, x[0].v};
        const int64_t size[] = {B * H * NQ * D, B * HK * NK * D, B * HK * NK * DV};
        for (int i = 0; i < 4; i++) {
            attn_tensor *t = dense_view(&x[1], ATTN_ROLE_Q + i < 4 ? ATTN_ROLE_Q + i
                                                                   : ATTN_ROLE_OUT);
            for (int64_t e = 0; i < 3 && e < size[i]; e++)
                wide[i][e] = (double)from[i][e];
            t->data = wide[i];
            t->dtype = ATTN_DTYPE_F64;
        }
        x[1].n = 4; /* without lse */
        x[1].arg[x[1].n++] = (attn_arg){ATTN_ROLE_SELECTION, 0, sel};
        ck_assert(dense_run(ctx, GROUPS "causal dtype=f64", NULL, &x[1]));
        for (size_t e = 0; e < x[1].n_out; e++)
            x[1].out[e] = (float)wide[3][e];
        ck_assert_double_lt(dense_distance(x[0].out, x[1].out, x[0].n_out), 2e-6);
        attn_selection_destroy(sel);
        attn_ctx_destroy(ctx);
        dense_free(&x[0]);
        dense_free(&x[1]);
        free(g);
    }
}
END_TEST

/* More queries than a unit of work has: groups that reach over several. */
START_TEST(many_queries)
{
    enum { MANY = 1100 };
    static int32_t index[2 * MANY];
    int32_t head[2] = {0, 0};
    int64_t ptr[3] = {0, MANY / 2, MANY}, shape[2] = {1, MANY};
    static int32_t segment[MANY];
    attn_ctx *ctx = dense_ctx(1), *three = dense_ctx(3);
    struct dense x, plain;
    for (int32_t i = 0; i < MANY; i++) {
        segment[i] = i % 2;
        index[i % 2 * (MANY / 2) + i / 2] = i;
    }
    attn_tensor t[] = {vector(head, ATTN_DTYPE_I32, 2), vector(ptr, ATTN_DTYPE_I64, 3),
                       vector(ptr, ATTN_DTYPE_I64, 3), vector(index, ATTN_DTYPE_I32, MANY),
                       vector(index, ATTN_DTYPE_I32, MANY)};
    attn_arg part[5];
    attn_selection *sel;
    for (int n = 0; n < 5; n++)
        part[n] = (attn_arg){ATTN_SELECTION_PART_G_HEAD + n, 0, &t[n]};
    ck_assert_int_eq(attn_selection_import_groups(ctx, 1, 1, MANY, MANY, 0, 0, part, 5, &sel),
                     ATTN_OK);
    dense_make(&x, 1, 1, 1, MANY, MANY, 4, 4);
    dense_make(&plain, 1, 1, 1, MANY, MANY, 4, 4);
    dense_add(&plain, ATTN_ROLE_SEG_Q, ATTN_DTYPE_I32, 2, shape, segment);
    dense_add(&plain, ATTN_ROLE_SEG_K, ATTN_DTYPE_I32, 2, shape, segment);
    x.arg[x.n++] = (attn_arg){ATTN_ROLE_SELECTION, 0, sel};
    const char *text = "lists h=1 n=1100 d=4 causal lists_layout=groups want=counts";
    ck_assert(dense_run(ctx, text, NULL, &x));
    ck_assert(dense_run(ctx, "softmax h=1 n=1100 d=4 causal segments", NULL, &plain));
    ck_assert_double_lt(dense_distance(x.out, plain.out, x.n_out), 2e-6);
    ck_assert_double_lt(dense_distance(x.lse, plain.lse, x.n_lse), 2e-6);
    memcpy(plain.out, x.out, x.n_out * sizeof *x.out);
    ck_assert(dense_run(three, text, NULL, &x));
    ck_assert(memcmp(plain.out, x.out, x.n_out * sizeof *x.out) == 0);
    attn_selection_destroy(sel);
    dense_free(&x);
    dense_free(&plain);
    attn_ctx_destroy(ctx);
    attn_ctx_destroy(three);
}
END_TEST

static void refuses(attn_ctx *ctx, const char *text, const struct dense *x, int32_t status,
                    const char *says)
{
    attn_plan *plan = dense_plan(ctx, text, NULL);
    ck_assert_int_eq(attn_plan_execute(plan, x->arg, x->n, NULL, 0), status);
    ck_assert_msg(strstr(dense_error(), says), "'%s' has no '%s'", dense_error(), says);
    attn_plan_destroy(plan);
}

START_TEST(refused)
{
    static const char *const plans[] = {"lists=and", "lists_logits", "normalizer=relu",
                                        "sink_logits", "want=rowmax", "invariant=chunk", "packed",
                                        "solver=flash"};
    struct rng r = {3};
    attn_ctx *ctx = dense_ctx(1);
    struct groups *g = random_groups(&r, ATTN_SELECTION_SUM, 30);
    attn_selection *sel = import(ctx, g);
    struct dense x;
    make(&x, sel, true);
    refuses(ctx, GROUPS, &x, ATTN_ERR_ROLE, "no log-sum-exp");
    dense_free(&x);
    make(&x, sel, false);
    refuses(ctx, "lists " SIZES, &x, ATTN_ERR_UNSUPPORTED, "lists_layout=groups");
    refuses(ctx, "lists b=2 h=4/2 q=50 k=100 d=16/12 lists_layout=rows", &x,
            ATTN_ERR_UNSUPPORTED, "selection is of groups");
    x.t[1].shape[2] = x.t[2].shape[2] = 40;
    refuses(ctx, GROUPS, &x, ATTN_ERR_RANGE, "selection has key");
    x.t[1].shape[2] = x.t[2].shape[2] = NK;
    x.t[0].shape[2] = x.t[3].shape[2] = NQ - 1;
    refuses(ctx, GROUPS, &x, ATTN_ERR_SHAPE, "45 queries, expected 44");
    for (size_t n = 0; n < sizeof plans / sizeof plans[0]; n++) {
        attn_desc *desc;
        attn_plan *plan;
        char text[200];
        snprintf(text, sizeof text, GROUPS "%s", plans[n]);
        ck_assert_int_eq(attn_desc_parse(ctx, text, &desc), ATTN_OK);
        ck_assert_int_eq(attn_plan_create(ctx, desc, &plan), ATTN_ERR_UNSUPPORTED);
        attn_desc_destroy(desc);
    }
    dense_free(&x);
    attn_selection_destroy(sel);
    free(g);
    attn_ctx_destroy(ctx);
}
END_TEST

UNIT_MAIN("groups", as_defined, same_as_a_mask, partition_of_keys, poison, threads_and_types,
          many_queries, refused)
