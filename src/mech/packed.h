/* SPDX-License-Identifier: MIT */
/*
 * Room in a recipe's workspace for the offsets of a packed batch whose rows
 * attn__recipe_rebase moves to the front.
 */
#ifndef ATTN_MECH_PACKED_H
#define ATTN_MECH_PACKED_H

#include "problem/problem.h"
#include "solvers/scratch.h"

/* [b + 1]; nothing of a batch that is not packed. */
static inline int64_t *attn__packed_offsets(struct attn__scratch *s, const struct attn__problem *p)
{
    int64_t n = 0;
    s->ok = s->ok && attn__add_i64(p->b, 1, &n);
    return ATTN__TAKE(s, p->packed ? n : 0, int64_t);
}

#endif /* ATTN_MECH_PACKED_H */
