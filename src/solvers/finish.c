/* SPDX-License-Identifier: MIT */
/*
 * Storing finished rows.
 */
#include "solvers/finish.h"

#include <stdio.h>

#include "solvers/rows_load.h"

bool attn__finish_applicable(const struct attn__problem *p, char why[ATTN__WHY_MAX])
{
    const char *reason = NULL;
    if (p->dtype == ATTN_DTYPE_F64)
        reason = "computes in f32, dtype is f64";
    else if (p->want)
        reason = "keeps no scores, and want= asks for outputs made from them";
    if (reason)
        snprintf(why, ATTN__WHY_MAX, "%s", reason);
    return !reason;
}

float attn__finish_factor(const struct attn__call *c, const struct attn__seq *s, int64_t h,
                          int64_t i, float *m, float *l)
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
    return *l == 0 ? 0 : f / *l;
}

/* x * 0 is 0 for every finite x, so one sum tells about all. */
static bool finite_row(const float *o, int64_t n)
{
    float s[8] = {0};
    int64_t e = 0;
    for (; e + 8 <= n; e += 8)
        for (int lane = 0; lane < 8; lane++)
            s[lane] += o[e + lane] * 0.0f;
    for (; e < n; e++)
        s[0] += o[e] * 0.0f;
    for (int lane = 1; lane < 8; lane++)
        s[0] += s[lane];
    return s[0] == 0;
}

void attn__finish_rows(const struct attn__call *c, const struct attn__kernels *kern,
                       const struct attn__seq *s, int64_t h0, int64_t group, int64_t r0,
                       int64_t rows, const float *o, int64_t ldo, const float *m, const float *l,
                       const struct attn__row_scratch *exact)
{
    for (int64_t n = 0; n < rows; n++, o += ldo) {
        int64_t i = (r0 + n) / group, h = h0 + (r0 + n) % group;
        if (!isfinite(l[n]) || !finite_row(o, c->p->dv)) {
            struct attn__vis v = attn__call_vis(c, s, h, 1);
            attn__row_exact(c, s, &v, h, i, exact);
            continue;
        }
        struct attn__rows out = attn__call_out(c, s, h);
        attn__rows_from_f32(kern, o, ldo, 1, c->p->dv, &out, i);
        if (c->has[ATTN__SLOT_LSE]) {
            struct attn__rows lse = attn__call_per_row(c, ATTN__SLOT_LSE, s, h);
            double x = l[n] == 0 ? -INFINITY : ((double)m[n] + log2((double)l[n])) * M_LN2;
            attn__rows_store(&lse, i, 0, x);
        }
    }
}
