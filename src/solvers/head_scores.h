/* SPDX-License-Identifier: MIT */
/*
 * The arithmetic behind <attn/head_scores.h>, where shapes and meanings are;
 * arguments have been checked.
 */
#ifndef ATTN_SOLVERS_HEAD_SCORES_H
#define ATTN_SOLVERS_HEAD_SCORES_H

#include <attn/tensor.h>

/* positions [T,H] or [T,H,K]. */
void attn__head_scores_retrieval(const attn_tensor *positions, const attn_tensor *generated,
                                 const attn_tensor *prompt, int64_t start, int64_t end,
                                 const attn_tensor *scores);

void attn__head_scores_razor(const attn_tensor *probs, int64_t period, int64_t bos,
                             const attn_tensor *echo, const attn_tensor *induction);

/* |x - y|_2 of two rows of n elements, `x_step` and `y_step` apart. */
double attn__head_scores_distance(const attn_tensor *x, int64_t x_at, int64_t x_step,
                                  const attn_tensor *y, int64_t y_at, int64_t y_step, int64_t n);

void attn__head_scores_vhd(const attn_tensor *with, const attn_tensor *without,
                           const attn_tensor *distances);

/* before may be NULL. */
void attn__head_scores_rollout(const attn_tensor *probs, double residual,
                               const attn_tensor *before, const attn_tensor *after);

#endif /* ATTN_SOLVERS_HEAD_SCORES_H */
