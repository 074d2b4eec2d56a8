/* SPDX-License-Identifier: MIT */
/*
 * Some rows of one set at a time: what stands for them against what stands for
 * all blocks by the kernels of few rows, then row by row what becomes of the
 * products, and the sum over heads.
 */
#include "solvers/select_score.h"

#include "solvers/rows_load.h"
#include "solvers/select_reps.h"

#define LOG2E 1.4426950408889634074

static struct attn__rows q_rows(const struct attn__pooled_job *x,
                                const struct attn__pooled_view *v, int64_t h)
{
    return attn__pooled_head(&x->m->q, v->s.b, x->m->q_head ? x->m->q_head[h] : h, v->s.q0);
}

/* What stands for a row takes place i of the desk's q. */
static void load_row(const struct attn__pooled_job *x, const struct attn__pooled_view *v,
                     int64_t set, int64_t h, int64_t sub, const struct attn__pooled_row *w,
                     const struct attn__pooled_desk *k, int64_t i)
{
    const struct attn__kernels *kern = x->r->machine->kern;
    const struct attn__pooled_spec *spec = x->spec;
    int64_t group = attn__pooled_group(x), d = x->z->d;
    int64_t lo = w->first, hi = attn__min_i64(w->end, v->queries);
    if (spec->rep == ATTN__REP_STRIDES) {
        lo += sub * spec->stride;
        hi = attn__min_i64(lo + spec->stride, hi);
    }
    if (lo >= hi) {
        memset(k->q + i * x->width * (x->z->exact ? 8 : 4), 0,
               (size_t)x->width * (x->z->exact ? 8 : 4));
        return;
    }
    if (spec->reduce != ATTN__REDUCE_MEAN) {
        struct attn__rows one = q_rows(x, v, h);
        attn__reps_row(kern, spec, &one, d, lo, hi, x->z->exact, k->q, i * x->width, k->rep);
        return;
    }
    for (int64_t e = 0; e < group; e++) {
        struct attn__rows one = q_rows(x, v, set * group + e);
        attn__reps_sum(kern, &one, d, lo, hi, e == 0, k->rep);
    }
    attn__reps_mean(spec, d, group, hi - lo, x->z->exact, k->q, i * x->width, k->rep);
}

/* s[i][j] = what stands for row i times what stands for block j, j < units. */
static void products(const struct attn__pooled_job *x, const struct attn__pooled_view *v, int64_t h,
                     int64_t n, int64_t units, const struct attn__pooled_desk *k)
{
    const struct attn__kernels *kern = x->r->machine->kern;
    struct attn__rows from = {
        .base = x->reps, .row = x->width, .col = 1,
        .dtype = x->z->exact ? ATTN_DTYPE_F64 : ATTN_DTYPE_F32,
    };
    if (attn__pooled_is_direct(x->spec))
        from = attn__pooled_head(&x->m->k, v->s.b, attn__pooled_k_head(x, h),
                                 attn__pooled_is_given(x->spec) ? 0 : v->s.k0);
    else
        from.base = attn__pooled_reps(x, v->s.index,
                                     x->spec->reduce == ATTN__REDUCE_MEAN
                                         ? h / attn__pooled_group(x)
                                         : attn__pooled_k_head(x, h));
    if (x->z->exact) {
        const double *q = (const double *)k->q;
        double *s = (double *)k->s;
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < units; j++) {
                double sum = 0;
                for (int64_t e = 0; e < x->width; e++)
                    sum += q[i * x->width + e] * attn__rows_load(&from, j, e);
                s[i * x->columns + j] = sum;
            }
        return;
    }
    for (int64_t j = 0; j < units; j += ATTN__POOLED_PIECE) {
        int64_t ld, m = attn__min_i64(ATTN__POOLED_PIECE, units - j);
        const float *p = attn__rows_f32(kern, &from, j, m, x->width, k->piece, &ld);
        kern->row_qk_f32(p, ld, m, x->width, (const float *)k->q, x->width, n,
                         (float *)k->s + j, x->columns, 0);
    }
}

/* line = softmax of the scores lo to hi - 1 of row i; 0 elsewhere below units. */
static void probabilities(const struct attn__pooled_job *x, const struct attn__pooled_desk *k,
                          int64_t i, int64_t lo, int64_t hi, int64_t units)
{
    const struct attn__kernels *kern = x->r->machine->kern;
    double *line = k->line, top = -INFINITY, sum = 0;
    for (int64_t j = 0; j < units; j++)
        line[j] = 0;
    if (lo >= hi)
        return;
    if (x->z->exact) {
        const double *s = (const double *)k->s + i * x->columns;
        for (int64_t j = lo; j < hi; j++)
            top = s[j] * x->spec->scale > top || isnan(s[j]) ? s[j] * x->spec->scale : top;
        for (int64_t j = lo; j < hi && !isnan(top) && fabs(top) < INFINITY; j++)
            sum += line[j] = exp(s[j] * x->spec->scale - top);
        for (int64_t j = lo; j < hi && sum > 0; j++)
            line[j] /= sum;
    } else {
        float *s = (float *)k->s + i * x->columns + lo;
        kern->vec_scale(s, hi - lo, (float)(x->spec->scale * LOG2E));
        top = kern->row_max(s, hi - lo);
        if (!isnan(top) && fabs(top) < INFINITY)
            sum = kern->row_exp2(s, hi - lo, (float)top);
        double factor = sum > 0 ? 1 / sum : 0;
        for (int64_t j = lo; j < hi && sum > 0; j++)
            line[j] = s[j - lo] * factor;
    }
    if (isnan(top) || top == INFINITY)
        for (int64_t j = lo; j < hi; j++)
            line[j] = NAN;
}

