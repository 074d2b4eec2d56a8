/* SPDX-License-Identifier: MIT */
/*
 * Means of runs of rows that may overlap, and sums of arrays, as steps of a
 * recipe.
 */
#ifndef ATTN_SOLVERS_MAP_WINDOWS_H
#define ATTN_SOLVERS_MAP_WINDOWS_H

#include <attn/tensor.h>

#include "thread/parallel.h"

/* to[b,h,c,:] = mean of from[b,h,c * step,:] to from[b,h,c * step + width - 1,:],
 * which are there. from [B,H,N,D] of any float type; to [B,H,C,D], f32 or f64,
 * dense. Sums are double. */
void attn__map_windows(struct attn__threads *threads, const attn_tensor *from, int64_t width,
                       int64_t step, const attn_tensor *to);

/* to = the sum of n views, all [B,H,N,D], of any float types. */
void attn__map_sum(struct attn__threads *threads, const attn_tensor *from, size_t n,
                   const attn_tensor *to);

#endif /* ATTN_SOLVERS_MAP_WINDOWS_H */
