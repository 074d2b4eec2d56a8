/* SPDX-License-Identifier: MIT */
/*
 * Runs of one head and consecutive queries and keys, handed to the caller's
 * function where they lie. In a tile the heads of a group alternate, so that
 * each of them is a run with strides.
 */
#include "solvers/score_user.h"

static void call(const struct attn__call *c, const struct attn__seq *s, float *at,
                 int64_t q_stride, int64_t k_stride, int64_t h, int64_t i0, int64_t nq, int64_t j0,
                 int64_t nk)
{
    void *user = (void *)(uintptr_t)c->object[ATTN__SLOT_USER];
    c->p->score.user(user, at, q_stride, k_stride, c->first_seq + s->index, h, i0, nq, j0,
                     nk);
}

void attn__score_user_tile(const struct attn__score *x, const struct attn__score_tile *t)
{
    int64_t runs = x->v->lines ? t->n : attn__min_i64(x->v->group, t->n), step, nq = 1;
    for (int64_t n = 0; n < runs; n += x->v->lines ? nq : 1) {
        int64_t r = t->r0 + n;
        nq = attn__score_run(x, r, t->n - n, &step);
        call(x->c, x->s, t->st + n, step, t->w, attn__score_head(x, r), attn__score_at(x, r), nq,
             t->j0, t->nk);
    }
}

void attn__score_user_row(const struct attn__score *x, int64_t r, int64_t j0, int64_t nk, float *s)
{
    call(x->c, x->s, s, nk, 1, attn__score_head(x, r), attn__score_at(x, r), 1, j0, nk);
}

double attn__score_user_pair(const struct attn__score_exact *x, int64_t j, double s)
{
    float one = (float)s;
    call(x->c, x->s, &one, 1, 1, x->h, x->i, 1, j, 1);
    return (double)one;
}
