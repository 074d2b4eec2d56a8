/* SPDX-License-Identifier: MIT */
/*
 * Scores of lama, as steps of a recipe. Which tokens count is told by K_LEN,
 * K_START and MASK [B|1,1,1,Nk] of the call; the others are not read.
 */
#ifndef ATTN_SOLVERS_MAP_LAMA_H
#define ATTN_SOLVERS_MAP_LAMA_H

#include "problem/recipe.h"
#include "solvers/scratch.h"

/* Room of attn__map_lama_context; NULL while measuring. */
double *attn__map_lama_take(struct attn__scratch *s, const struct attn__problem *p);

/* context[b,0,0,:] = mean of the rows of K that count, 0 if there is none;
 * dense, f32 or f64 [B,1,1,D]. */
void attn__map_lama_context(const struct attn__recipe_run *r, double *room,
                            const attn_tensor *context);

/*
 * a[b,m,0,j] = x_m / |x|, x_m = tanh(context[b,m] * a[b,m,0,j]); 0 where all
 * x_m are 0 and where token j does not count. context [B,M] and a [B,M,1,Nk]
 * dense, f32 or f64.
 */
void attn__map_lama_scores(const struct attn__recipe_run *r, const attn_tensor *context,
                           const attn_tensor *a);

#endif /* ATTN_SOLVERS_MAP_LAMA_H */
