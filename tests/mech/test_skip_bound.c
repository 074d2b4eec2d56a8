/* SPDX-License-Identifier: MIT */
/*
 * want=skip_bound (src/solvers/skip_bound.c) against the mass itself, in double:
 * never below it whatever the skipped keys hold, near it where keys of a block
 * are alike.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../unit/unit.h"
#include "dense.h"
#include "rng.h"

enum { B = 2, H = 4, HK = 2, NQ = 110, NK = 333, D = 24, BLOCK = 32 };
enum { Q_BLOCKS = (NQ + BLOCK - 1) / BLOCK, K_BLOCKS = (NK + BLOCK - 1) / BLOCK };

#define SIZES "softmax b=2 h=4/2 q=110 k=333 d=24 "

struct lists {
    uint8_t listed[H][Q_BLOCKS][K_BLOCKS];
    int32_t offsets[H * (Q_BLOCKS + 1)], index[H * Q_BLOCKS * K_BLOCKS];
};

/* About a third of the blocks; one block of queries has none. */
static void make_lists(struct dense *x, struct lists *l)
{
    const int64_t shape[3] = {1, H, Q_BLOCKS + 1};
    struct rng r = {77};
    int64_t n = 0, at = 0;
    for (int64_t h = 0; h < H; h++) {
        for (int64_t q = 0; q < Q_BLOCKS; q++) {
            l->offsets[at++] = (int32_t)n;
            for (int64_t k = 0; k < K_BLOCKS; k++) {
                l->listed[h][q][k] = !(h == 1 && q == 2) && rng_percent(&r, 35);
                if (l->listed[h][q][k])
                    l->index[n++] = (int32_t)k;
            }
        }
        l->offsets[at++] = (int32_t)n;
    }
    dense_add(x, ATTN_ROLE_LIST_OFFSETS, ATTN_DTYPE_I32, 3, shape, l->offsets);
    dense_add(x, ATTN_ROLE_LIST_INDEX, ATTN_DTYPE_I32, 1, &n, l->index);
}

/* What is done to rows, or added to scores. */
enum extra { NOTHING, TURNED, UNIT_ROWS, ALIBI, T5, DENSE };

struct rule {
    const char *text;
    bool causal, any_sinks; /* any_sinks: lists or the first 5 keys */
    double softcap, scale;
    enum extra extra;
};

enum { OFF = NK - NQ, BUCKETS = 2 * NK }; /* so many that each distance has one */

/* Rows as they are multiplied, and the tensor of the rule, if it has one. */
static struct {
    double q[B * H * NQ * D], k[B * HK * NK * D];
    const float *bias;
} made;

static void change_row(enum extra extra, int64_t at, const float *from, double *to)
{
    double squares = 0;
    for (int64_t e = 0; e < D; e++)
        squares += (double)from[e] * (double)from[e];
    for (int64_t e = 0; e < D; e++)
        to[e] = (double)from[e] / (extra == UNIT_ROWS ? sqrt(squares) : 1);
    for (int64_t e = 0; e < D / 2 && extra == TURNED; e++) {
        double x = to[e], y = to[e + D / 2], w = (double)at * pow(10000, -2.0 * (double)e / D);
        to[e] = x * cos(w) - y * sin(w);
        to[e + D / 2] = x * sin(w) + y * cos(w);
    }
}

static void change_rows(const struct dense *x, enum extra extra)
{
    for (int64_t n = 0; n < B * H * NQ; n++)
        change_row(extra, n % NQ + OFF, x->q + n * D, made.q + n * D);
    for (int64_t n = 0; n < B * HK * NK; n++)
        change_row(extra, n % NK, x->k + n * D, made.k + n * D);
}

/* Mostly small numbers; some that hide a key, some that make it stand out, and NaN
 * where the rule hides it. */
static void give_bias(struct dense *x, const struct rule *rule)
{
    static const int64_t pairs[4] = {B, H, NQ, NK}, weights[2] = {BUCKETS, H};
    bool t5 = rule->extra == T5;
    struct rng r = {5};
    if (!t5 && rule->extra != DENSE)
        return;
    float *f = dense_add(x, t5 ? ATTN_ROLE_T5_WEIGHT : ATTN_ROLE_BIAS, ATTN_DTYPE_F32, t5 ? 2 : 4,
                         t5 ? weights : pairs, NULL)->data;
    for (int64_t n = 0; n < (t5 ? BUCKETS * H : B * H * NQ * NK); n++) {
        int64_t sort = rng_int(&r, 0, 99);
        f[n] = (float)(3 * rng_normal(&r));
        f[n] = sort < 4 ? -INFINITY : sort < 6 ? 40 : sort < 9 ? -1e30f : f[n];
        if (!t5 && rule->causal && n % NK > n / NK % NQ + OFF)
            f[n] = NAN;
    }
    made.bias = f;
}

