/* SPDX-License-Identifier: MIT */
/*
 * Dense bias: BIAS[b, h, i, j] on the score of the pair.
 */
#include "solvers/score_bias.h"

#include "solvers/rows_load.h"

static struct attn__rows bias_of(const struct attn__score *x, int64_t r)
{
    return attn__call_pairs(x->c, ATTN__SLOT_BIAS, x->s, x->h0 + r % x->group);
}

void attn__score_bias_tile(const struct attn__score *x, const struct attn__score_tile *t)
{
    struct attn__rows b = bias_of(x, 0);
    float *room = x->work->bias;
    bool plain = b.dtype == ATTN_DTYPE_F32 && (uintptr_t)b.base % sizeof(float) == 0;
    if (plain && x->group == 1) {
        const float *at = (const float *)attn__rows_at(&b, t->r0) + t->j0 * b.col;
        x->kern->tile_bias(t->st, t->nk, t->w, t->n, at, b.row, b.col);
        return;
    }
    for (int64_t n = 0; n < t->n; n++) {
        b = bias_of(x, t->r0 + n);
        attn__rows_to_f32(x->kern, &b, (t->r0 + n) / x->group, 1, t->j0, t->nk, room + n * t->nk,
                          t->nk);
    }
    x->kern->tile_bias(t->st, t->nk, t->w, t->n, room, t->nk, 1);
}

void attn__score_bias_row(const struct attn__score *x, int64_t r, int64_t j0, int64_t nk, float *s)
{
    struct attn__rows b = bias_of(x, r);
    float *add = x->work->bias;
    attn__rows_to_f32(x->kern, &b, r / x->group, 1, j0, nk, add, nk);
    for (int64_t j = 0; j < nk; j++)
        s[j] += add[j];
}

double attn__score_bias_pair(const struct attn__score_exact *x, int64_t j, double s)
{
    struct attn__rows b = attn__call_pairs(x->c, ATTN__SLOT_BIAS, x->s, x->h);
    return s + attn__rows_load(&b, x->i, j);
}
