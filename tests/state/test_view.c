/* SPDX-License-Identifier: MIT */
/*
 * Executes that read a cache against executes that read tensors: random
 * histories of sequences (steps of any sizes, forks, cuts, holes, prunes,
 * windows), then a ragged batch of them in one execute, and each sequence by
 * itself with its rows in one array, who sees whom written out in a mask, and
 * NaN or anything where the cache has nothing. The same solver gives the same bits.
 * It goes through state/cache_view, problem/paged and solvers/page_rows.
 * usage: test_view [--seed N|fresh] [--count N]
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <attn/attn.h>

#include "../mech/rng.h"
#include "../oracle/stored_types.h"
#include "apart.h"

enum { LAYERS = 3, ROWS = 2, HEADS = 3, MOST = 400, SEQS = 5, STEP = 40, D = 40 };

/* Sequences as they ought to be: rows by number, and which are there. */
struct shadow {
    int64_t id, next;
    bool there[ROWS][2][MOST];
    float k[ROWS][HEADS][MOST][D], v[ROWS][HEADS][MOST][D];
};

struct setup {
    struct rng *rng;
    attn_ctx *ctx;
    attn_cache *cache;
    int64_t d, dv, hk, ratio, groups, page;
    int64_t window[ROWS][2], sink[ROWS][2]; /* window 0: none */
    int32_t dtype;
    bool raw;
    bool prefix; /* values are the first channels of keys */
    int64_t n;
    struct shadow *seq; /* [SEQS] */
};

static void die(const char *what)
{
    char text[512];
    attn_last_error(text, sizeof text);
    fprintf(stderr, "%s: %s\n", what, text);
    exit(1);
}

static void ok(int32_t status, const char *what)
{
    if (status != ATTN_OK)
        die(what);
}

static int64_t draw(struct setup *s, int64_t n)
{
    return (int64_t)(rng_next(s->rng) % (uint64_t)n);
}

/* Exact in every storage type. */
static float number(struct setup *s)
{
    return (float)(draw(s, 65) - 32) / 16;
}

static attn_tensor dense(void *data, int32_t dtype, int32_t rank, const int64_t *shape)
{
    attn_tensor t = {.data = data, .dtype = dtype, .rank = rank};
    int64_t stride = 1;
    for (int32_t n = rank - 1; n >= 0; n--) {
        t.shape[n] = shape[n];
        t.stride[n] = stride;
        stride *= shape[n] > 0 ? shape[n] : 1;
    }
    return t;
}

#define SHAPE(...) ((const int64_t[]){__VA_ARGS__})

static int64_t group_of(const struct setup *s, int64_t head)
{
    return s->groups == 2 && head == s->hk - 1;
}

