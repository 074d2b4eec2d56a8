/* SPDX-License-Identifier: MIT */
/*
 * Where each kind of bias comes from. Tables whose entries lie apart (those of
 * T5 and of windows are [entries, heads]) are turned into one run per head
 * when an execute begins.
 */
#include "solvers/score_bias.h"

#include "solvers/rows_load.h"

/* ---- dense: BIAS[b, h, i, j] ---- */

void attn__score_bias_dense(const struct attn__score *x, int64_t h, int64_t i, int64_t j0,
                            int64_t nk, float *dst)
{
    struct attn__rows b = attn__call_pairs(x->c, ATTN__SLOT_BIAS, x->s, h);
    attn__rows_to_f32(x->kern, &b, i, 1, j0, nk, dst, nk);
}

struct attn__score_bias_plain attn__score_bias_dense_plain(const struct attn__score *x,
                                                           const struct attn__score_tile *t)
{
    struct attn__rows b = attn__call_pairs(x->c, ATTN__SLOT_BIAS, x->s, x->v->h0);
    if (b.dtype != ATTN_DTYPE_F32 || (uintptr_t)b.base % sizeof(float) != 0)
        return (struct attn__score_bias_plain){0};
    return (struct attn__score_bias_plain){
        (const float *)attn__rows_at(&b, attn__score_at(x, t->r0)) + t->j0 * b.col, b.row, b.col};
}

double attn__score_bias_dense_pair(const struct attn__score_exact *x, int64_t j)
{
    struct attn__rows b = attn__call_pairs(x->c, ATTN__SLOT_BIAS, x->s, x->h);
    return attn__rows_load(&b, x->i, j);
}

/* ---- ALiBi where positions are given ---- */

void attn__score_bias_alibi(const struct attn__score *x, int64_t h, int64_t i, int64_t j0,
                            int64_t nk, float *dst)
{
    double slope = x->c->p->slopes[h];
    int64_t at = attn__call_pos_q(x->c, x->s, i);
    for (int64_t j = 0; j < nk; j++)
        dst[j] = (float)(-slope * fabs((double)at - (double)attn__call_pos_k(x->c, x->s, j0 + j)));
}

double attn__score_bias_alibi_pair(const struct attn__score_exact *x, int64_t j)
{
    return -x->c->p->slopes[x->h] * fabs((double)attn__call_pos_q(x->c, x->s, x->i) -
                                         (double)attn__call_pos_k(x->c, x->s, j));
}

/* ---- by distance: entry clamp(j - (i + off) + zero) of the head ---- */

struct distance_table {
    struct attn__rows heads; /* row h: the entries of head h */
    int64_t n, zero;
};

static int64_t zero_of(const struct attn__problem *p, int64_t n)
{
    return p->score.table_zero == ATTN_UNBOUNDED ? n / 2 : p->score.table_zero;
}

/* The entry for a key and a query at these positions, which may be any. */
static int64_t entry(int64_t key, int64_t query, int64_t zero, int64_t n)
{
    int64_t d;
    if (__builtin_sub_overflow(key, query, &d))
        return key > query ? n - 1 : 0;
    return d >= n - 1 - zero ? n - 1 : d <= -zero ? 0 : d + zero;
}

static struct distance_table distance_table(const struct attn__score *x)
{
    const struct attn__score_spec *e = &x->c->p->score;
    struct distance_table d;
    if (e->t5_bucket) {
        d.n = 2 * e->t5_reach + 1;
        d.zero = e->t5_reach;
        d.heads = (struct attn__rows){
            .base = (char *)x->c->tables.t5, .row = d.n, .col = 1, .dtype = ATTN_DTYPE_F32};
        return d;
    }
    const attn_tensor *t = &x->c->t[ATTN__SLOT_BIAS_TABLE];
    d.heads = (struct attn__rows){
        .base = t->data, .row = t->stride[0], .col = t->stride[1], .dtype = t->dtype};
    d.n = t->shape[1];
    d.zero = zero_of(x->c->p, d.n);
    return d;
}

