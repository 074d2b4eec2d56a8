/* SPDX-License-Identifier: MIT */
/*
 * What the fused solvers share: which problems they serve, and their last
 * step, rows of f32 results to the caller's memory and rows that came out
 * non-finite to the exact path.
 */
#ifndef ATTN_SOLVERS_FINISH_H
#define ATTN_SOLVERS_FINISH_H

#include "problem/solver.h"
#include "solvers/row_exact.h"

/* A solver that computes in f32 and keeps no scores. */
bool attn__finish_applicable(const struct attn__problem *p, char why[ATTN__WHY_MAX]);
/* The same, and it can serve outputs `want`. */
bool attn__finish_applicable_with(const struct attn__problem *p, int32_t want,
                                  char why[ATTN__WHY_MAX]);

/* The same, and it knows logits of lists. */
bool attn__finish_applicable_logits(const struct attn__problem *p, int32_t want,
                                    char why[ATTN__WHY_MAX]);

struct attn__row_again;

/*
 * Writes rows r0..r0+rows-1 as v counts them: o[n * ldo + e] finished values,
 * m and l the row's maximum (base 2) and sum, so that lse = (m + log2 l) *
 * ln 2; or what norm_pass.h says of other normalisers. Rows that are not
 * finite are done again: by `again` where that is not NULL (invariant=chunk),
 * else or if that fails by the exact path. o is changed where the problem has
 * an epilogue.
 */
void attn__finish_rows(const struct attn__call *c, const struct attn__kernels *kern,
                       const struct attn__seq *s, const struct attn__vis *v, int64_t r0,
                       int64_t rows, float *o, int64_t ldo, float *m, float *l,
                       const struct attn__row_scratch *exact, struct attn__row_again *again);

/*
 * Takes the sink logits of rows r0..r0+rows-1, if the problem has them, into
 * their maxima m (base 2) and sums l, and fills f with the factors that make
 * their weighted sums the results: 0 where a row saw nothing.
 */
void attn__finish_factors(const struct attn__call *c, const struct attn__seq *s,
                          const struct attn__vis *v, int64_t r0, int64_t rows, float *m, float *l,
                          float *f);

#endif /* ATTN_SOLVERS_FINISH_H */