static void make(struct setup *s, uint64_t seed)
{
    static const int32_t dtypes[] = {ATTN_DTYPE_F32,      ATTN_DTYPE_F16,      ATTN_DTYPE_BF16,
                                     ATTN_DTYPE_FP8_E4M3, ATTN_DTYPE_FP8_E5M2, ATTN_DTYPE_Q8_0,
                                     ATTN_DTYPE_Q4_0};
    char text[512], lists[128] = "";
    attn_desc *desc;
    s->rng->state = seed;
    s->hk = 1 + draw(s, HEADS);
    s->ratio = 1 + draw(s, 3);
    s->d = 2 * (1 + draw(s, D / 2));
    s->dv = 1 + draw(s, D);
    s->groups = s->hk > 1 ? 1 + draw(s, 2) : 1;
    s->page = INT64_C(8) << draw(s, 4);
    s->raw = draw(s, 2);
    s->dtype = dtypes[draw(s, 7)];
    if (s->dtype >= ATTN_DTYPE_Q8_0) {
        /* whole blocks */
        s->d = 32 * (1 + draw(s, D / 32));
        s->dv = 32 * (1 + draw(s, D / 32));
    }
    s->prefix = draw(s, 4) == 0;
    s->dv = s->prefix && s->dv > s->d ? s->d : s->dv;
    bool fp8 = s->dtype == ATTN_DTYPE_FP8_E4M3 || s->dtype == ATTN_DTYPE_FP8_E5M2;
    bool windows = draw(s, 2);
    char *at = lists;
    for (int r = 0; r < ROWS && windows; r++)
        for (int64_t g = 0; g < s->groups; g++)
            s->window[r][g] = draw(s, 3) ? 1 + draw(s, 60) : 0;
    for (int list = 0; list < 2 && windows; list++) {
        at += sprintf(at, list ? "] cache_sink=[" : " cache_window=[");
        for (int r = 0; r < ROWS; r++)
            for (int64_t g = 0; g < s->groups; g++) {
                s->sink[r][g] = list ? draw(s, 2) * draw(s, 12) : 0;
                if (!list && s->window[r][g] == 0)
                    at += sprintf(at, "%sinf", r + g ? "," : "");
                else
                    at += sprintf(at, "%s%d", r + g ? "," : "",
                                  (int)(list ? s->sink[r][g] : s->window[r][g]));
            }
    }
    sprintf(text,
            "cache cache_layers=%d cache_owner=[0,0,2] cache_pages=100000 cache_page=%d h=%d "
            "d=%d/%d kv_dtype=%s cache_keys=%s%s%s%s%s",
            LAYERS, (int)s->page, (int)s->hk, (int)s->d, (int)s->dv, attn_dtype_name(s->dtype),
            s->raw ? "raw" : "rotated", lists, windows ? "]" : "",
            s->prefix ? " cache_v_prefix" : "",
            !fp8         ? ""
            : s->prefix ? " cache_k_scale=[0.5]"
                        : " cache_k_scale=[0.5] cache_v_scale=[0.25]");
    ok(attn_desc_parse(s->ctx, text, &desc), text);
    if (s->groups == 2) {
        int64_t group[HEADS] = {0};
        group[s->hk - 1] = 1;
        ok(attn_desc_set_i64s(desc, ATTN_PARAM_CACHE_GROUP, group, (size_t)s->hk), "groups");
    }
    ok(attn_cache_create(s->ctx, desc, &s->cache), text);
    attn_desc_destroy(desc);
}

/* Numbers that the cache can store, so that it gives them back as they are. */
static void round_rows(const struct setup *s, float *x, int64_t rows, int64_t width, float scale)
{
    uint8_t bytes[2 * D];
    if (s->dtype < ATTN_DTYPE_FP8_E4M3)
        return;
    for (int64_t i = 0; i < rows; i++) {
        stored_encode(s->dtype, x + i * width, width, scale, bytes);
        stored_decode(s->dtype, bytes, width, scale, x + i * width);
    }
}

/* New rows of one layer for `n` tokens. */
static void write_layer(struct setup *s, attn_step *step, int row, int64_t n, float *k, float *v)
{
    for (int64_t i = 0; i < s->hk * n * s->d; i++)
        k[i] = number(s);
    for (int64_t i = 0; i < s->hk * n * s->dv; i++)
        v[i] = number(s);
    round_rows(s, k, s->hk * n, s->d, 0.5f);
    round_rows(s, v, s->hk * n, s->dv, 0.25f);
    for (int64_t i = 0; i < s->hk * n && s->prefix; i++)
        memcpy(v + i * s->dv, k + i * s->d, (size_t)s->dv * sizeof *v);
    attn_tensor tk = dense(k, ATTN_DTYPE_F32, 4, SHAPE(1, s->hk, n, s->d));
    attn_tensor tv = dense(v, ATTN_DTYPE_F32, 4, SHAPE(1, s->hk, n, s->dv));
    ok(attn_step_write(step, row == 0 ? 0 : 2, &tk, s->prefix ? NULL : &tv), "write");
}

/* Tokens t0..t0+n-1 of all, at numbers from `to` on. */
static void copy_rows(struct setup *s, struct shadow *q, int row, int64_t all, int64_t t0,
                      int64_t n, int64_t to, const float *k, const float *v)
{
    for (int64_t h = 0; h < s->hk; h++)
        for (int64_t i = 0; i < n; i++) {
            memcpy(q->k[row][h][to + i], k + (h * all + t0 + i) * s->d,
                   (size_t)s->d * sizeof *k);
            memcpy(q->v[row][h][to + i], v + (h * all + t0 + i) * s->dv,
                   (size_t)s->dv * sizeof *v);
        }
    for (int64_t g = 0; g < s->groups; g++)
        for (int64_t i = 0; i < n; i++)
            q->there[row][g][to + i] = true;
}

