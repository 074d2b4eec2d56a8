/* SPDX-License-Identifier: MIT */
/*
 * A run of consecutive keys against some queries of a head needs as many rows
 * of the table as there are distances, one more query one row more. Their
 * products with the queries are one small matrix with the queries as rows;
 * what belongs to a query and a key is in the query's row at their distance,
 * so that one query further is one entry back: a skewed read, which the
 * kernel of the dense bias does as it is.
 */
#include "solvers/score_table.h"

#include "solvers/rows_load.h"

/* The table of a head. */
struct table {
    struct attn__rows rows;
    int64_t n, zero;
};

static struct table table_of(const struct attn__call *c, int64_t h)
{
    const attn_tensor *t = &c->t[ATTN__SLOT_QUERY_TABLE];
    int64_t at = h * t->stride[0] * (int64_t)attn__dtype_size(t->dtype);
    int64_t zero = c->p->score.query_table_zero;
    struct attn__rows rows = {.base = (char *)t->data + at,
                              .row = t->stride[1],
                              .col = t->stride[2],
                              .dtype = t->dtype};
    return (struct table){rows, t->shape[1], zero == ATTN_UNBOUNDED ? t->shape[1] / 2 : zero};
}

static int64_t clamp(const struct table *t, int64_t at)
{
    return attn__max_i64(attn__min_i64(at, t->n - 1), 0);
}

static double table_bias(const struct attn__call *c, int64_t h, int64_t at)
{
    const attn_tensor *t = &c->t[ATTN__SLOT_QUERY_TABLE_BIAS];
    return attn__load_f64(t->data, h * t->stride[0] + at * t->stride[1], t->dtype);
}

/* What is added to the scores of queries i0..i0+nq-1 of head h: entry of
 * query i and table row lo + n at rel[(i - i0) * cnt + n]. tq: the queries. */
static void products(const struct attn__score *x, const struct table *t, int64_t h, int64_t i0,
                     int64_t nq, int64_t lo, int64_t cnt, const float *tq, int64_t ldq)
{
    const struct attn__score_work *w = x->work;
    int64_t d = x->c->p->d, ld;
    const float *rows = attn__rows_f32(x->kern, &t->rows, lo, cnt, d, w->table, &ld);
    x->kern->row_qk_f32(rows, ld, cnt, d, tq, ldq, nq, w->rel, cnt, 0);
    if (!x->c->has[ATTN__SLOT_QUERY_TABLE_BIAS])
        return;
    for (int64_t i = 0; i < nq; i++) {
        float f = (float)attn__score_scale(x->c, x->s, h, i0 + i);
        for (int64_t n = 0; n < cnt; n++)
            w->rel[i * cnt + n] += f * (float)table_bias(x->c, h, lo + n);
    }
}

void attn__score_table_tile(const struct attn__score *x, const struct attn__score_tile *t)
{
    const struct attn__score_work *w = x->work;
    int64_t d = x->c->p->d, g, nq = 1;
    int64_t runs = x->v->lines ? t->n : attn__min_i64(x->v->group, t->n);
    for (int64_t n = 0; n < runs; n += x->v->lines ? nq : 1) {
        int64_t h = attn__score_head(x, t->r0 + n), i0 = attn__score_at(x, t->r0 + n);
        nq = attn__score_run(x, t->r0 + n, t->n - n, &g);
        struct table r = table_of(x->c, h);
        int64_t first = t->j0 - (i0 + x->s->off) + r.zero; /* of the first query and key */
        int64_t lo = clamp(&r, first - (nq - 1)), hi = clamp(&r, first + t->nk - 1);
        int64_t cnt = hi - lo + 1;
        products(x, &r, h, i0, nq, lo, cnt, x->tq + (t->r0 + n - x->tq_r0) * d, g * d);
        if (nq == t->n && first - (nq - 1) >= 0 && first + t->nk <= r.n) {
            x->kern->tile_bias(t->st, t->nk, t->w, t->n, w->rel + (first - lo), cnt - 1, 1);
            return;
        }
        for (int64_t i = 0; i < nq; i++)
            for (int64_t j = 0; j < t->nk; j++)
                w->bias[(n + i * g) * t->nk + j] =
                    w->rel[i * cnt + clamp(&r, first - i + j) - lo];
    }
    x->kern->tile_bias(t->st, t->nk, t->w, t->n, w->bias, t->nk, 1);
}

void attn__score_table_row(const struct attn__score *x, int64_t r, int64_t j0, int64_t nk,
                           float *s)
{
    int64_t h = attn__score_head(x, r), i = attn__score_at(x, r), d = x->c->p->d;
    struct table t = table_of(x->c, h);
    int64_t first = j0 - (i + x->s->off) + t.zero;
    int64_t lo = clamp(&t, first), hi = clamp(&t, first + nk - 1);
    products(x, &t, h, i, 1, lo, hi - lo + 1, x->tq + (r - x->tq_r0) * d, d);
    for (int64_t j = 0; j < nk; j++)
        s[j] += x->work->rel[clamp(&t, first + j) - lo];
}

double attn__score_table_pair(const struct attn__score_exact *x, int64_t j, double s)
{
    struct table t = table_of(x->c, x->h);
    int64_t at = clamp(&t, j - (x->i + x->s->off) + t.zero);
    double sum = x->c->has[ATTN__SLOT_QUERY_TABLE_BIAS] ? table_bias(x->c, x->h, at) : 0;
    for (int64_t e = 0; e < x->c->p->d; e++)
        sum += x->tq[e] * attn__rows_load(&t.rows, at, e);
    return s + x->scale * sum;
}

/* ---- the queries ---- */

static double query_bias(const struct attn__call *c, enum attn__slot slot, int64_t h, int64_t e)
{
    const attn_tensor *t = &c->t[slot];
    return c->has[slot] ? attn__load_f64(t->data, h * t->stride[0] + e * t->stride[1], t->dtype)
                        : 0;
}

void attn__score_query(const struct attn__score *x, int64_t r, float *row, float *table_row)
{
    const struct attn__call *c = x->c;
    int64_t h = attn__score_head(x, r), d = c->p->d;
    float f = (float)attn__score_scale(c, x->s, h, attn__score_at(x, r));
    for (int64_t e = 0; table_row && e < d; e++)
        table_row[e] = f * (row[e] + (float)query_bias(c, ATTN__SLOT_Q_BIAS_TABLE, h, e));
    for (int64_t e = 0; c->has[ATTN__SLOT_Q_BIAS_CONTENT] && e < d; e++)
        row[e] += (float)query_bias(c, ATTN__SLOT_Q_BIAS_CONTENT, h, e);
    x->kern->vec_scale(row, d, f);
}

void attn__score_query_exact(const struct attn__call *c, int64_t h, double *row,
                             double *table_row)
{
    for (int64_t e = 0; e < c->p->d; e++) {
        if (table_row)
            table_row[e] = row[e] + query_bias(c, ATTN__SLOT_Q_BIAS_TABLE, h, e);
        row[e] += query_bias(c, ATTN__SLOT_Q_BIAS_CONTENT, h, e);
    }
}
