/* SPDX-License-Identifier: MIT */
/*
 * The noise of pgqa: making it from random numbers, and taking it off, as a
 * step of a recipe.
 */
#ifndef ATTN_SOLVERS_MAP_NOISE_H
#define ATTN_SOLVERS_MAP_NOISE_H

#include <attn/tensor.h>

#include "thread/parallel.h"

/* As attn_pgqa_noise, for groups of `group` heads. */
void attn__map_noise_make(const attn_tensor *uniform, int64_t group, const attn_tensor *noise);

/*
 * out[b,h] = x[b,h] - (noise[h] s + m) with m and s the mean and the standard
 * deviation (of n - 1) of x[b,h] over tokens and channels. x [B,H,N,D] dense,
 * noise [H,N,D], out [B,H,N,D] of any float types.
 */
void attn__map_noise(struct attn__threads *threads, const attn_tensor *x, const attn_tensor *noise,
                     const attn_tensor *out);

#endif /* ATTN_SOLVERS_MAP_NOISE_H */