static void append(struct setup *s, struct shadow *q, int64_t n)
{
    static float k[HEADS * MOST * D], v[HEADS * MOST * D];
    attn_step *step;
    n = n < MOST - 2 * STEP - q->next ? n : MOST - 2 * STEP - q->next;
    if (n < 1)
        return;
    ok(attn_step_begin(s->cache, 1, &q->id, &n, NULL, &step), "begin");
    for (int row = 0; row < ROWS; row++) {
        write_layer(s, step, row, n, k, v);
        copy_rows(s, q, row, n, 0, n, q->next, k, v);
    }
    ok(attn_step_commit(step, NULL, NULL), "commit");
    attn_step_destroy(step);
    q->next += n;
}

static void punch(struct setup *s, struct shadow *q)
{
    int64_t p0 = draw(s, q->next), p1 = p0 + draw(s, q->next - p0);
    ok(attn_cache_remove(s->cache, q->id, p0, p1), "remove");
    for (int row = 0; row < ROWS; row++)
        for (int64_t g = 0; g < s->groups; g++)
            for (int64_t p = p0; p < p1; p++)
                q->there[row][g][p] = false;
}

static void prune(struct setup *s, struct shadow *q)
{
    int64_t g = draw(s, s->groups), stored[MOST], kept = 0;
    int row = (int)draw(s, ROWS);
    size_t n;
    if (s->window[row][g])
        return;
    ok(attn_cache_positions(s->cache, q->id, row == 0 ? 0 : 2, g, stored, MOST, &n), "positions");
    for (size_t i = 0; i < n; i++) {
        if (draw(s, 2))
            stored[kept++] = stored[i];
        else
            q->there[row][g][stored[i]] = false;
    }
    ok(attn_cache_prune(s->cache, q->id, row == 0 ? 0 : 2, g, stored, (size_t)kept), "prune");
}

static void live(struct setup *s)
{
    s->n = 1 + draw(s, SEQS);
    for (int64_t i = 0; i < s->n; i++) {
        struct shadow *q = &s->seq[i];
        memset(q, 0, sizeof *q);
        if (i > 0 && draw(s, 2)) {
            const struct shadow *from = &s->seq[draw(s, i)];
            int64_t upto = draw(s, from->next + 1);
            if (attn_cache_fork(s->cache, from->id, upto, ATTN_CACHE_LOSSY, &q->id) == ATTN_OK) {
                int64_t id = q->id;
                *q = *from;
                q->id = id;
                q->next = upto;
            }
        }
        if (q->id == 0)
            ok(attn_cache_seq_create(s->cache, &q->id), "create");
        for (int64_t n = draw(s, 4); n >= 0; n--)
            append(s, q, draw(s, 2) ? 1 + draw(s, 100) : 1);
        if (draw(s, 3) == 0 && q->next > 0) {
            int64_t to = draw(s, q->next + 1);
            if (attn_cache_truncate(s->cache, q->id, to, ATTN_CACHE_LOSSY) == ATTN_OK)
                q->next = to;
        }
        if (draw(s, 3) == 0 && q->next > 0)
            punch(s, q);
        if (draw(s, 3) == 0)
            prune(s, q);
        if (draw(s, 2))
            append(s, q, 1 + draw(s, 20));
    }
}

/* A query batch: which shadow each sequence is, and its rows. */
struct batch {
    int64_t n, total;
    int64_t of[SEQS], rows[SEQS], offset[SEQS + 1];
    bool tree, open;
    int32_t parent[SEQS * STEP];
};

static int64_t depth_of(const struct batch *b, int64_t i, int64_t t)
{
    int64_t depth = 0;
    for (; b->parent[b->offset[i] + t] >= 0; depth++)
        t = b->parent[b->offset[i] + t];
    return depth;
}

static bool descends(const struct batch *b, int64_t i, int64_t t, int64_t from)
{
    while (t > from)
        t = b->parent[b->offset[i] + t];
    return t == from;
}

static int64_t place(const struct setup *s, const struct batch *b, int64_t i, int64_t j)
{
    int64_t next = s->seq[b->of[i]].next;
    return b->open && j >= next ? next + depth_of(b, i, j - next) : j;
}

/* Whether row t of sequence i of the batch sees key j. */
static bool sees(const struct setup *s, const struct batch *b, int row, int64_t g, int64_t i,
                 int64_t t, int64_t j)
{
    const struct shadow *q = &s->seq[b->of[i]];
    int64_t own = b->open ? q->next + t : q->next - b->rows[i] + t;
    if (!q->there[row][g][j] || j > own)
        return false;
    if (b->open && j >= q->next && !descends(b, i, t, j - q->next))
        return false;
    int64_t here = place(s, b, i, own), there = place(s, b, i, j);
    return !s->window[row][g] || there < s->sink[row][g] || here - there < s->window[row][g];
}

