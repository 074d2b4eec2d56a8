/* SPDX-License-Identifier: MIT */
/*
 * Heads that are attention among some of the tokens: their rows in one packed
 * batch, a sequence for each batch and head, and back.
 */
#ifndef ATTN_SOLVERS_MAP_MEMBERS_H
#define ATTN_SOLVERS_MAP_MEMBERS_H

#include "problem/recipe.h"
#include "solvers/scratch.h"

struct attn__members {
    int64_t *offsets; /* [b * hout + 1] */
    int64_t *token;   /* [rows], rows of a sequence, rising in each */
    void *q, *k, *v, *out, *lse;
};

/* Room for `heads` heads of each token; NULL while measuring. */
void attn__members_take(struct attn__scratch *s, const struct attn__problem *p, int64_t heads,
                        struct attn__members *m);

/* Members are the rows whose gate [B,H,N] is neither 0 nor NaN; with `pad` each
 * head of a sequence has as many as the largest one, the first rows with gate 0
 * among them. Gives c the gathered tensors, offsets and number of sequences. */
void attn__members_gather(const struct attn__recipe_run *r, const attn_tensor *gates, bool pad,
                          struct attn__members *m, struct attn__call *c);

/* The rows to OUT and LSE of the caller's; those of nobody are 0 with lse
 * -inf, and NaN where the gate is. */
void attn__members_scatter(const struct attn__recipe_run *r, const attn_tensor *gates,
                           const struct attn__members *m);

#endif /* ATTN_SOLVERS_MAP_MEMBERS_H */
