/* SPDX-License-Identifier: MIT */
/*
 * The pooled selector as a step of a recipe: rows of lists from queries and
 * keys, as a spec says (problem/pooled_spec.h).
 */
#ifndef ATTN_SOLVERS_SELECT_POOLED_H
#define ATTN_SOLVERS_SELECT_POOLED_H

#include "problem/recipe.h"
#include "problem/pooled_spec.h"
#include "solvers/scratch.h"
#include "state/selection.h"

/* What is compared. All views are [B,heads,N,D]; a head of 1 serves all, and so
 * does a batch of 1. */
struct attn__pooled {
    const struct attn__pooled_spec *spec;
    attn_tensor q, k; /* of queries; of keys, or with GIVEN and WINDOWS of blocks */
    int64_t heads;    /* scoring heads, heads / sets of each set */
    /* The head of q and of k of each scoring head; NULL: itself. */
    const int64_t *q_head, *k_head;
    const attn_tensor *offsets; /* [B|1,blocks + 1], of ragged */
    const attn_tensor *mask;    /* [B|1,Nq,blocks], of u8: may a query have it; or NULL */
    const attn_tensor *weight;  /* [B,Nq,heads], of RELU */
    const attn_tensor *kept;    /* [B,n]: picks of the one row of an entry, where the first is a
                                 * key; or NULL */
};

/* The sizes that room and capacity hang on. */
struct attn__pooled_size {
    int64_t b, q, k; /* largest batch, rows and keys of a sequence */
    int64_t sets, heads, k_heads;
    int64_t d;      /* width of q and k */
    int64_t blocks; /* rows of k or offsets at most where they are the caller's */
    bool exact;     /* in double */
};

/* Entries of a row at most; false: overflow. */
bool attn__pooled_per_row(const struct attn__pooled_spec *spec, const struct attn__pooled_size *z,
                          int64_t *entries);

/* Room for a run; NULL while measuring. */
void *attn__pooled_take(struct attn__scratch *s, const struct attn__pooled_spec *spec,
                        const struct attn__pooled_size *z, int64_t threads);

/*
 * Fills rows, whose shape and room are there (per_row of above). ATTN_ERR_DATA
 * for a score that is NaN, ATTN_ERR_RANGE for offsets that are no blocks of the
 * keys; the lists are empty then.
 */
int32_t attn__pooled_run(const struct attn__recipe_run *r, const struct attn__pooled *m,
                         const struct attn__pooled_size *z, struct attn__select_rows *rows,
                         int64_t per_row, void *room);

#endif /* ATTN_SOLVERS_SELECT_POOLED_H */