struct run {
    const char *options; /* of the plan, common to both */
    bool rope, alibi;
    float *q, *out, *lse;
    float *want, *want_lse;
};

static attn_plan *plan_of(struct setup *s, const char *text, bool groups)
{
    attn_desc *desc;
    attn_plan *plan;
    ok(attn_desc_parse(s->ctx, text, &desc), text);
    if (groups && s->groups == 2) {
        int64_t group[HEADS] = {0};
        group[s->hk - 1] = 1;
        ok(attn_desc_set_i64s(desc, ATTN_PARAM_CACHE_GROUP, group, (size_t)s->hk), "groups");
    }
    ok(attn_plan_create(s->ctx, desc, &plan), text);
    attn_desc_destroy(desc);
    return plan;
}

/* Others than softmax have none. */
static bool has_lse(const struct run *r)
{
    return !strstr(r->options, "normalizer");
}

/* sparsemax and entmax */
static bool whole_rows(const struct run *r)
{
    return strstr(r->options, "max");
}

static int32_t run_view(struct setup *s, const struct batch *b, const struct run *r,
                        const attn_view *view, int64_t layer)
{
    char text[512];
    int64_t heads = s->hk * s->ratio;
    const char *type = attn_dtype_name(s->dtype);
    sprintf(text,
            "softmax b=%d h=%d/%d q=%d k=%s d=%d/%d packed view causal kv_dtype=%s cache_page=%d "
            "cache_keys=%s%s%s %s",
            SEQS, (int)heads, (int)s->hk, MOST, draw(s, 2) && !whole_rows(r) ? "inf" : "400",
            (int)s->d, (int)s->dv, type, (int)s->page, s->raw ? "raw" : "rotated",
            s->prefix ? " cache_v_prefix" : "", r->rope ? " rope=half" : "", r->options);
    attn_plan *plan = plan_of(s, text, true);
    attn_tensor q = dense(r->q, ATTN_DTYPE_F32, 4, SHAPE(1, heads, b->total, s->d));
    attn_tensor out = dense(r->out, ATTN_DTYPE_F32, 4, SHAPE(1, heads, b->total, s->dv));
    attn_tensor lse = dense(r->lse, ATTN_DTYPE_F32, 3, SHAPE(1, heads, b->total));
    attn_tensor off = dense((void *)(uintptr_t)b->offset, ATTN_DTYPE_I64, 1, SHAPE(b->n + 1));
    attn_tensor at = dense(&layer, ATTN_DTYPE_I64, 1, SHAPE(1));
    const attn_arg args[] = {{ATTN_ROLE_Q, 0, &q},       {ATTN_ROLE_Q_OFFSETS, 0, &off},
                             {ATTN_ROLE_VIEW, 0, view},  {ATTN_ROLE_LAYER, 0, &at},
                             {ATTN_ROLE_OUT, 0, &out},   {ATTN_ROLE_LSE, 0, &lse}};
    int32_t status = attn_plan_execute(plan, args, has_lse(r) ? 6 : 5, NULL, 0);
    attn_plan_destroy(plan);
    return status;
}

/* A number that is exact, in the type of the tensors. */
static void put(void *to, int64_t at, int32_t dtype, float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint16_t half = (uint16_t)(bits >> 16);
    if (dtype == ATTN_DTYPE_BF16)
        memcpy((char *)to + at * 2, &half, 2);
    else
        memcpy((char *)to + at * 4, &x, 4);
}

