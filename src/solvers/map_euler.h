/* SPDX-License-Identifier: MIT */
/*
 * Pairs of channels as complex numbers whose angle is stretched, as a step of
 * a recipe.
 */
#ifndef ATTN_SOLVERS_MAP_EULER_H
#define ATTN_SOLVERS_MAP_EULER_H

#include <attn/tensor.h>

#include "thread/parallel.h"

/*
 * Channels 2c and 2c + 1 of a row become r e^(i t) with the same length r and
 * t = delta[h,c] * angle + shift[h,c]; the angle of 0 is 0. from: any float
 * type [B,H,N,D], D even; delta, shift: [H,D/2], NULL for 1 and 0; to: dense,
 * f32 or f64.
 */
void attn__map_euler(struct attn__threads *threads, const attn_tensor *from,
                     const attn_tensor *delta, const attn_tensor *shift, const attn_tensor *to);

#endif /* ATTN_SOLVERS_MAP_EULER_H */
