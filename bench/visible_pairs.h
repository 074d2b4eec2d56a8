/* SPDX-License-Identifier: MIT */
/* Which pairs of a problem are visible, counted one by one. */
#ifndef ATTN_BENCH_VISIBLE_PAIRS_H
#define ATTN_BENCH_VISIBLE_PAIRS_H

#include "problem_size.h"

typedef struct bench_pairs {
    double visible; /* of all heads of one sequence */
    double keys;    /* that some row of some head sees, per head of K */
} bench_pairs;

/*
 * Counts causal, window, sink tokens, prefix, segments and pieces, lists as
 * they are made here. Whatever else comes with the call hides nothing.
 * 0, or BENCH_FAILED after a message.
 */
int bench_pairs_count(const attn_desc *desc, const bench_size *size,
                      bench_pairs *pairs);

#endif
