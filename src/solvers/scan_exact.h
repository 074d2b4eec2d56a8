/* SPDX-License-Identifier: MIT */
/*
 * One token of a sequence and state in f64, straight from the caller's
 * tensors: what scan_reference works on.
 */
#ifndef ATTN_SOLVERS_SCAN_EXACT_H
#define ATTN_SOLVERS_SCAN_EXACT_H

#include "problem/call.h"
#include "solvers/scratch.h"

struct attn__scan_exact {
    const struct attn__call *c;
    struct attn__seq seq;
    int64_t head;
    double *q, *k, *w, *e, *g; /* [dk]; g: log decays */
    double *v;                 /* [dv] */
    double *x, *y;             /* [d], [columns] */
    double *lse;               /* [dk] */
    double key_max;            /* c of feature_max for keys */
};

void attn__scan_exact_take(struct attn__scratch *s, const struct attn__problem *p,
                           struct attn__scan_exact *t);

/* Key number j of the sequence (with delta_steps several to a token): k, v,
 * w, e, g. age: the position of its token since the state was 0. */
void attn__scan_exact_key(struct attn__scan_exact *t, int64_t j, int64_t age);

/* feature_max: sets t->key_max, for =all from the keys. */
void attn__scan_exact_key_max(struct attn__scan_exact *t);

/* Query i of output head h: q. */
void attn__scan_exact_query(struct attn__scan_exact *t, int64_t h, int64_t i, int64_t age);

/* An entry of a weight [heads,n] or [heads,d,n], or of one without heads. */
double attn__scan_exact_weight(const struct attn__call *c, enum attn__slot slot, int64_t head,
                               int32_t rank_with_heads, int64_t row, int64_t col);

#endif /* ATTN_SOLVERS_SCAN_EXACT_H */
