/* SPDX-License-Identifier: MIT */
/*
 * Storing finished rows.
 */
#include "solvers/finish.h"

#include <stdio.h>

#include "problem/vis_count.h"
#include "solvers/epilogue.h"
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
    const char *reason = NULL;
    attn__norm_pass_serves(&p->norm, &reason);
    if (p->dtype == ATTN_DTYPE_F64)
        reason = "computes in f32, dtype is f64";
    else if (p->want & ~want)
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
                          const struct attn__vis *v, int64_t h0, int64_t r0, int64_t rows,
                          float *m, float *l, float *f)
{
    int64_t visible[64];
    bool counts = attn__norm_counts(&c->p->norm);
    for (int64_t n = 0; n < rows; n++) {
        int64_t r = r0 + n;
        if (counts && n % 64 == 0)
            attn__vis_count(v, r, r + attn__min_i64(64, rows - n), visible);
        f[n] = factor(c, s, h0 + r % v->group, r / v->group, counts ? &visible[n % 64] : NULL,
                      &m[n], &l[n]);
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
                       const struct attn__seq *s, int64_t h0, int64_t group, int64_t r0,
                       int64_t rows, float *o, int64_t ldo, float *m, float *l,
                       struct attn__row_again *again)
{
    bool all = true;
    for (int64_t n = 0; n < rows; n++) {
        float *row = o + n * ldo;
        int64_t h = h0 + (r0 + n) % group, i = (r0 + n) / group;
        if (!isfinite(l[n]) || !kern->rows_finite(row, ldo, 1, c->p->dv))
            all &= attn__row_again(again, c, kern, s, h, i, row, &m[n], &l[n]);
        all &= none_lost(c->p, &l[n], 1);
    }
    return all;
}

/* Rows i0 to i0 + rows - 1 of a head that is not to be computed. */
static bool skipped(const struct attn__call *c, const struct attn__seq *s, int64_t h, int64_t i0,
                    int64_t rows)
{
    if (!attn__epilogue_skips(c, s, h, 1))
        return false;
    for (int64_t i = i0; i < i0 + rows; i++)
        attn__row_empty(c, s, h, i);
    return true;
}

void attn__finish_rows(const struct attn__call *c, const struct attn__kernels *kern,
                       const struct attn__seq *s, int64_t h0, int64_t group, int64_t r0,
                       int64_t rows, float *o, int64_t ldo, float *m, float *l,
                       const struct attn__row_scratch *exact, struct attn__row_again *again)
{
    int64_t dv = c->p->dv, heads = group < rows ? group : rows;
    bool change = c->p->epilogue.any;
    bool sound = none_lost(c->p, l, rows) && kern->rows_finite(l, rows, 1, rows) &&
                 kern->rows_finite(o, ldo, rows, dv);
    if (again && !sound)
        sound = rows_again(c, kern, s, h0, group, r0, rows, o, ldo, m, l, again);
    /* The sign of a zero may tell of products of hidden values with 0. */
    for (int64_t n = 0; n < rows && again; n++)
        for (int64_t e = 0; e < dv; e++)
            o[n * ldo + e] += 0.0f;
    for (int64_t n0 = 0; n0 < heads; n0++) {
        int64_t h = h0 + (r0 + n0) % group, i0 = (r0 + n0) / group;
        int64_t count = (rows - n0 + group - 1) / group;
        struct attn__rows out = attn__call_out(c, s, h);
        if (change && skipped(c, s, h, i0, count))
            continue;
        for (int64_t n = n0; n < rows && change && sound; n += group)
            attn__epilogue_row(c, kern, s, h, i0 + (n - n0) / group, exact->row, o + n * ldo);
        if (sound)
            attn__rows_from_f32(kern, o + n0 * ldo, group * ldo, count, dv, &out, i0);
        for (int64_t n = n0, i = i0; n < rows; n += group, i++) {
            if (!sound && !(none_lost(c->p, l + n, 1) && isfinite(l[n]) &&
                            kern->rows_finite(o + n * ldo, ldo, 1, dv))) {
                struct attn__vis v = attn__call_vis(c, s, h, 1);
                attn__row_exact(c, s, &v, h, i, exact);
                continue;
            }
            if (!sound && change)
                attn__epilogue_row(c, kern, s, h, i, exact->row, o + n * ldo);
            if (!sound)
                attn__rows_from_f32(kern, o + n * ldo, ldo, 1, dv, &out, i);
            store_lse(c, s, h, i, m[n], l[n]);
        }
    }
}
