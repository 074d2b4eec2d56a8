/* SPDX-License-Identifier: MIT */
/*
 * compute=int8 over views: decode against attention in double, once of queries
 * that are rounded to codes as the header says, within the bound of f32
 * arithmetic or, where values are in slabs, of weights of 16 bits, and once of the
 * queries as they are, within what codes may change. The kernels are checked by
 * themselves (tests/kernels/check_int8.c, check_slab.c).
 */
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <attn/attn.h>

#include "../mech/rng.h"

enum { HK = 2, RATIO = 4, H = HK * RATIO, MOST_D = 128, MOST = 1500, ROWS = 5 };

struct data {
    float k[HK * MOST * MOST_D], v[HK * MOST * MOST_D];
    float q[H * ROWS * MOST_D], rounded[H * ROWS * MOST_D], out[H * ROWS * MOST_D], lse[H * ROWS];
};

struct setup {
    struct rng rng;
    attn_ctx *ctx;
    attn_cache *cache;
    attn_view *view;
    struct data *x;
    const char *type, *options;
    int64_t d, keys, rows, page;
    float size; /* of queries: large ones leave most keys little weight */
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

static void fail(const struct setup *s, const char *what, double got, double most)
{
    fprintf(stderr, "%s d=%d k=%d q=%d cache_page=%d%s: %s is %g, expected %g at most\n", s->type,
            (int)s->d, (int)s->keys, (int)s->rows, (int)s->page, s->options, what, got, most);
    exit(1);
}

static attn_tensor dense(void *data, int64_t heads, int64_t n, int64_t d)
{
    attn_tensor t;
    ok(attn_tensor_init(&t, data, ATTN_DTYPE_F32, d > 0 ? 4 : 3, (int64_t[]){1, heads, n, d}),
       "tensor");
    return t;
}

/* channels of different sizes, as keys and queries have them */
static void fill(struct setup *s, float *x, int64_t rows)
{
    for (int64_t i = 0; i < rows * s->d; i++)
        x[i] = (float)rng_normal(&s->rng) * (i % s->d % 11 == 3 ? 4.0f : 0.7f);
}

/* A cache with the keys, and K and V as it stores them. */
static void make_cache(struct setup *s)
{
    char text[256];
    int64_t id;
    attn_desc *desc;
    attn_step *step;
    snprintf(text, sizeof text, "cache cache_layers=1 h=%d d=%d cache_pages=200 cache_page=%d "
             "kv_dtype=%s", HK, (int)s->d, (int)s->page, s->type);
    ok(attn_desc_parse(s->ctx, text, &desc), text);
    ok(attn_cache_create(s->ctx, desc, &s->cache), text);
    attn_desc_destroy(desc);
    fill(s, s->x->k, HK * s->keys);
    fill(s, s->x->v, HK * s->keys);
    attn_tensor k = dense(s->x->k, HK, s->keys, s->d), v = dense(s->x->v, HK, s->keys, s->d);
    ok(attn_cache_seq_create(s->cache, &id), "sequence");
    ok(attn_step_begin(s->cache, 1, &id, &s->keys, NULL, &step), "begin");
    ok(attn_step_write(step, 0, &k, &v), "write");
    ok(attn_step_commit(step, NULL, NULL), "commit");
    attn_step_destroy(step);
    ok(attn_cache_read(s->cache, id, 0, 0, &k, &v), "read");
    ok(attn_view_create(s->cache, 1, NULL, &id, NULL, &s->view), "view");
}

static void execute(struct setup *s)
{
    char text[300];
    int64_t layer = 0, one = 1;
    attn_desc *desc;
    attn_plan *plan;
    attn_tensor at, q = dense(s->x->q, H, s->rows, s->d), out = dense(s->x->out, H, s->rows, s->d);
    attn_tensor lse = dense(s->x->lse, H, s->rows, 0);
    snprintf(text, sizeof text, "softmax h=%d/%d q=%d k=inf d=%d view kv_dtype=%s causal "
             "solver=decode compute=int8 cache_page=%d%s", H, HK, ROWS, (int)s->d, s->type,
             (int)s->page, s->options);
    ok(attn_desc_parse(s->ctx, text, &desc), text);
    ok(attn_plan_create(s->ctx, desc, &plan), text);
    ok(attn_tensor_init(&at, &layer, ATTN_DTYPE_I64, 1, &one), "layer");
    const attn_arg args[] = {{ATTN_ROLE_Q, 0, &q},
                             {ATTN_ROLE_OUT, 0, &out},
                             {ATTN_ROLE_LSE, 0, &lse},
                             {ATTN_ROLE_LAYER, 0, &at},
                             {ATTN_ROLE_VIEW, 0, s->view}};
    ok(attn_plan_execute(plan, args, 5, NULL, 0), text);
    attn_plan_destroy(plan);
    attn_desc_destroy(desc);
}

/* to: the multiple of a block's factor, which is its largest magnitude / 127 */
static void round_rows(const float *q, float *to, int64_t n)
{
    for (int64_t b = 0; b < n; b += 32) {
        float most = 0;
        for (int i = 0; i < 32; i++)
            most = fmaxf(most, fabsf(q[b + i]));
        for (int i = 0; i < 32; i++)
            to[b + i] = most > 0 ? roundf(q[b + i] * (127 / most)) * (most / 127) : 0;
    }
}

static double logit(const struct setup *s, const float *q, const float *k)
{
    double sum = 0;
    for (int64_t c = 0; c < s->d; c++)
        sum += (double)q[c] * k[c];
    return sum / sqrt((double)s->d);
}

/* One row in double: out, and what its logits may be off. Returns the lse. */
static double row_of(const struct setup *s, const float *q, int64_t h, int64_t seen, double *out,
                     double *most, double *off)
{
    static double p[MOST];
    const float *k = s->x->k + h / RATIO * s->keys * s->d;
    const float *v = s->x->v + h / RATIO * s->keys * s->d;
    double top = -INFINITY, sum = 0;
    *off = *most = 0;
    for (int64_t j = 0; j < seen; j++) {
        double may = 0;
        p[j] = logit(s, q, k + j * s->d);
        top = fmax(top, p[j]);
        *most = fmax(*most, fabs(p[j]));
        for (int64_t b = 0; b < s->d; b += 32) {
            double largest = 0, all = 0;
            for (int64_t c = b; c < b + 32; c++) {
                largest = fmax(largest, fabs((double)q[c]));
                all += fabs((double)k[j * s->d + c]);
            }
            may += largest * all / 254;
        }
        *off = fmax(*off, may / sqrt((double)s->d));
    }
    for (int64_t j = 0; j < seen; j++)
        sum += p[j] = exp(p[j] - top);
    for (int64_t e = 0; e < s->d; e++) {
        out[e] = 0;
        for (int64_t j = 0; j < seen; j++)
            out[e] += p[j] / sum * v[j * s->d + e];
    }
    return top + log(sum);
}

static double largest_value(const struct setup *s)
{
    double most = 0;
    for (int64_t i = 0; i < HK * s->keys * s->d; i++)
        if (fabs((double)s->x->v[i]) > most)
            most = fabs((double)s->x->v[i]);
    return most;
}

/* Of all rows: what is compared with what is expected. */
struct sums {
    double error, got, want, both, most; /* squares, products, the largest error */
};

/* Weights of 16 bits change a number by range / 500 at most, and mostly by far less. */
static void compare_exact(const struct setup *s, const struct sums *x, double top, double range)
{
    bool slabs = s->page % 32 == 0;
    double relative = sqrt(x->error / x->want), alike = x->both / sqrt(x->got * x->want);
    double bound = 8 * 0x1p-23 * (1 + top / 4) + (slabs ? 0x1p-12 : 0);
    double largest = range * (8 * 0x1p-23 * (1 + top) + (slabs ? 1 / 500.0 : 0));
    if (!(relative <= bound))
        fail(s, "relative RMS error", relative, bound);
    if (!(x->most <= largest))
        fail(s, "largest error", x->most, largest);
    if (!(1 - alike <= bound * bound + 1e-12))
        fail(s, "1 - correlation", 1 - alike, bound * bound + 1e-12);
}

/* q: the rows asked for. exact: these are codes, else what codes are made of. */
static void compare(const struct setup *s, const float *q, bool exact)
{
    struct sums x = {0};
    double most = 0, range = largest_value(s);
    for (int64_t n = 0; n < H * s->rows; n++) {
        double want[MOST_D], top, off;
        int64_t seen = s->keys - s->rows + n % s->rows + 1;
        double lse = row_of(s, q + n * s->d, n / s->rows, seen, want, &top, &off);
        most = fmax(most, top);
        if (!exact && fabs(s->x->lse[n] - lse) > 1.001 * off + 1e-4)
            fail(s, "error of lse", fabs(s->x->lse[n] - lse), off);
        for (int64_t e = 0; e < s->d; e++) {
            double got = s->x->out[n * s->d + e], d = got - want[e];
            x.error += d * d;
            x.got += got * got;
            x.want += want[e] * want[e];
            x.both += got * want[e];
            x.most = fmax(x.most, fabs(d));
            if (!exact && fabs(d) > (1.001 * expm1(2 * off) + 1 / 500.0) * range + 1e-4)
                fail(s, "error of out", fabs(d), (expm1(2 * off) + 1 / 500.0) * range);
        }
    }
    double relative = sqrt(x.error / x.want);
    if (exact)
        compare_exact(s, &x, most, range);
    else if (s->size == 1 && !(relative > 1e-5 && relative <= 0.02))
        fail(s, "relative RMS error to unrounded queries, and 1e-5 at least,", relative, 0.02);
}

static void one(struct setup *s)
{
    make_cache(s);
    fill(s, s->x->q, H * s->rows);
    for (int64_t i = 0; i < H * s->rows * s->d; i++)
        s->x->q[i] *= s->size;
    execute(s);
    round_rows(s->x->q, s->x->rounded, H * s->rows * s->d);
    compare(s, s->x->rounded, true);
    compare(s, s->x->q, false);
    attn_view_destroy(s->view);
    attn_cache_destroy(s->cache);
}

/* A query that is no number makes its own rows none, and no others. */
static void no_number(struct setup *s)
{
    make_cache(s);
    fill(s, s->x->q, H * s->rows);
    s->x->q[s->d + 40] = NAN;
    s->x->q[3 * s->d + 2] = INFINITY;
    execute(s);
    for (int64_t n = 0; n < H * s->rows; n++)
        for (int64_t e = 0; e < s->d; e++)
            if (isfinite(s->x->out[n * s->d + e]) != (n != 1 && n != 3))
                fail(s, "a row with or without a number", s->x->out[n * s->d + e], 0);
    attn_view_destroy(s->view);
    attn_cache_destroy(s->cache);
}

int main(void)
{
    static const char *const types[] = {"q8_0", "q4_0"};
    static const struct {
        int64_t d, keys, rows;
    } shapes[] = {{32, 5, 1}, {64, 300, 2}, {96, 133, 3}, {128, 1500, 1}, {128, 260, 5}};
    struct setup s = {.x = malloc(sizeof *s.x), .options = "", .size = 1, .rng = {.state = 7}};
    if (!s.x)
        return 1;
    ok(attn_ctx_create(NULL, &s.ctx), "ctx");
    for (int t = 0; t < 2; t++) {
        s.type = types[t];
        for (size_t n = 0; n < sizeof shapes / sizeof shapes[0]; n++)
            for (s.page = 8; s.page <= 64; s.page *= 8)
                for (s.size = 1; s.size <= 8; s.size *= 8) {
                    s.d = shapes[n].d;
                    s.keys = shapes[n].keys;
                    s.rows = shapes[n].rows;
                    one(&s);
                }
        s.d = 64;
        s.rows = 4;
        s.size = 1;
        for (s.page = 16; s.page <= 32; s.page *= 2)
            no_number(&s);
    }
    attn_ctx_destroy(s.ctx);
    free(s.x);
    return 0;
}