void attn__score_bias_distance(const struct attn__score *x, int64_t h, int64_t i, int64_t j0,
                               int64_t nk, float *dst)
{
    struct distance_table d = distance_table(x);
    if (x->c->p->positions) {
        int64_t at = attn__call_pos_q(x->c, x->s, i);
        for (int64_t j = 0; j < nk; j++)
            dst[j] = (float)attn__rows_load(
                &d.heads, h,
                entry(attn__call_pos_k(x->c, x->s, j0 + j), at, d.zero, d.n));
        return;
    }
    int64_t first = j0 - (i + x->s->off) + d.zero; /* the entry of key j0, if there is one */
    int64_t lo = attn__min_i64(attn__max_i64(-first, 0), nk);
    int64_t hi = attn__max_i64(attn__min_i64(d.n - first, nk), lo);
    float left = lo > 0 ? (float)attn__rows_load(&d.heads, h, 0) : 0;
    float right = hi < nk ? (float)attn__rows_load(&d.heads, h, d.n - 1) : 0;
    for (int64_t j = 0; j < lo; j++)
        dst[j] = left;
    attn__rows_to_f32(x->kern, &d.heads, h, 1, first + lo, hi - lo, dst + lo, hi - lo);
    for (int64_t j = hi; j < nk; j++)
        dst[j] = right;
}

struct attn__score_bias_plain attn__score_bias_distance_plain(const struct attn__score *x,
                                                              const struct attn__score_tile *t)
{
    struct distance_table d = distance_table(x);
    int64_t first = t->j0 - (attn__score_at(x, t->r0) + x->s->off) + d.zero;
    if (x->c->p->positions || !attn__rows_plain(&d.heads, ATTN_DTYPE_F32) ||
        first - (t->n - 1) < 0 || first + t->nk > d.n)
        return (struct attn__score_bias_plain){0};
    return (struct attn__score_bias_plain){(const float *)attn__rows_at(&d.heads, x->v->h0) + first,
                                           -1, 1};
}

double attn__score_bias_distance_pair(const struct attn__score_exact *x, int64_t j)
{
    const struct attn__score_spec *e = &x->c->p->score;
    int64_t key = attn__call_pos_k(x->c, x->s, j), query = attn__call_pos_q(x->c, x->s, x->i);
    if (e->t5_bucket) {
        const attn_tensor *w = &x->c->t[ATTN__SLOT_T5_WEIGHT];
        int64_t at = entry(key, query, e->t5_reach, 2 * e->t5_reach + 1);
        return attn__load_f64(w->data, e->t5_bucket[at] * w->stride[0] + x->h * w->stride[1],
                              w->dtype);
    }
    const attn_tensor *t = &x->c->t[ATTN__SLOT_BIAS_TABLE];
    int64_t n = t->shape[1], at = entry(key, query, zero_of(x->c->p, n), n);
    return attn__load_f64(t->data, x->h * t->stride[0] + at * t->stride[1], t->dtype);
}

/* ---- windows: token i is at row i / w, column i % w of h x w ---- */

static int64_t swin_rows(const struct attn__score_spec *e)
{
    return (2 * e->swin_h - 1) * (2 * e->swin_w - 1);
}

/* The run of a head is the table backwards: by key minus query. */
void attn__score_bias_swin(const struct attn__score *x, int64_t h, int64_t i, int64_t j0,
                           int64_t nk, float *dst)
{
    const struct attn__score_spec *e = &x->c->p->score;
    const float *run = x->c->tables.swin + h * swin_rows(e);
    int64_t w = e->swin_w, yi = i / w, xi = i % w;
    for (int64_t j = j0; j < j0 + nk;) {
        int64_t y = j / w, end = attn__min_i64((y + 1) * w, j0 + nk);
        const float *at = run + (y - yi + e->swin_h - 1) * (2 * w - 1) + w - 1 - xi - y * w;
        for (; j < end; j++)
            *dst++ = at[j];
    }
}