/* What a sequence of the batch gives with tensors. */
static void run_tensor(struct setup *s, const struct batch *b, const struct run *r, int row,
                       int64_t i)
{
    static float k[HEADS * MOST * D], v[HEADS * MOST * D];
    static float q[HEADS * 3 * STEP * D], out[HEADS * 3 * STEP * D], lse[HEADS * 3 * STEP];
    static uint8_t mask[HEADS * 3 * STEP * MOST];
    static int64_t pos_q[STEP], pos_k[MOST];
    const struct shadow *from = &s->seq[b->of[i]];
    int64_t heads = s->hk * s->ratio, nq = b->rows[i], nk = from->next + (b->open ? nq : 0);
    /* pairs of bf16 are for what is stored so */
    bool pairs = strstr(r->options, "compute=bf16") && s->dtype == ATTN_DTYPE_BF16;
    int32_t dtype = pairs ? ATTN_DTYPE_BF16 : ATTN_DTYPE_F32;
    /* Else rows that meet it in a tile are done again, with other bits. */
    bool poison = strstr(r->options, "reference") || strstr(r->options, "chunk");
    float none = poison ? NAN : 7;
    for (int64_t h = 0; h < s->hk; h++)
        for (int64_t j = 0; j < nk; j++) {
            bool there = from->there[row][group_of(s, h)][j];
            for (int64_t e = 0; e < s->d; e++)
                put(k, (h * nk + j) * s->d + e, dtype, there ? from->k[row][h][j][e] : none);
            for (int64_t e = 0; e < s->dv; e++)
                put(v, (h * nk + j) * s->dv + e, dtype, there ? from->v[row][h][j][e] : none);
        }
    for (int64_t h = 0; h < heads; h++)
        for (int64_t t = 0; t < nq; t++) {
            memcpy(q + (h * nq + t) * s->d, r->q + (h * b->total + b->offset[i] + t) * s->d,
                   (size_t)s->d * sizeof *q);
            for (int64_t j = 0; j < nk; j++)
                mask[(h * nq + t) * nk + j] =
                    sees(s, b, row, group_of(s, h / s->ratio), i, t, j);
        }
    for (int64_t t = 0; t < nq; t++)
        pos_q[t] = place(s, b, i, nk - nq + t);
    for (int64_t j = 0; j < nk; j++)
        pos_k[j] = place(s, b, i, j);
    char text[512];
    bool any = strstr(r->options, "solver") && !whole_rows(r);
    sprintf(text, "softmax h=%d/%d q=%d k=%s d=%d/%d kv_dtype=%s mask %s%s%s", (int)heads,
            (int)s->hk, MOST, any ? "inf" : "400", (int)s->d, (int)s->dv, attn_dtype_name(dtype),
            r->rope ? "rope=half rope_positions rope_apply=" : "",
            r->rope ? s->raw ? "qk " : "q " : "", r->options);
    attn_plan *plan = plan_of(s, text, false);
    attn_tensor tq = dense(q, ATTN_DTYPE_F32, 4, SHAPE(1, heads, nq, s->d));
    attn_tensor tk = dense(k, dtype, 4, SHAPE(1, s->hk, nk, s->d));
    attn_tensor tv = dense(v, dtype, 4, SHAPE(1, s->hk, nk, s->dv));
    attn_tensor tm = dense(mask, ATTN_DTYPE_BOOL, 4, SHAPE(1, heads, nq, nk));
    attn_tensor to = dense(out, ATTN_DTYPE_F32, 4, SHAPE(1, heads, nq, s->dv));
    attn_tensor tl = dense(lse, ATTN_DTYPE_F32, 3, SHAPE(1, heads, nq));
    attn_tensor pq = dense(pos_q, ATTN_DTYPE_I64, 2, SHAPE(1, nq));
    attn_tensor pk = dense(pos_k, ATTN_DTYPE_I64, 2, SHAPE(1, nk));
    attn_arg args[8] = {{ATTN_ROLE_Q, 0, &tq},
                        {ATTN_ROLE_K, 0, &tk},
                        {ATTN_ROLE_V, 0, &tv},
                        {ATTN_ROLE_MASK, 0, &tm},
                        {ATTN_ROLE_OUT, 0, &to}};
    size_t n = 5;
    if (has_lse(r))
        args[n++] = (attn_arg){ATTN_ROLE_LSE, 0, &tl};
    if (r->rope) {
        args[n++] = (attn_arg){ATTN_ROLE_ROPE_POS_Q, 0, &pq};
        args[n++] = (attn_arg){ATTN_ROLE_ROPE_POS_K, 0, &pk};
    }
    ok(attn_plan_execute(plan, args, n, NULL, 0), text);
    attn_plan_destroy(plan);
    for (int64_t h = 0; h < heads; h++)
        for (int64_t t = 0; t < nq; t++) {
            int64_t to_row = h * b->total + b->offset[i] + t;
            memcpy(r->want + to_row * s->dv, out + (h * nq + t) * s->dv,
                   (size_t)s->dv * sizeof *out);
            r->want_lse[to_row] = lse[h * nq + t];
        }
}

