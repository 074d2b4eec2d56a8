/* SPDX-License-Identifier: MIT */
/*
 * Rows times the matrix of the expert that a router chose for them: the
 * queries of mixtures of attention heads.
 */
#ifndef ATTN_SOLVERS_MAP_EXPERTS_H
#define ATTN_SOLVERS_MAP_EXPERTS_H

#include "problem/recipe.h"
#include "solvers/scratch.h"

/*
 * out[b,a,i,:] = W_e x[b,i,:] with e = experts[b,a,i]; zeros where that is -1.
 * x [B,N,C], w [E,M,C] of any types and strides, experts [B,A,N] i64, out
 * [B,A,N,M] of f32, or f64 if x is, both dense. Sums are of the type of out.
 */
struct attn__map_experts {
    const attn_tensor *x, *w, *experts, *out;
};

/* Where the rows of each expert are. */
struct attn__map_experts_room {
    int64_t *first; /* [E + 1] */
    int64_t *row;   /* [B * A * N], rows of out */
    void *gemm;
};

/* Room for `rows` rows of out and widths up to `width`; NULL while measuring. */
void attn__map_experts_take(struct attn__scratch *s, int64_t experts, int64_t rows,
                            int64_t width, int64_t threads, struct attn__map_experts_room *room);

void attn__map_experts(const struct attn__recipe_run *r, const struct attn__map_experts *m,
                       int64_t width, const struct attn__map_experts_room *room);

/* The caller's copy: [B,A,N] of i32 or i64. */
void attn__map_experts_tell(const struct attn__recipe_run *r, const attn_tensor *experts,
                            const attn_tensor *to);

#endif /* ATTN_SOLVERS_MAP_EXPERTS_H */
