/* SPDX-License-Identifier: MIT */
/*
 * Storing finished rows.
 */
#include "solvers/finish.h"

#include <stdio.h>

#include "problem/vis_count.h"
#include "solvers/epilogue.h"
#include "solvers/fold_row.h"
#include "solvers/norm_pass.h"
#include "solvers/row_again.h"
#include "solvers/rows_load.h"

bool attn__finish_applicable(const struct attn__problem *p, char why[ATTN__WHY_MAX])
{
    return attn__finish_applicable_with(p, ATTN_WANT_COUNTS, why);
}

bool attn__finish_applicable_with(const struct attn__problem *p, int32_t want,
                                  char why[ATTN__WHY_MAX])
{
    if (!p->select.logits)
        return attn__finish_applicable_logits(p, want, why);
    snprintf(why, ATTN__WHY_MAX, "knows no logits of lists");
    return false;
}

bool attn__finish_applicable_logits(const struct attn__problem *p, int32_t want,
                                    char why[ATTN__WHY_MAX])
{
    const char *reason = NULL;
    attn__norm_pass_serves(&p->norm, &reason);
    if (p->dtype == ATTN_DTYPE_F64)
        reason = "computes in f32, dtype is f64";
    else if (p->want & ~(want | ATTN_WANT_SKIP_BOUND)) /* made after any solver */
        reason = "keeps no scores, and want= asks for outputs made from them";
    else if (p->invariant == ATTN_INVARIANT_CHUNK && !attn__norm_traits(p->norm.kind)->base2)
        reason = "invariant=chunk, and sums only the weights of a softmax in one order";
    if (reason)
        snprintf(why, ATTN__WHY_MAX, "%s", reason);
    return !reason;
}

static float factor(const struct attn__call *c, const struct attn__seq *s, int64_t h, int64_t i,
                    const int64_t *visible, float *m, float *l)
{
    float f = 1;
    double sink = -INFINITY;
    if (c->p->sink_logits)
        sink = attn__call_sink(c, s, h, i);
    if (sink != -INFINITY) { /* NaN: m and l become that, and the row is redone */
        float extra = (float)(sink * M_LOG2E), top = *m > extra ? *m : extra;
        f = *m == -INFINITY ? 0 : exp2f(*m - top);
        *l = *l * f + exp2f(extra - top);
        *m = top;
    }
    return f * attn__norm_pass_factor(c->p, s, *m, *l, visible);
}

void attn__finish_factors(const struct attn__call *c, const struct attn__seq *s,
                          const struct attn__vis *v, int64_t r0, int64_t rows, float *m, float *l,
                          float *f)
{
    int64_t visible[64];
    bool counts = attn__norm_counts(&c->p->norm);
    for (int64_t n = 0; n < rows; n++) {
        int64_t r = r0 + n;
        if (counts && n % 64 == 0)
            attn__vis_count(v, r, r + attn__min_i64(64, rows - n), visible);
        f[n] = factor(c, s, attn__vis_head(v, r), attn__vis_query(v, r),
                      counts ? &visible[n % 64] : NULL, &m[n], &l[n]);
    }
}

static void store_lse(const struct attn__call *c, const struct attn__seq *s, int64_t h, int64_t i,
                      float m, float l)
{
    if (!c->has[ATTN__SLOT_LSE])
        return;
    struct attn__rows lse = attn__call_per_row(c, ATTN__SLOT_LSE, s, h);
    attn__rows_store(&lse, i, 0, l == 0 ? -INFINITY : ((double)m + log2((double)l)) * M_LN2);
}

static bool none_lost(const struct attn__problem *p, const float *l, int64_t rows)
{
    bool lost = false;
    for (int64_t n = 0; n < rows && attn__norm_traits(p->norm.kind)->summed; n++)
        lost |= attn__norm_pass_lost(p, l[n]);
    return !lost;
}

/* Rows that are not finite once more without what they do not see. True if all
 * are finite now. */
static bool rows_again(const struct attn__call *c, const struct attn__kernels *kern,
                       const struct attn__seq *s, const struct attn__vis *v, int64_t r0,
                       int64_t rows, float *o, int64_t ldo, float *m, float *l,
                       struct attn__row_again *again)
{
    bool all = true;
    for (int64_t n = 0; n < rows; n++) {
        float *row = o + n * ldo;
        int64_t h = attn__vis_head(v, r0 + n), i = attn__vis_query(v, r0 + n);
        if (!isfinite(l[n]) || !kern->rows_finite(row, ldo, 1, c->p->dv))
            all &= attn__row_again(again, c, kern, s, h, i, row, &m[n], &l[n]);
        all &= none_lost(c->p, &l[n], 1);
    }
    return all;
}

