/* SPDX-License-Identifier: MIT */
/*
 * Attention sinks from column sums, as a step of a recipe.
 */
#ifndef ATTN_SOLVERS_MAP_ACT_H
#define ATTN_SOLVERS_MAP_ACT_H

#include <attn/tensor.h>

/*
 * sink[b,h,0,j] = 1 where the mean probability of key j over the rows that
 * can see it, colsum[b,h,j] / (N - j), is above `threshold` and j is not the
 * first such key; 0 elsewhere and in heads with chosen[h] = 0. colsum [B,H,N]
 * of f32 or f64, sink [B,H,1,N] of bytes, both dense.
 */
void attn__map_act_sinks(const attn_tensor *colsum, const uint8_t *chosen, double threshold,
                         const attn_tensor *sink);

/* Every byte x of a dense array becomes 1 - x. */
void attn__map_act_others(const attn_tensor *sink);

#endif /* ATTN_SOLVERS_MAP_ACT_H */
