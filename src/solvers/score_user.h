/* SPDX-License-Identifier: MIT */
/*
 * The step that is the caller's function, as score_steps.c calls it.
 */
#ifndef ATTN_SOLVERS_SCORE_USER_H
#define ATTN_SOLVERS_SCORE_USER_H

#include "solvers/score_steps.h"

void attn__score_user_tile(const struct attn__score *x, const struct attn__score_tile *t);
void attn__score_user_row(const struct attn__score *x, int64_t r, int64_t j0, int64_t nk,
                          float *s);
/* In f32: the function knows nothing else. */
double attn__score_user_pair(const struct attn__score_exact *x, int64_t j, double s);

#endif /* ATTN_SOLVERS_SCORE_USER_H */
