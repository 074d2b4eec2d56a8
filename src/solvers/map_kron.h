/* SPDX-License-Identifier: MIT */
/*
 * Products of two lists of rows, as a step of a recipe.
 */
#ifndef ATTN_SOLVERS_MAP_KRON_H
#define ATTN_SOLVERS_MAP_KRON_H

#include <attn/tensor.h>

#include "thread/parallel.h"

/* to[b,h,j*M+l,:] = x[b,h,x0+j,:] * y[b,h,l,:] for 0 <= j < n_x, with M rows
 * of y. x, y of any float type [B,H,*,D]; to f32 or f64 [B,H,n_x*M,D]. */
void attn__map_kron(struct attn__threads *threads, const attn_tensor *x, int64_t x0, int64_t n_x,
                    const attn_tensor *y, const attn_tensor *to);

#endif /* ATTN_SOLVERS_MAP_KRON_H */
