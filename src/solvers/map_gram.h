/* SPDX-License-Identifier: MIT */
/*
 * Gram matrices of two classes of keys and queries turned by them, as steps of
 * a recipe. A score q.(G k) is (G q).k, so that no key is touched.
 */
#ifndef ATTN_SOLVERS_MAP_GRAM_H
#define ATTN_SOLVERS_MAP_GRAM_H

#include "problem/recipe.h"
#include "solvers/scratch.h"

struct attn__gram {
    void *matrix; /* [B,Hk,2,D,D], f32 or f64 */
    char *work;   /* of each thread */
};

void attn__map_gram_take(struct attn__scratch *s, const struct attn__problem *p,
                         const struct attn__machine *m, struct attn__gram *g);

/*
 * matrix[b,h,m] = G / |G|, the Frobenius norm, with G the sum of k k^T over
 * the keys k of class m; the unit matrix where G is 0. Keys of classes from 2
 * on are not read. k: any float type [B,Hk,N,D], class_k [B|1,N] of u8.
 */
void attn__map_gram(const struct attn__recipe_run *r, const attn_tensor *k,
                    const attn_tensor *class_k, const struct attn__gram *g);

/*
 * to[b,h,i,:] = matrix[b,k_head[h],m] q[b,q_head[h],i,:], m the class of row i,
 * with the head maps of the problem; rows of other classes than 0 and 1 are
 * copied. to: dense [B,Hout,N,D], f32 or f64.
 */
void attn__map_gram_turn(const struct attn__recipe_run *r, const attn_tensor *q,
                         const attn_tensor *class_q, const struct attn__gram *g,
                         const attn_tensor *to);

#endif /* ATTN_SOLVERS_MAP_GRAM_H */
