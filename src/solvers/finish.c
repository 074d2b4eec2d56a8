/* SPDX-License-Identifier: MIT */
/*
 * Storing finished rows.
 */
#include "solvers/finish.h"

#include "solvers/rows_load.h"

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
                       const struct attn__seq *s, const struct attn__vis *v, int64_t h, int64_t i0,
                       int64_t rows, const float *o, int64_t ldo, const float *m, const float *l,
                       const struct attn__row_scratch *exact)
{
    struct attn__rows out = attn__call_out(c, s, h), lse = {0};
    bool has_lse = c->has[ATTN__SLOT_LSE];
    if (has_lse)
        lse = attn__call_per_row(c, ATTN__SLOT_LSE, s, h);
    for (int64_t r = 0; r < rows; r++) {
        if (!isfinite(l[r]) || !finite_row(o + r * ldo, c->p->dv)) {
            attn__row_exact(c, s, v, h, i0 + r, exact);
            continue;
        }
        attn__rows_from_f32(kern, o + r * ldo, ldo, 1, c->p->dv, &out, i0 + r);
        if (has_lse)
            attn__rows_store(&lse, i0 + r, 0,
                             l[r] == 0 ? -INFINITY : ((double)m[r] + log2((double)l[r])) * M_LN2);
    }
}