/* Zeros of either sign are the same. */
static bool same(const float *a, const float *b, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (a[i] != b[i])
            return false;
    return true;
}

/* The largest magnitude, at least 1. */
static double size_of(const float *x, int64_t n)
{
    double most = 1;
    for (int64_t i = 0; i < n; i++)
        most = fabs((double)x[i]) > most ? fabs((double)x[i]) : most;
    return most;
}

/* Where rows are in slabs decode splits queries and weights into digits, which are
 * exact to 24 bits of the largest one. */
static bool splits(const struct setup *s, const struct run *r)
{
    return (s->dtype == ATTN_DTYPE_Q8_0 || s->dtype == ATTN_DTYPE_Q4_0) && !s->prefix &&
           s->page % 32 == 0 && strstr(r->options, "solver=decode") &&
           !strstr(r->options, "invariant=chunk");
}

static void compare(struct setup *s, const struct batch *b, const struct run *r, int row)
{
    int64_t heads = s->hk * s->ratio, n = heads * b->total;
    double most = apart_by(r->out, r->want, n * s->dv);
    double lse = has_lse(r) ? apart_by(r->lse, r->want_lse, n) : 0;
    if (same(r->out, r->want, n * s->dv) && lse == 0)
        return;
    /* the automatic choice may be another solver for a masked problem */
    if (!strstr(r->options, "solver") && most < 1e-5 && lse < 1e-5)
        return;
    if (splits(s, r) && most < 4e-6 * size_of(r->want, n * s->dv) && lse < 1e-5)
        return;
    fprintf(stderr, "%s%s: layer %d, out is %g off, lse %g (d=%d/%d page=%d tree=%d open=%d)\n",
            r->options, r->rope ? " rope" : "", 2 * row, most, lse, (int)s->d, (int)s->dv,
            (int)s->page, b->tree, b->open);
    exit(1);
}

/* A window may have dropped what the first row of a sequence would see. */
static bool available(const struct setup *s, const struct batch *b, int row)
{
    for (int64_t i = 0; i < b->n; i++)
        for (int64_t g = 0; g < s->groups; g++) {
            const struct shadow *q = &s->seq[b->of[i]];
            int64_t stored[MOST], from = q->next - (b->open ? 0 : b->rows[i]);
            size_t n, at = 0;
            if (!s->window[row][g] || b->rows[i] == 0)
                continue;
            ok(attn_cache_positions(s->cache, q->id, row == 0 ? 0 : 2, g, stored, MOST, &n),
               "positions");
            for (int64_t p = 0; p < q->next; p++) {
                bool has = at < n && stored[at] == p;
                at += has;
                if (q->there[row][g][p] && !has && p < s->sink[row][g])
                    die("a sink was dropped");
                for (int64_t t = 0; t < b->rows[i] && q->there[row][g][p] && !has; t++)
                    if (p <= from + t && from + t - p < s->window[row][g])
                        return false;
            }
        }
    return true;
}

static void choose(struct setup *s, struct batch *b)
{
    memset(b, 0, sizeof *b);
    b->open = draw(s, 4) != 0;
    b->tree = b->open && draw(s, 2);
    for (int64_t i = 0; i < s->n; i++) {
        int64_t most = b->open ? STEP : s->seq[i].next < STEP ? s->seq[i].next : STEP;
        int64_t rows = draw(s, 2) ? 1 + draw(s, 3) : 1 + draw(s, STEP);
        b->of[b->n] = i;
        b->rows[b->n] = rows < most ? rows : most;
        for (int64_t t = 0; t < b->rows[b->n]; t++)
            b->parent[b->total + t] =
                (int32_t)(b->tree && draw(s, 3) == 0 ? draw(s, t + 1) - 1 : t - 1);
        b->total += b->rows[b->n];
        b->offset[++b->n] = b->total;
    }
}

