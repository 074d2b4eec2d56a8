/* SPDX-License-Identifier: MIT */
/*
 * What a rule with cache_fold hides from a row counts for it as one more key:
 * n tokens, the mean of their keys with ln n added to its score, and the mean
 * of their values (RazorAttention, Tang et al., 2024).
 *
 * The cache has summed up what it dropped. What it still has and a row does not
 * see any more is added here, in the order of positions: so a row hides the
 * same tokens, and has the same bits, however its sequence came.
 */
#ifndef ATTN_SOLVERS_FOLD_ROW_H
#define ATTN_SOLVERS_FOLD_ROW_H

#include "problem/call.h"
#include "solvers/row_exact.h"

/* The sums of one output head, for rows that ascend. */
struct attn__fold_row {
    const struct attn__call *c;
    const struct attn__seq *s;
    int64_t h;
    const struct attn__paged *from;
    struct attn__rows k, v;
    double *k_sum, *v_sum; /* [d], [dv] */
    int64_t n;             /* tokens in them */
    int64_t next;          /* no token in front of this one is still to come in */
};

/* Does the head's rule fold? */
static inline bool attn__fold_row_is(const struct attn__call *c, const struct attn__seq *s,
                                     int64_t h)
{
    return c->view && attn__call_paged(c, s, h)->fold;
}

/* The sums live in w->k and w->v, until somebody else uses those. */
void attn__fold_row_begin(struct attn__fold_row *f, const struct attn__call *c,
                          const struct attn__seq *s, int64_t h, const struct attn__row_scratch *w);

/* Brings the sums to what row i hides. Returns the score of their mean, q being
 * the query as keys are multiplied with it, with ln n in it; -inf: it hides
 * nothing. */
double attn__fold_row_score(struct attn__fold_row *f, int64_t i, const double *q);

/* The finished row i, o [dv] with maximum m (base 2) and sum l, with what it
 * hides. w->q is written. */
void attn__fold_row_join(struct attn__fold_row *f, int64_t i, const struct attn__row_scratch *w,
                         float *o, float *m, float *l);

#endif /* ATTN_SOLVERS_FOLD_ROW_H */