/* Row r once more: o was not finite. */
static void again_exactly(const struct attn__call *c, const struct attn__seq *s,
                          const struct attn__vis *v, int64_t r,
                          const struct attn__row_scratch *exact)
{
    struct attn__vis one = attn__call_vis(c, s, attn__vis_head(v, r), 1);
    attn__row_exact(c, s, &one, attn__vis_head(v, r), attn__vis_query(v, r), exact);
}

/* A row that is finite unless `sound` says so of all. */
static bool is_sound(const struct attn__call *c, const struct attn__kernels *kern, const float *o,
                     float l)
{
    return none_lost(c->p, &l, 1) && isfinite(l) && kern->rows_finite(o, c->p->dv, 1, c->p->dv);
}

/* Rows n0, n0 + step ... below rows are consecutive queries of one head; n
 * counts from r0. */
struct run {
    int64_t n0, rows, step;
};

static void finish_run(const struct attn__call *c, const struct attn__kernels *kern,
                       const struct attn__seq *s, const struct attn__vis *v, int64_t r0,
                       struct run run, bool sound, float *o, int64_t ldo, float *m, float *l,
                       const struct attn__row_scratch *exact)
{
    int64_t h = attn__vis_head(v, r0 + run.n0), i0 = attn__vis_query(v, r0 + run.n0);
    int64_t dv = c->p->dv, count = (run.rows - run.n0 + run.step - 1) / run.step;
    bool change = c->p->epilogue.any, folds = attn__fold_row_is(c, s, h), summed = false;
    struct attn__rows out = attn__call_out(c, s, h);
    struct attn__fold_row fold;
    if (attn__epilogue_skips(c, s, h, 1)) {
        for (int64_t i = i0; i < i0 + count; i++)
            attn__row_empty(c, s, h, i);
        return;
    }
    for (int64_t k = 0, n = run.n0; k < count; k++, n += run.step) {
        float *row = o + n * ldo;
        if (!sound && !is_sound(c, kern, row, l[n])) {
            again_exactly(c, s, v, r0 + n, exact);
            summed = false; /* the sums were in `exact` */
            continue;
        }
        if (folds && !summed)
            attn__fold_row_begin(&fold, c, s, h, exact);
        summed = true;
        if (folds)
            attn__fold_row_join(&fold, i0 + k, exact, row, &m[n], &l[n]);
        if (change)
            attn__epilogue_row(c, kern, s, h, i0 + k, exact->row, row);
        if (!sound)
            attn__rows_from_f32(kern, row, ldo, 1, dv, &out, i0 + k);
        store_lse(c, s, h, i0 + k, m[n], l[n]);
    }
    if (sound)
        attn__rows_from_f32(kern, o + run.n0 * ldo, run.step * ldo, count, dv, &out, i0);
}

void attn__finish_rows(const struct attn__call *c, const struct attn__kernels *kern,
                       const struct attn__seq *s, const struct attn__vis *v, int64_t r0,
                       int64_t rows, float *o, int64_t ldo, float *m, float *l,
                       const struct attn__row_scratch *exact, struct attn__row_again *again)
{
    int64_t dv = c->p->dv;
    bool sound = none_lost(c->p, l, rows) && kern->rows_finite(l, rows, 1, rows) &&
                 kern->rows_finite(o, ldo, rows, dv);
    if (again && !sound)
        sound = rows_again(c, kern, s, v, r0, rows, o, ldo, m, l, again);
    /* The sign of a zero may tell of products of hidden values with 0. */
    for (int64_t n = 0; n < rows && again; n++)
        for (int64_t e = 0; e < dv; e++)
            o[n * ldo + e] += 0.0f;
    for (int64_t n = 0; n < rows && v->lines; n++)
        finish_run(c, kern, s, v, r0, (struct run){n, n + 1, 1}, sound, o, ldo, m, l, exact);
    for (int64_t n = 0; n < rows && n < v->group && !v->lines; n++)
        finish_run(c, kern, s, v, r0, (struct run){n, rows, v->group}, sound, o, ldo, m, l, exact);
}
