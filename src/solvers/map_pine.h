/* SPDX-License-Identifier: MIT */
/*
 * Order and positions of documents, as steps of a recipe: which documents
 * matter most to a row, how far that moves their keys, and rows turned by
 * positions of their own.
 */
#ifndef ATTN_SOLVERS_MAP_PINE_H
#define ATTN_SOLVERS_MAP_PINE_H

#include "problem/recipe.h"
#include "solvers/rope_turn.h"

/*
 * Tokens 0 to n - 1: in front of the documents, document e from doc[e] to
 * doc[e + 1] - 1 for e < n_docs, behind them. Rows first to n - 1 are queries.
 */
struct attn__pine {
    int64_t n_docs, n, first;
    const int64_t *doc;
};

/* The document of token i; -1 in front of them, n_docs behind. */
int64_t attn__pine_doc(const struct attn__pine *x, int64_t i);

/* Where token i stands: all documents end where the last one does. */
int64_t attn__pine_position(const struct attn__pine *x, int64_t i);

/*
 * How far keys of document e move down for query i of output head h:
 * shift[e * heads * rows + h * rows + i - first], rows = n - first, the sum of
 * the lengths of the documents in front of e in this order: for a row of a
 * document that document first, then the others by importance, the largest
 * first and the lower number of equal ones; behind the documents all by
 * importance. That is the mean probability of a key of e, for a document
 * summed over its rows, from lse[same index], the log-sum-exp of the row's
 * scores without positions over the keys of e; lse of a row's own document,
 * and all of it where that cannot change an order, are not read. room: heads *
 * n_docs doubles. Rows in front of the documents are left out.
 */
void attn__map_pine_shifts(struct attn__threads *threads, const struct attn__pine *x,
                           int64_t heads, const attn_tensor *lse, double *room, int64_t *shift);

/* Does the order of documents for rows of one, or behind all, need lse? */
static inline bool attn__pine_weighs(const struct attn__pine *x, bool behind)
{
    return x->n_docs > (behind ? 1 : 2);
}

/*
 * to[0,h,i,:] = from[0,head[h],i,:] turned by where token first_token + i
 * stands, plus shift[h * shift_rows + i] unless shift is NULL. head NULL: h. to:
 * dense, f32 or f64. room: one of attn__rope_room_take for each thread.
 */
struct attn__pine_turn {
    const struct attn__pine *x;
    const attn_tensor *from, *to;
    const int64_t *head, *shift;
    int64_t shift_rows, first_token;
};

void attn__map_pine_turn(const struct attn__recipe_run *r, const struct attn__pine_turn *turn,
                         struct attn__rope_room *room);

#endif /* ATTN_SOLVERS_MAP_PINE_H */
