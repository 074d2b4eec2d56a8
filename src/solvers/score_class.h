/* SPDX-License-Identifier: MIT */
/*
 * The step s += a |s| + c with a and c by head and class of the key (PAI, Liu
 * et al., 2024), as score_steps.c calls it.
 */
#ifndef ATTN_SOLVERS_SCORE_CLASS_H
#define ATTN_SOLVERS_SCORE_CLASS_H

#include "solvers/score_steps.h"

void attn__score_class_tile(const struct attn__score *x, const struct attn__score_tile *t);
void attn__score_class_row(const struct attn__score *x, int64_t r, int64_t j0, int64_t nk,
                           float *s);
double attn__score_class_pair(const struct attn__score_exact *x, int64_t j, double s);

#endif /* ATTN_SOLVERS_SCORE_CLASS_H */
