/* SPDX-License-Identifier: MIT */
/*
 * Rows times one factor each, as a step of a recipe.
 */
#ifndef ATTN_SOLVERS_MAP_GATE_H
#define ATTN_SOLVERS_MAP_GATE_H

#include <attn/tensor.h>

#include "thread/parallel.h"

/* to[b,h,n,:] = gate[b,h,n] * from[b,head[h],n,:]. gate NULL: a copy. from of
 * any float type [B,*,N,D]; gate [B,H,N], to [B,H,N,D] of f32 or f64. */
void attn__map_gate(struct attn__threads *threads, const attn_tensor *from, const int64_t *head,
                    const attn_tensor *gate, const attn_tensor *to);

/* x = -x for a dense array of f32 or f64. */
void attn__map_negate(const attn_tensor *x);

#endif /* ATTN_SOLVERS_MAP_GATE_H */
