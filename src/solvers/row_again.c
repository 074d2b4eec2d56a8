/* SPDX-License-Identifier: MIT */
/*
 * A row with care, chunk by chunk, joined in the tree that all rows go through.
 */
#include "solvers/row_again.h"

#include "solvers/blocks.h"
#include "solvers/finish.h"

void attn__row_again_take(struct attn__scratch *s, const struct attn__problem *p,
                          struct attn__row_again *out)
{
    int64_t chunks = p->k == ATTN_UNBOUNDED ? -1 : p->k / ATTN__CHUNK + 1;
    attn__row_room_take(s, p, 1, &out->room);
    attn__tree_take(s, 1, p->dv, attn__tree_depth(chunks), &out->tree);
}

bool attn__row_again(struct attn__row_again *w, const struct attn__call *c,
                     const struct attn__kernels *kern, const struct attn__seq *s, int64_t h,
                     int64_t i, float *o, float *m, float *l)
{
    struct attn__row_pass ps = {.c = c, .kern = kern, .s = s, .room = &w->room, .h0 = h,
                                .heads = 1, .i0 = i, .rows = 1, .careful = true};
    struct attn__tree *t = &w->tree;
    int64_t dv = c->p->dv;
    attn__row_pass_begin(&ps);
    t->n = 0;
    attn__tree_skip(kern, t, 0, ps.lo / ATTN__CHUNK);
    for (int64_t n = ps.lo / ATTN__CHUNK; n == ps.lo / ATTN__CHUNK || n * ATTN__CHUNK < ps.hi;
         n++) {
        attn__row_pass_chunk(&ps, n, attn__tree_m(t, t->n), attn__tree_l(t, t->n),
                             attn__tree_o(t, t->n));
        attn__tree_push(kern, t, 0, n);
    }
    attn__tree_finish(kern, t);
    *m = attn__tree_m(t, 0)[0];
    *l = attn__tree_l(t, 0)[0];
    if (*l != 0)
        memcpy(o, attn__tree_o(t, 0), (size_t)dv * sizeof *o);
    else
        memset(o, 0, (size_t)dv * sizeof *o);
    float f;
    attn__finish_factors(c, s, &ps.vis, i, 1, m, l, &f);
    kern->vec_scale(o, dv, f);
    return isfinite(*l) && kern->rows_finite(o, dv, 1, dv);
}
