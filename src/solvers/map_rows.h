/* SPDX-License-Identifier: MIT */
/*
 * Rows of several results into one, with the epilogue of the whole problem:
 * the last step of diff_attention.
 */
#ifndef ATTN_SOLVERS_MAP_ROWS_H
#define ATTN_SOLVERS_MAP_ROWS_H

#include "problem/recipe.h"
#include "solvers/scratch.h"

/* Room that attn__map_difference takes from the same scratch. */
void *attn__map_difference_take(struct attn__scratch *s, const struct attn__problem *p,
                                int64_t threads);

/*
 * OUT = epilogue(x - lambda y), rows and heads as in OUT; x and y of the row
 * type, dense. lambda: [Hout] or [1].
 */
void attn__map_difference(const struct attn__recipe_run *r, struct attn__scratch *s,
                          const attn_tensor *x, const attn_tensor *y, const attn_tensor *lambda);

#endif /* ATTN_SOLVERS_MAP_ROWS_H */
