/* SPDX-License-Identifier: MIT */
/*
 * The term q.R of a query with a row of QUERY_TABLE that goes by distance
 * (relative positions of Shaw et al., 2018, and Transformer-XL, Dai et al.,
 * 2019), and the queries of both products, which may have biases of their own.
 */
#ifndef ATTN_SOLVERS_SCORE_TABLE_H
#define ATTN_SOLVERS_SCORE_TABLE_H

#include "solvers/score_steps.h"

void attn__score_table_tile(const struct attn__score *x, const struct attn__score_tile *t);
void attn__score_table_row(const struct attn__score *x, int64_t r, int64_t j0, int64_t nk,
                           float *s);
double attn__score_table_pair(const struct attn__score_exact *x, int64_t j, double s);

#endif /* ATTN_SOLVERS_SCORE_TABLE_H */
