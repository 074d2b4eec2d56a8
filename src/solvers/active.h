/* SPDX-License-Identifier: MIT */
/*
 * Head gates: which rows of which heads are to be computed. Those of a gate
 * of exactly 0 (or of a HEAD_FACTOR of 0) are written as rows of nobody before
 * a solver begins; it then works on the active ones of each head group alone,
 * gathered in the order of their queries, so that tiles are full. For each
 * group it is only known how many are active before every so many queries: a
 * solver's unit looks its own rows up again.
 */
#ifndef ATTN_SOLVERS_ACTIVE_H
#define ATTN_SOLVERS_ACTIVE_H

#include "problem/solver.h"
#include "solvers/scratch.h"

struct attn__active {
    bool by_head;    /* a list for each output head, else for each head group */
    int64_t blocks;  /* of queries, the most of a sequence */
    int64_t *before; /* [b][lists][blocks + 1]: active rows in front of a block */
};

/* Nothing if the problem has no head gates. */
void attn__active_take(struct attn__scratch *s, const struct attn__problem *p, bool by_head,
                       struct attn__active *a);

/*
 * Counts, on the threads of the execute, and writes the rows that nobody
 * computes and all padding of the sequences that are the solver's. Returns
 * what x->active is to be: a, or NULL without head gates.
 */
const struct attn__active *attn__active_begin(const struct attn__exec *x, struct attn__active *a);

/* Active rows of list n: a head group or output head. */
int64_t attn__active_count(const struct attn__exec *x, const struct attn__seq *s, int64_t n);

/* The lines (visibility.h) of the list's active rows `first` to first + rows - 1. */
void attn__active_lines(const struct attn__exec *x, const struct attn__seq *s, int64_t n,
                        int64_t first, int64_t rows, int64_t *lines);

#endif /* ATTN_SOLVERS_ACTIVE_H */
