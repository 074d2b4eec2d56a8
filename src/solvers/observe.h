/* SPDX-License-Identifier: MIT */
/*
 * observe: the weights that an execute's rows gave to tokens of a cache are
 * added to the scores of these. A pass after the solvers, from their lse:
 * p = exp(s - lse).
 */
#ifndef ATTN_SOLVERS_OBSERVE_H
#define ATTN_SOLVERS_OBSERVE_H

#include "problem/solver.h"
#include "solvers/row_pass.h"

/* Room of `threads` workers, none unless the problem observes; NULL while
 * measuring. */
struct attn__row_room *attn__observe_take(struct attn__scratch *s, const struct attn__problem *p,
                                          int64_t threads);

/* Of a call with VIEW, whose cache may be changed, and LSE. */
void attn__observe(const struct attn__call *c, const struct attn__machine *m,
                   struct attn__threads *threads, const struct attn__row_room *room);

#endif /* ATTN_SOLVERS_OBSERVE_H */
