/* SPDX-License-Identifier: MIT */
/*
 * Factors of heads by how far their outputs are apart with and without an
 * image, as a step of a recipe.
 */
#ifndef ATTN_SOLVERS_MAP_VHR_H
#define ATTN_SOLVERS_MAP_VHR_H

#include <stdbool.h>

#include <attn/tensor.h>

/*
 * With d_h = |with_h - without_h| and t_h = |without_h|^2 of the one row of
 * each head: factors[b,h] = alpha where d_h is above the median of the heads,
 * 1 elsewhere. `filter`: d_h counts as 0 if both d_h and t_h are more than one
 * standard deviation (of a sample) above their means. Where a d_h is NaN, all
 * factors are 1. with, without [B,H,1,Dv], factors [B,H] of f32 or f64; room:
 * 3 H doubles.
 */
void attn__map_vhr(const attn_tensor *with, const attn_tensor *without, double alpha, bool filter,
                   double *room, const attn_tensor *factors);

#endif /* ATTN_SOLVERS_MAP_VHR_H */
