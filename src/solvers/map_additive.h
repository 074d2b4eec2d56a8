/* SPDX-License-Identifier: MIT */
/*
 * Additive scores (Bahdanau et al., 2015), as a step of a recipe.
 */
#ifndef ATTN_SOLVERS_MAP_ADDITIVE_H
#define ATTN_SOLVERS_MAP_ADDITIVE_H

#include <attn/tensor.h>

#include "thread/parallel.h"

/*
 * u[b,h,i,j] = sum_c w[h,c] tanh(q[b,q_head[h],i,c] + k[b,k_head[h],j,c]).
 * q, k: any float type [B,*,N,D]; w [H,D]; room: B * H * D doubles; u: dense,
 * f32 or f64 [B,H,Nq,Nk].
 */
void attn__map_additive(struct attn__threads *threads, const attn_tensor *q,
                        const int64_t *q_head, const attn_tensor *k, const int64_t *k_head,
                        const attn_tensor *w, double *room, const attn_tensor *u);

#endif /* ATTN_SOLVERS_MAP_ADDITIVE_H */