static double bias_of(enum extra extra, int64_t b, int64_t h, int64_t i, int64_t j)
{
    int64_t back = i + OFF - j;
    if (extra == ALIBI)
        return -exp2(-2.0 * (double)(h + 1)) * fabs((double)back);
    if (extra == T5)
        return (double)made.bias[(back > 0 ? back : 0) * H + h];
    return extra == DENSE ? (double)made.bias[((b * H + h) * NQ + i) * NK + j] : 0;
}

/* The mass of a row that its lists leave out, of what the rules show. */
static double mass(const struct lists *l, const struct rule *rule, int64_t b, int64_t h, int64_t i)
{
    double top = -INFINITY, all = 0, skipped = 0, s[NK];
    const double *q = made.q + ((b * H + h) * NQ + i) * D;
    for (int64_t j = 0; j < NK; j++) {
        const double *k = made.k + ((b * HK + h / 2) * NK + j) * D;
        s[j] = 0;
        for (int64_t e = 0; e < D; e++)
            s[j] += q[e] * k[e];
        s[j] *= rule->scale;
        s[j] = rule->softcap > 0 ? rule->softcap * tanh(s[j] / rule->softcap) : s[j];
        s[j] += bias_of(rule->extra, b, h, i, j);
        bool shown = !rule->causal || j <= i + OFF;
        s[j] = shown ? s[j] : -INFINITY;
        top = s[j] > top ? s[j] : top;
    }
    for (int64_t j = 0; j < NK && top > -INFINITY; j++) {
        bool listed = l->listed[h][i / BLOCK][j / BLOCK] || (rule->any_sinks && j < 5);
        all += exp(s[j] - top);
        skipped += listed ? 0 : exp(s[j] - top);
    }
    return all > 0 ? skipped / all : 0;
}

static const struct rule rules[] = {
    {"must=list[32,32]", 0, 0, 0, 0.2041241452319315, NOTHING},
    {"causal must=list[32,32]", 1, 0, 0, 0.2041241452319315, NOTHING},
    {"causal any=list[32,32] any=prefix[5] scale=-0.5", 1, 1, 0, -0.5, NOTHING},
    {"must=list[32,32] softcap=3 scale=1", 0, 0, 3, 1, NOTHING},
    {"must=list[32,32] alibi", 0, 0, 0, 0.2041241452319315, ALIBI},
    {"causal any=list[32,32] any=prefix[5] scale=-0.5 bias", 1, 1, 0, -0.5, DENSE},
    {"must=list[32,32] softcap=3 scale=1 bias", 0, 0, 3, 1, DENSE},
    {"must=list[32,32] t5_buckets=666 t5_max_distance=1000", 0, 0, 0, 0.2041241452319315, T5},
    {"causal must=list[32,32] rope=half", 1, 0, 0, 0.2041241452319315, TURNED},
    {"must=list[32,32] qk_norm=l2 scale=6", 0, 0, 0, 6, UNIT_ROWS},
};

enum { RULES = sizeof rules / sizeof rules[0] };

static double truth[B * H * NQ];

static void find_truth(const struct dense *x, const struct lists *l, const struct rule *rule)
{
    change_rows(x, rule->extra);
    for (int64_t n = 0; n < B * H * NQ; n++)
        truth[n] = mass(l, rule, n / NQ / H, n / NQ % H, n % NQ);
}

