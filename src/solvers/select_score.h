/* SPDX-License-Identifier: MIT */
/*
 * The scores that the pooled selector picks by.
 */
#ifndef ATTN_SOLVERS_SELECT_SCORE_H
#define ATTN_SOLVERS_SELECT_SCORE_H

#include "solvers/select_view.h"

/* desk->sum[i] = the scores of row t0 + i of a set, for i < n <=
 * ATTN__POOLED_ROWS; units[i]: how many columns of products that row has. */
void attn__pooled_score(const struct attn__pooled_job *x, const struct attn__pooled_view *v,
                        int64_t set, int64_t t0, int64_t n, const struct attn__pooled_desk *k,
                        int64_t *units);

#endif /* ATTN_SOLVERS_SELECT_SCORE_H */
