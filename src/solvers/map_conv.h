/* SPDX-License-Identifier: MIT */
/*
 * A causal convolution of each channel along the tokens, as a step of a
 * recipe.
 */
#ifndef ATTN_SOLVERS_MAP_CONV_H
#define ATTN_SOLVERS_MAP_CONV_H

#include <attn/tensor.h>

#include "thread/parallel.h"

/*
 * to[b,h,n,c] = bias[c] + sum over a < T of filter[c,a] from[b,h,n-T+1+a,c],
 * rows in front of the first[b]-th being 0. from: any float type [B,H,N,C];
 * first: [B] of integers, NULL for 0; filter [C,T]; bias [C], NULL for 0; to:
 * dense, f32 or f64, where rows in front of the first are not written.
 */
void attn__map_conv(struct attn__threads *threads, const attn_tensor *from,
                    const attn_tensor *first, const attn_tensor *filter, const attn_tensor *bias,
                    const attn_tensor *to);

#endif /* ATTN_SOLVERS_MAP_CONV_H */
