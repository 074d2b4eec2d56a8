/* SPDX-License-Identifier: MIT */
/*
 * Products of rows with a small matrix for each head: the projections of mla.
 */
#ifndef ATTN_SOLVERS_MAP_GEMM_H
#define ATTN_SOLVERS_MAP_GEMM_H

#include "problem/recipe.h"
#include "solvers/scratch.h"

/*
 * out[b,h,i,:] = a[b,h,i,:] W_h, or W_h^T if across: a [B,H|1,N,K] and out
 * [B,H,N,M] of any types and strides, w [H,K,M], across [H,M,K]. Sums are f32,
 * or f64 if a is.
 */
struct attn__map_gemm {
    const attn_tensor *a, *w, *out;
    bool across;
};

/* Room for all products of widths up to `width`; NULL while measuring. */
void *attn__map_gemm_take(struct attn__scratch *s, int64_t width, int64_t threads);

void attn__map_gemm(const struct attn__recipe_run *r, const struct attn__map_gemm *g,
                    int64_t width, void *room);

/* out = a, element by element, [B,H,N,K] both. */
void attn__map_copy(const struct attn__recipe_run *r, const attn_tensor *a,
                    const attn_tensor *out);

#endif /* ATTN_SOLVERS_MAP_GEMM_H */
