/* SPDX-License-Identifier: MIT */
/*
 * Copying picked rows together, as a step of a recipe.
 */
#ifndef ATTN_SOLVERS_MAP_PICK_H
#define ATTN_SOLVERS_MAP_PICK_H

#include <attn/tensor.h>

#include "thread/parallel.h"

/* to[b,h,r,:] = from[b,h,rows[b,r],:]. from [B,H,N,D], to [B,H,R,D], of one
 * type; rows [B|1,R] of i32 or i64, all within from. */
void attn__map_pick(struct attn__threads *threads, const attn_tensor *from,
                    const attn_tensor *rows, const attn_tensor *to);

#endif /* ATTN_SOLVERS_MAP_PICK_H */
