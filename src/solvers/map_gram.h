/* SPDX-License-Identifier: MIT */
/*
 * Keys of one kind carried over to the space of another, as a step of a
 * recipe.
 */
#ifndef ATTN_SOLVERS_MAP_GRAM_H
#define ATTN_SOLVERS_MAP_GRAM_H

#include <attn/tensor.h>

#include "solvers/scratch.h"
#include "thread/parallel.h"

/* Room for a view with `heads` batch elements and heads together. */
double *attn__map_gram_take(struct attn__scratch *s, int64_t heads, int64_t d);

/*
 * With G_m = sum of k k^T over the keys of class m, |.| the Frobenius norm:
 * a key of class 0 becomes k G_1 / |G_1|, one of class 1 k G_0 / |G_0|; keys
 * of other classes, and those for which that G is 0, stay. from: any float
 * type [B,H,N,D]; class_k [B|1,N] of u8; to: dense, f32 or f64.
 */
void attn__map_gram(struct attn__threads *threads, const attn_tensor *from,
                    const attn_tensor *class_k, double *room, const attn_tensor *to);

#endif /* ATTN_SOLVERS_MAP_GRAM_H */
