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

/* Rows of a that are multiplied together, and the floats of that room that a
 * worker has: that many rows of a and of the result, and a piece of w. */
enum { ATTN__MAP_GEMM_ROWS = 32 };

int64_t attn__map_gemm_room(int64_t width);

/* One such block: o [rows][m] = a [rows][k] times w; room: of the piece. */
void attn__map_gemm_block(const struct attn__kernels *kern, const struct attn__rows *w,
                          bool across, const float *a, int64_t k, int64_t rows, float *o,
                          int64_t m, float *room);

void attn__map_gemm(const struct attn__recipe_run *r, const struct attn__map_gemm *g,
                    int64_t width, void *room);

/* out = a, element by element, [B,H,N,K] both. */
void attn__map_copy(const struct attn__recipe_run *r, const attn_tensor *a,
                    const attn_tensor *out);

#endif /* ATTN_SOLVERS_MAP_GEMM_H */