/* Returns the mean of the bound over that of the mass. */
static double check(attn_ctx *ctx, struct dense *x, const struct rule *rule, const char *solver)
{
    static const int64_t rows[3] = {B, H, NQ};
    char text[200];
    double bounds = 0, masses = 0;
    const float *bound = dense_add(x, ATTN_ROLE_SKIP_BOUND, ATTN_DTYPE_F32, 3, rows, NULL)->data;
    snprintf(text, sizeof text, SIZES "%s want=skip_bound", rule->text);
    ck_assert(dense_run(ctx, text, solver, x));
    for (int64_t n = 0; n < B * H * NQ; n++) {
        double m = truth[n], found = (double)bound[n];
        ck_assert_msg(found >= m && found <= 1, "%s, %s: row %d is %.9g, the mass %.9g", text,
                      solver, (int)n, found, m);
        bounds += found;
        masses += m;
    }
    dense_drop(x, 1);
    return bounds / masses;
}

START_TEST(never_below_the_mass)
{
    static const char *const solvers[] = {"flash", "decode", "reference"};
    static struct lists l;
    attn_ctx *ctx = dense_ctx(2);
    for (int planted = 0; planted < 3; planted++) {
        struct dense x;
        dense_make(&x, B, H, HK, NQ, NK, D, D);
        make_lists(&x, &l);
        for (int64_t j = 0; j < B * HK * NK && planted > 0; j++)
            for (int64_t e = 0; e < D; e++) {
                float *k = &x.k[j * D + e];
                if (planted == 1 && j % 41 == 7) /* a few huge keys */
                    *k *= 30;
                else if (planted == 2) /* all in one place, but for one */
                    *k = j % 333 == 250 ? 40 : 3 + *k / 100;
            }
        for (size_t n = 0; n < RULES; n++) {
            size_t roles = x.n;
            give_bias(&x, &rules[n]);
            find_truth(&x, &l, &rules[n]);
            check(ctx, &x, &rules[n], solvers[(n + (size_t)planted) % 3]);
            dense_drop(&x, x.n - roles);
        }
        dense_free(&x);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

/* Keys of a block that are alike: the bound is near. */
START_TEST(near_where_keys_are_alike)
{
    static struct lists l;
    attn_ctx *ctx = dense_ctx(1);
    struct dense x;
    dense_make(&x, B, H, HK, NQ, NK, D, D);
    make_lists(&x, &l);
    for (int64_t j = 0; j < B * HK * NK; j++)
        for (int64_t e = 0; e < D; e++) {
            int64_t first = j / NK * NK + j % NK / 64 * 64; /* of its block */
            x.k[j * D + e] = x.k[first * D + e] + (first == j ? 0 : x.k[j * D + e] / 50);
        }
    for (size_t n = 0; n < RULES; n++) {
        if (rules[n].extra == TURNED) /* keys are turned apart */
            continue;
        size_t roles = x.n;
        give_bias(&x, &rules[n]);
        find_truth(&x, &l, &rules[n]);
        double ratio = check(ctx, &x, &rules[n], "flash");
        dense_drop(&x, x.n - roles);
        ck_assert_msg(ratio < 1.1, "%s: the bound is %g times the mass", rules[n].text, ratio);
    }
    dense_free(&x);
    attn_ctx_destroy(ctx);
}
END_TEST

/* Rows of nothing, of gate 0, that do not count; LSE beside or not; the same for
 * any number of threads. */
START_TEST(rows_of_all_kinds)
{
    static const int32_t q_len[B] = {NQ, NQ - 20}, k_len[B] = {NK - 33, NK};
    static const int64_t rows[3] = {B, H, NQ};
    static struct lists l;
    struct dense x[2];
    float *bound[2], *gate;
    for (int n = 0; n < 2; n++) {
        attn_ctx *ctx = dense_ctx(1 + 2 * n);
        dense_make(&x[n], B, H, HK, NQ, NK, D, D);
        for (int64_t j = 0; j < HK; j++) /* behind k_len of sequence 0 */
            for (int64_t e = 0; e < D; e++)
                x[n].k[(j * NK + NK - 5) * D + e] = NAN;
        for (int64_t e = 0; e < D; e++) /* a visible key that somebody skips */
            x[n].k[((B - 1) * HK * NK + 40) * D + e] = INFINITY;
        make_lists(&x[n], &l);
        dense_list(&x[n], ATTN_ROLE_Q_LEN, q_len, B);
        dense_list(&x[n], ATTN_ROLE_K_LEN, k_len, B);
        gate = dense_add(&x[n], ATTN_ROLE_GATE, ATTN_DTYPE_F32, 3, rows, NULL)->data;
        for (int64_t i = 0; i < B * H * NQ; i++)
            gate[i] = i % 7 != 0;
        bound[n] = dense_add(&x[n], ATTN_ROLE_SKIP_BOUND, ATTN_DTYPE_F32, 3, rows, NULL)->data;
        if (n == 1) /* no LSE */
            *dense_view(&x[n], ATTN_ROLE_LSE) = *dense_view(&x[n], ATTN_ROLE_GATE);
        for (size_t i = 0; i < x[n].n && n == 1; i++)
            if (x[n].arg[i].role == ATTN_ROLE_LSE) {
                x[n].arg[i] = x[n].arg[x[n].n - 1];
                x[n].n--;
            }
        attn_plan *plan = dense_plan(ctx, SIZES "head_gate must=list[32,32] want=skip_bound",
                                     "flash");
        int32_t status = attn_plan_execute(plan, x[n].arg, x[n].n, NULL, 0);
        ck_assert_msg(status == ATTN_OK, "%s", dense_error());
        attn_plan_destroy(plan);
        attn_ctx_destroy(ctx);
    }
    ck_assert(memcmp(bound[0], bound[1], B * H * NQ * sizeof *bound[0]) == 0);
    for (int64_t n = 0; n < B * H * NQ; n++) {
        int64_t b = n / NQ / H, h = n / NQ % H, i = n % NQ;
        float f = bound[0][n];
        ck_assert(f >= 0 && f <= 1);
        if (i >= q_len[b] || n % 7 == 0)
            ck_assert(f == 0);
        else if (h == 1 && i / BLOCK == 2) /* no list at all */
            ck_assert(f == 1);
        else if (b == 1 && h < 2 && !l.listed[h][i / BLOCK][40 / BLOCK])
            ck_assert(f == 1); /* nothing is known of it */
        else if (b == 0)
            ck_assert(f < 1);
    }
    dense_free(&x[0]);
    dense_free(&x[1]);
}
END_TEST

START_TEST(refused)
{
    static const struct {
        const char *text;
        int32_t status;
        const char *says;
    } cases[] = {
        {"softmax h=2 q=8 k=8 d=4 want=skip_bound", ATTN_ERR_INVALID, "no lists"},
        {"moh h=2 q=8 k=8 d=4 moh_active=1 must=list[4,4] want=skip_bound", ATTN_ERR_INVALID,
         "moh does not tell"},
        {"softmax h=2 q=8 k=8 d=4 must=list[4,4] want=skip_bound alibi bias", ATTN_ERR_UNSUPPORTED,
         "several biases"},
        {"softmax h=2 q=8 k=8 d=4 must=list[4,4] want=skip_bound grid_w=4", ATTN_ERR_UNSUPPORTED,
         "more than scale"},
        {"softmax h=2 q=8 k=8 d=4 must=list[4,4] want=skip_bound row_scale", ATTN_ERR_UNSUPPORTED,
         "more than scale"},
        {"softmax h=2 q=8 k=8 d=4 must=list[4,4] want=skip_bound qk_norm=layer",
         ATTN_ERR_UNSUPPORTED, "takes off a mean"},
        {"softmax h=2 q=8 k=8 d=4 must=list[4,4] want=skip_bound dtype=f64", ATTN_ERR_UNSUPPORTED,
         "f32"},
        {"softmax h=2 q=8 k=inf d=4 must=list[4,4] want=skip_bound", ATTN_ERR_UNSUPPORTED,
         "k is inf"},
        {"softmax h=2 q=8 k=8 d=4 must=list[4,4] want=skip_bound normalizer=sigmoid",
         ATTN_ERR_UNSUPPORTED, "normalizer"},
    };
    attn_ctx *ctx = dense_ctx(1);
    for (size_t n = 0; n < sizeof cases / sizeof cases[0]; n++) {
        attn_desc *desc;
        attn_plan *plan;
        ck_assert_msg(attn_desc_parse(ctx, cases[n].text, &desc) == ATTN_OK, "%s", dense_error());
        int32_t status = attn_plan_create(ctx, desc, &plan);
        ck_assert_msg(status == cases[n].status && strstr(dense_error(), cases[n].says),
                      "%s: %d, %s", cases[n].text, (int)status, dense_error());
        attn_desc_destroy(desc);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

UNIT_MAIN("skip_bound", never_below_the_mass, near_where_keys_are_alike, rows_of_all_kinds, refused)