static attn_step *open_step(struct setup *s, struct batch *b)
{
    static float k[HEADS * SEQS * STEP * D], v[HEADS * SEQS * STEP * D];
    int64_t ids[SEQS];
    attn_step *step;
    for (int64_t i = 0; i < b->n; i++)
        ids[i] = s->seq[b->of[i]].id;
    ok(attn_step_begin(s->cache, (size_t)b->n, ids, b->rows, b->parent, &step), "begin");
    for (int row = 0; row < ROWS; row++) {
        write_layer(s, step, row, b->total, k, v);
        for (int64_t i = 0; i < b->n; i++)
            copy_rows(s, &s->seq[b->of[i]], row, b->total, b->offset[i], b->rows[i],
                      s->seq[b->of[i]].next, k, v);
    }
    return step;
}

static int64_t unavailable;

static void execute(struct setup *s, struct batch *b, const attn_view *view)
{
    static const char *const options[] = {
        "solver=reference", "solver=decode",  "solver=flash", "solver=decode invariant=chunk",
        "solver=flash invariant=chunk", "", "solver=flash softcap=3", "solver=flash compute=bf16",
        "solver=decode normalizer=sigmoid", "solver=flash normalizer=relu norm_count=keys",
        "solver=flash normalizer=exp_n", "solver=decode normalizer=relu",
        "solver=flash normalizer=taylor2", "solver=decode normalizer=gelu_l2",
        "solver=decode normalizer=exp_sum", "solver=reference normalizer=softplus",
        "solver=reference normalizer=entmax norm_power=1.5",
        "solver=reference normalizer=sparsemax"};
    int64_t heads = s->hk * s->ratio, size = heads * b->total * D;
    struct run r = {.q = malloc((size_t)size * 4), .out = malloc((size_t)size * 4),
                    .want = malloc((size_t)size * 4), .lse = malloc((size_t)size * 4),
                    .want_lse = malloc((size_t)size * 4)};
    for (int64_t i = 0; i < size; i++)
        r.q[i] = number(s);
    r.options = options[draw(s, (int64_t)(sizeof options / sizeof options[0]))];
    r.rope = draw(s, 2) && !s->prefix;
    int64_t layer = draw(s, LAYERS);
    int row = layer == 2;
    bool can = available(s, b, row);
    int32_t status = run_view(s, b, &r, view, layer);
    if (status != (can ? ATTN_OK : ATTN_ERR_UNAVAILABLE)) {
        fprintf(stderr, "status %s, tokens are %s\n", attn_status_name(status),
                can ? "there" : "missing");
        die(r.options);
    }
    unavailable += !can;
    for (int64_t i = 0; i < b->n && can; i++)
        run_tensor(s, b, &r, row, i);
    if (can)
        compare(s, b, &r, row);
    free(r.q);
    free(r.out);
    free(r.want);
    free(r.lse);
    free(r.want_lse);
}

static void one(attn_ctx *ctx, struct shadow *seqs, uint64_t seed)
{
    struct rng rng;
    struct setup s = {.rng = &rng, .ctx = ctx, .seq = seqs};
    struct batch b;
    attn_view *view;
    make(&s, seed);
    live(&s);
    choose(&s, &b);
    int64_t ids[SEQS];
    for (int64_t i = 0; i < b.n; i++)
        ids[i] = s.seq[b.of[i]].id;
    attn_step *step = b.open && b.total > 0 ? open_step(&s, &b) : NULL;
    ok(attn_view_create(s.cache, (size_t)b.n, NULL, ids, NULL, &view), "view");
    for (int n = 0; n < 3 && b.total > 0; n++)
        execute(&s, &b, view);
    attn_view_destroy(view);
    attn_step_destroy(step);
    attn_cache_destroy(s.cache);
}

/* More than the caches nearby hold, so that decode asks for rows ahead: runs of
 * one page, and long ones. */