double attn__score_bias_swin_pair(const struct attn__score_exact *x, int64_t j)
{
    const struct attn__score_spec *e = &x->c->p->score;
    const attn_tensor *t = &x->c->t[ATTN__SLOT_SWIN_TABLE];
    int64_t w = e->swin_w, dy = x->i / w - j / w + e->swin_h - 1, dx = x->i % w - j % w + w - 1;
    return attn__load_f64(t->data, (dy * (2 * w - 1) + dx) * t->stride[0] + x->h * t->stride[1],
                          t->dtype);
}

/* ---- grids: GRID_Y[b, h, i, j / w] + GRID_X[b, h, i, j % w] ---- */

void attn__score_bias_grid(const struct attn__score *x, int64_t h, int64_t i, int64_t j0,
                           int64_t nk, float *dst)
{
    struct attn__rows gy = attn__call_per_query(x->c, ATTN__SLOT_GRID_Y, x->s, h);
    struct attn__rows gx = attn__call_per_query(x->c, ATTN__SLOT_GRID_X, x->s, h);
    int64_t w = x->c->p->score.grid_w;
    for (int64_t j = j0; j < j0 + nk;) {
        int64_t y = j / w, n = attn__min_i64((y + 1) * w, j0 + nk) - j;
        float add = (float)attn__rows_load(&gy, i, y);
        attn__rows_to_f32(x->kern, &gx, i, 1, j - y * w, n, dst, n);
        for (int64_t k = 0; k < n; k++)
            dst[k] += add;
        dst += n;
        j += n;
    }
}

double attn__score_bias_grid_pair(const struct attn__score_exact *x, int64_t j)
{
    struct attn__rows gy = attn__call_per_query(x->c, ATTN__SLOT_GRID_Y, x->s, x->h);
    struct attn__rows gx = attn__call_per_query(x->c, ATTN__SLOT_GRID_X, x->s, x->h);
    int64_t w = x->c->p->score.grid_w;
    return attn__rows_load(&gy, x->i, j / w) + attn__rows_load(&gx, x->i, j % w);
}

/* ---- tables of an execute ---- */

void attn__score_bias_take(struct attn__scratch *s, const struct attn__problem *p,
                           struct attn__score_tables *out)
{
    const struct attn__score_spec *e = &p->score;
    int64_t t5 = 0, swin = 0;
    if (e->t5_bucket)
        s->ok = s->ok && attn__mul_i64(p->hout, 2 * e->t5_reach + 1, &t5);
    if (e->swin_h > 0)
        s->ok = s->ok && attn__mul_i64(p->hout, swin_rows(e), &swin);
    out->t5 = ATTN__TAKE(s, t5, float);
    out->swin = ATTN__TAKE(s, swin, float);
}

void attn__score_bias_make(const struct attn__call *c, const struct attn__score_tables *tables)
{
    const struct attn__score_spec *e = &c->p->score;
    const attn_tensor *t5 = &c->t[ATTN__SLOT_T5_WEIGHT], *swin = &c->t[ATTN__SLOT_SWIN_TABLE];
    int64_t entries = 2 * e->t5_reach + 1;
    for (int64_t h = 0; h < c->p->hout && e->t5_bucket; h++)
        for (int64_t n = 0; n < entries; n++)
            tables->t5[h * entries + n] = (float)attn__load_f64(
                t5->data, e->t5_bucket[n] * t5->stride[0] + h * t5->stride[1], t5->dtype);
    entries = swin_rows(e);
    for (int64_t h = 0; h < c->p->hout && e->swin_h > 0; h++)
        for (int64_t n = 0; n < entries; n++)
            tables->swin[h * entries + n] = (float)attn__load_f64(
                swin->data, (entries - 1 - n) * swin->stride[0] + h * swin->stride[1],
                swin->dtype);
}
