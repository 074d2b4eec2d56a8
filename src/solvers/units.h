/* SPDX-License-Identifier: MIT */
/*
 * Units of work. How an execute is cut into units follows from the problem
 * alone; threads only take units, in whatever order, so the bits do not
 * depend on their number.
 */
#ifndef ATTN_SOLVERS_UNITS_H
#define ATTN_SOLVERS_UNITS_H

#include <stdatomic.h>

#include "problem/solver.h"
#include "solvers/scratch.h"

struct attn__units {
    const struct attn__exec *x;
    int64_t *start; /* [n_seq + 1]: first unit of each sequence, and the end */
    /* How many units a sequence of this solver has. */
    int64_t (*count)(const struct attn__exec *x, const struct attn__seq *s);
    /* Does unit `index` of sequence s as worker `worker`. */
    void (*unit)(void *arg, int64_t worker, const struct attn__seq *s, int64_t index);
    void *arg;
    _Atomic int64_t next;
};

/* Room for `start`. */
void attn__units_take(struct attn__scratch *s, const struct attn__problem *p, int64_t **start);

/* Fills start; returns the number of units. */
int64_t attn__units_count(struct attn__units *u);

/* The sequence that unit n belongs to. */
int64_t attn__units_find(const struct attn__units *u, int64_t n);

/* Counts, then does all units on the threads of the execute. Workers are
 * numbered from 0 below machine->threads, each number on one thread. */
void attn__units_run(struct attn__units *u);

/* Units that head group g of a sequence is cut into. */
typedef int64_t attn__group_units_fn(const struct attn__exec *x, const struct attn__seq *s,
                                     int64_t g);

/* The sum over all groups, and the group that unit *index is in: *index is
 * then counted within it. */
int64_t attn__units_of_groups(const struct attn__exec *x, const struct attn__seq *s,
                              attn__group_units_fn *units);
int64_t attn__units_find_group(const struct attn__exec *x, const struct attn__seq *s,
                               attn__group_units_fn *units, int64_t *index);

#endif /* ATTN_SOLVERS_UNITS_H */
