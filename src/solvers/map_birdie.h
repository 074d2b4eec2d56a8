/* SPDX-License-Identifier: MIT */
/*
 * Recurrences both ways over a prefix and a causal area, as steps of a recipe:
 * what the mask of birdie means, and the form with a number for each channel.
 */
#ifndef ATTN_SOLVERS_MAP_BIRDIE_H
#define ATTN_SOLVERS_MAP_BIRDIE_H

#include "problem/call.h"
#include "problem/recipe.h"

/* Values of the mask. */
enum { ATTN__BIRDIE_PREFIX, ATTN__BIRDIE_START, ATTN__BIRDIE_CAUSAL };

/*
 * Does the state become 0 in front of token i of a sequence, as the scan comes
 * to it? Forward: at a start. Reverse: in the causal area, and at the last
 * token of a sample, where the next one starts.
 */
bool attn__birdie_resets(const struct attn__call *c, const struct attn__seq *s, int64_t i,
                         bool reverse);

/* The same for all tokens: to [1|B,N], bool. */
void attn__map_birdie_resets(const struct attn__recipe_run *r, bool reverse,
                             const attn_tensor *to);

/*
 * out = h of h_t = f_t h_(t-1) + x_t channel by channel, with x in V, f in
 * FORGET and 0 for it where the state is reset: heads 0 to forward - 1 in
 * order, from the caller's state and into it, the others from the end.
 */
void attn__map_birdie(const struct attn__recipe_run *r, int64_t forward);

#endif /* ATTN_SOLVERS_MAP_BIRDIE_H */
