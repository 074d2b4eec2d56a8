/* SPDX-License-Identifier: MIT */
/*
 * The step that adds the dense bias, as score_steps.c calls it.
 */
#ifndef ATTN_SOLVERS_SCORE_BIAS_H
#define ATTN_SOLVERS_SCORE_BIAS_H

#include "solvers/score_steps.h"

void attn__score_bias_tile(const struct attn__score *x, const struct attn__score_tile *t);
void attn__score_bias_row(const struct attn__score *x, int64_t r, int64_t j0, int64_t nk,
                          float *s);
double attn__score_bias_pair(const struct attn__score_exact *x, int64_t j, double s);

#endif /* ATTN_SOLVERS_SCORE_BIAS_H */
