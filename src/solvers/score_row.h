/* SPDX-License-Identifier: MIT */
/*
 * A whole row of scores, from q.k to weights, for the solvers that keep rows:
 * score steps, visibility, normaliser, and the outputs that are made of them
 * on the way.
 */
#ifndef ATTN_SOLVERS_SCORE_ROW_H
#define ATTN_SOLVERS_SCORE_ROW_H

#include "solvers/row_exact.h"
#include "solvers/score_steps.h"

/* Row r, as visibility counts the rows of its heads, against keys j0..j1-1:
 * all that the row sees, or all that count if outputs per pair are wanted. */
struct attn__score_row {
    const struct attn__score *x;
    const struct attn__vis *v;
    int64_t r, j0, j1;
    double *room; /* of attn__row_scratch: [k] for whole rows */
};

/*
 * s[j - j0] is scale * q.k in natural units and becomes the final weight. m
 * and l are what attn__finish_rows wants: those of the softmax where weights
 * are powers of e; else l is 1, or NaN if the row must be done again.
 * Outputs per pair and per row but OUT and LSE are written.
 */
void attn__score_row_weights(const struct attn__score_row *r, float *s, float *m, float *l);

/* What it costs a score, where a multiply-add of a lane is 1. */
double attn__score_row_cost(const struct attn__problem *p);

/* Outputs per pair are wanted: rows need all keys. */
bool attn__score_row_all_pairs(const struct attn__problem *p);

#endif /* ATTN_SOLVERS_SCORE_ROW_H */
