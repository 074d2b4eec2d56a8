/* SPDX-License-Identifier: MIT */
/*
 * One output row, exactly as defined: double precision, reading only visible
 * keys. The reference solver is this for every row; the fast solvers redo a
 * row with it when the row came out non-finite, because a tile may have
 * multiplied a zero weight with an Inf or NaN of a key the row does not see.
 */
#ifndef ATTN_SOLVERS_ROW_EXACT_H
#define ATTN_SOLVERS_ROW_EXACT_H

#include "problem/call.h"
#include "solvers/qk_load.h"
#include "solvers/scratch.h"

struct attn__row_scratch {
    double *q, *k, *tq; /* [d]; tq for QUERY_TABLE */
    double *v, *acc; /* [dv] */
    double *x; /* [k], for normalisers that need whole rows; else empty */
    struct attn__qk_room *qk;
    float *row; /* of the epilogue */
};

void attn__row_scratch_take(struct attn__scratch *s, const struct attn__problem *p,
                            struct attn__row_scratch *out);

/* Are there outputs for which a row needs the scores of all keys? */
bool attn__row_exact_all_pairs(const struct attn__call *c);

/* Writes every present output of row i of output head h but COLSUM, to which
 * it adds. v: the visibility of that sequence and head. */
void attn__row_exact(const struct attn__call *c, const struct attn__seq *s,
                     const struct attn__vis *v, int64_t h, int64_t i,
                     const struct attn__row_scratch *scratch);

/* The per-row outputs of padding: zeros, lse and rowmax -inf, argmax -1. */
void attn__row_empty(const struct attn__call *c, const struct attn__seq *s, int64_t h, int64_t i);

/* The outputs of a row that is not computed, those per pair as well. */
void attn__row_skipped(const struct attn__call *c, const struct attn__seq *s, int64_t h,
                       int64_t i);

/* As if no row of head h counted. */
void attn__rows_none(const struct attn__call *c, const struct attn__seq *s, int64_t h);

/* All padding rows and, for per-pair outputs, what lies outside the keys that
 * count: what every solver owes besides its rows. */
void attn__rows_pad(const struct attn__call *c, const struct attn__seq *s, int64_t h);

#endif /* ATTN_SOLVERS_ROW_EXACT_H */