static void far_rows(attn_ctx *ctx, int64_t page, const char *type, int32_t dtype)
{
    enum { KEYS = 5000, WIDTH = 128 };
    int64_t n = KEYS, id, layer = 0, bytes = dtype == ATTN_DTYPE_F32 ? 4 : 2;
    char text[256], *k = malloc((size_t)(2 * KEYS * WIDTH * bytes));
    float q[2 * WIDTH], out[2][2 * WIDTH];
    attn_desc *desc;
    attn_cache *cache;
    attn_step *step;
    attn_view *view;
    attn_plan *plan[2];
    if (!k)
        exit(1);
    attn_tensor tk = dense(k, dtype, 4, SHAPE(1, 1, KEYS, WIDTH)), tv = tk;
    tv.data = k + KEYS * WIDTH * bytes;
    for (int64_t i = 0; i < 2 * KEYS * WIDTH; i++) {
        uint32_t x = (uint32_t)i * 2654435761u >> 9;
        if (bytes == 4)
            ((float *)(void *)k)[i] = (float)x * 0x1p-23f - 0.5f;
        else
            ((uint16_t *)(void *)k)[i] = (uint16_t)(0x3000 + (x & 0x8fff));
    }
    for (int i = 0; i < 2 * WIDTH; i++)
        q[i] = (float)(i % 7) / 16;
    sprintf(text, "cache cache_layers=1 cache_pages=700 cache_page=%d h=1 d=128 kv_dtype=%s",
            (int)page, type);
    ok(attn_desc_parse(ctx, text, &desc), text);
    ok(attn_cache_create(ctx, desc, &cache), text);
    attn_desc_destroy(desc);
    ok(attn_cache_seq_create(cache, &id), "create");
    ok(attn_step_begin(cache, 1, &id, &n, NULL, &step), "begin");
    ok(attn_step_write(step, 0, &tk, &tv), "write");
    ok(attn_step_commit(step, NULL, NULL), "commit");
    attn_step_destroy(step);
    ok(attn_view_create(cache, 1, NULL, &id, NULL, &view), "view");
    attn_tensor tq = dense(q, ATTN_DTYPE_F32, 4, SHAPE(1, 2, 1, WIDTH));
    attn_tensor at = dense(&layer, ATTN_DTYPE_I64, 1, SHAPE(1));
    for (int with = 0; with < 2; with++) {
        attn_tensor to = dense(out[with], ATTN_DTYPE_F32, 4, SHAPE(1, 2, 1, WIDTH));
        sprintf(text, "softmax h=2/1 q=1 k=inf d=128 causal solver=decode kv_dtype=%s", type);
        if (with)
            sprintf(text + strlen(text), " view cache_page=%d", (int)page);
        ok(attn_desc_parse(ctx, text, &desc), text);
        ok(attn_plan_create(ctx, desc, &plan[with]), text);
        attn_desc_destroy(desc);
        const attn_arg args[] = {{ATTN_ROLE_Q, 0, &tq},
                                 {ATTN_ROLE_OUT, 0, &to},
                                 {with ? ATTN_ROLE_VIEW : ATTN_ROLE_K, 0,
                                  with ? (const void *)view : &tk},
                                 {with ? ATTN_ROLE_LAYER : ATTN_ROLE_V, 0, with ? &at : &tv}};
        ok(attn_plan_execute(plan[with], args, 4, NULL, 0), text);
        attn_plan_destroy(plan[with]);
    }
    if (!same(out[0], out[1], 2 * WIDTH))
        die("long rows differ");
    attn_view_destroy(view);
    attn_cache_destroy(cache);
    free(k);
}

int main(int argc, char **argv)
{
    uint64_t seed = 1;
    int64_t count = 300;
    for (int n = 1; n + 1 < argc; n += 2) {
        if (strcmp(argv[n], "--seed") == 0)
            seed = strcmp(argv[n + 1], "fresh") == 0 ? (uint64_t)time(NULL)
                                                     : strtoull(argv[n + 1], NULL, 10);
        else if (strcmp(argv[n], "--count") == 0)
            count = strtoll(argv[n + 1], NULL, 10);
    }
    attn_ctx *ctx;
    struct shadow *seqs = malloc(SEQS * sizeof *seqs);
    ok(attn_ctx_create(NULL, &ctx), "ctx");
    if (!seqs)
        return 1;
    printf("seed %" PRIu64 "\n", seed);
    for (int64_t page = 8; page <= 1024; page *= 4) {
        far_rows(ctx, page, "f32", ATTN_DTYPE_F32);
        far_rows(ctx, page, "f16", ATTN_DTYPE_F16);
        far_rows(ctx, page, "bf16", ATTN_DTYPE_BF16);
    }
    for (int64_t n = 0; n < count; n++) {
        uint64_t own = seed * 1000003 + (uint64_t)n;
        fflush(stdout);
        if (getenv("TEST_VIEW_TELL"))
            fprintf(stderr, "case %" PRId64 "\n", n);
        one(ctx, seqs, own);
    }
    printf("%" PRId64 " cases, %" PRId64 " executes of dropped tokens refused\n", count,
           unavailable);
    free(seqs);
    attn_ctx_destroy(ctx);
    return 0;
}