/* line[j] = what the product of row i and block j becomes, j < units. */
static void become(const struct attn__pooled_job *x, const struct attn__pooled_view *v,
                   const struct attn__pooled_row *w, int64_t h, const struct attn__pooled_desk *k,
                   int64_t i, int64_t units)
{
    const struct attn__pooled_spec *spec = x->spec;
    if (spec->score == ATTN__SCORE_PROB) {
        probabilities(x, k, i, 0, units, units);
        return;
    }
    if (spec->score == ATTN__SCORE_REST) {
        int64_t hi = attn__min_i64(w->forced_from, units);
        probabilities(x, k, i, attn__min_i64(w->forced_to, hi), hi, units);
        return;
    }
    double weight = 1;
    if (spec->score == ATTN__SCORE_RELU) {
        const attn_tensor *t = x->m->weight;
        weight = attn__load_f64(t->data,
                                v->s.b * t->stride[0] + w->first * t->stride[1] +
                                    h * t->stride[2],
                                t->dtype);
    }
    for (int64_t j = 0; j < units; j++) {
        int64_t at = i * x->columns + j;
        double y = x->z->exact ? ((const double *)k->s)[at] : (double)((const float *)k->s)[at];
        y *= spec->scale;
        k->line[j] = spec->score == ATTN__SCORE_DOT ? y : weight * (y < 0 ? 0 : y);
    }
}

/* Adds the line of one head to the row's scores. */
static void add_line(const struct attn__pooled_job *x, const struct attn__pooled_view *v,
                     const struct attn__pooled_row *w, const double *line, int64_t units,
                     bool first, double *sum)
{
    const struct attn__pooled_spec *spec = x->spec;
    int64_t per = spec->rep == ATTN__REP_STRIDES ? spec->k_block / spec->stride : 1;
    if (spec->tokens) {
        for (int64_t c = 0; c < units; c++) {
            int64_t end = attn__min_i64(attn__pooled_offset(x, v->s.index, c + 1), w->open);
            for (int64_t j = attn__pooled_offset(x, v->s.index, c); j < end; j++)
                sum[j] += line[c];
        }
    } else if (spec->reduce == ATTN__REDUCE_MAX) {
        for (int64_t j = 0; j < units; j++)
            if (first || line[j] > sum[j] || isnan(line[j]))
                sum[j] = line[j];
    } else if (per == 1) {
        for (int64_t c = 0; c < units; c++)
            sum[c] += line[c];
    } else {
        for (int64_t c = 0; c < units; c++)
            sum[c / per] += line[c];
    }
}

/*
 * From scores of windows to scores of blocks: each run of `stride` keys of a block
 * counts for all windows that it is in, so those that cover several of its runs count
 * so often.
 */
static void windows_to_blocks(const struct attn__pooled_spec *spec, int64_t units, int64_t blocks,
                              double *line, double *sum)
{
    int64_t runs = spec->k_block / spec->stride, over = spec->window / spec->stride;
    for (int64_t c = 0; c < units; c++)
        line[c] = sum[c];
    for (int64_t j = 0; j < blocks; j++) {
        int64_t first = runs * j - (over - 1), end = attn__min_i64(runs * (j + 1), units);
        double all = 0;
        for (int64_t c = attn__max_i64(first, 0); c < end; c++) {
            int64_t at = c - runs * j; /* runs max(at, 0) to min(at + over, runs) - 1 */
            int64_t times = attn__min_i64(at + over, runs) - attn__max_i64(at, 0);
            all += (double)times * line[c];
        }
        sum[j] = all;
    }
    for (int64_t j = blocks; j < units; j++)
        sum[j] = 0;
}

void attn__pooled_score(const struct attn__pooled_job *x, const struct attn__pooled_view *v,
                        int64_t set, int64_t t0, int64_t n, const struct attn__pooled_desk *k,
                        int64_t *units)
{
    const struct attn__pooled_spec *spec = x->spec;
    int64_t group = attn__pooled_group(x), subs = 1;
    int64_t heads = spec->reduce == ATTN__REDUCE_MEAN ? 1 : group;
    if (spec->rep == ATTN__REP_STRIDES)
        subs = attn__pooled_parts(spec->q_block, spec->stride);
    for (int64_t i = 0; i < n * x->columns; i++)
        k->sum[i] = 0;
    for (int64_t i = 0; i < n; i++)
        units[i] = 0;
    for (int64_t m = 0; m < heads * subs; m++) {
        int64_t h = set * group + m / subs, sub = m % subs, own[ATTN__POOLED_ROWS], all = 0;
        for (int64_t i = 0; i < n; i++) {
            struct attn__pooled_row w = attn__pooled_row_of(x, v, t0 + i);
            own[i] = attn__pooled_units(x, v, &w, sub);
            all = attn__max_i64(all, own[i]);
            units[i] = attn__max_i64(units[i], own[i]);
            load_row(x, v, set, h, sub, &w, k, i);
        }
        products(x, v, h, n, all, k);
        for (int64_t i = 0; i < n; i++) {
            struct attn__pooled_row w = attn__pooled_row_of(x, v, t0 + i);
            become(x, v, &w, h, k, i, own[i]);
            add_line(x, v, &w, k->line, own[i], m == 0, k->sum + i * x->columns);
        }
    }
    for (int64_t i = 0; i < n && spec->rep == ATTN__REP_WINDOWS; i++)
        windows_to_blocks(spec, units[i], attn__pooled_row_of(x, v, t0 + i).open_end, k->line,
                          k->sum + i * x->columns);
}
