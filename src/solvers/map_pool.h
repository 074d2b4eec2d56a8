/* SPDX-License-Identifier: MIT */
/*
 * Means over the cells of an image, as a step of a recipe.
 */
#ifndef ATTN_SOLVERS_MAP_POOL_H
#define ATTN_SOLVERS_MAP_POOL_H

#include <attn/tensor.h>

#include "thread/parallel.h"

/*
 * to[b,h,i * side + j,:] = mean of from[b,h,first + y * columns + x,:] over the
 * rows y of floor(i rows / side) to ceil((i + 1) rows / side) - 1 and the
 * columns x likewise: adaptive average pooling, whose cells overlap where the
 * sizes do not divide. from [B,H,N,D] of any float type, to [B,H,side^2,D]
 * dense, f32 or f64. Sums are double.
 */
void attn__map_pool(struct attn__threads *threads, const attn_tensor *from, int64_t first,
                    int64_t rows, int64_t columns, int64_t side, const attn_tensor *to);

#endif /* ATTN_SOLVERS_MAP_POOL_H */
