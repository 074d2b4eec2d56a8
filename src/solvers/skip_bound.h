/* SPDX-License-Identifier: MIT */
/*
 * SKIP_BOUND: for each row at most how much of the softmax's mass the keys
 * have that its lists leave out. A pass after the solvers, from their lse.
 */
#ifndef ATTN_SOLVERS_SKIP_BOUND_H
#define ATTN_SOLVERS_SKIP_BOUND_H

#include "problem/solver.h"
#include "solvers/scratch.h"

struct attn__skip_room {
    float *blocks; /* [b][hk][blocks of keys][...] */
    float *work;   /* of each worker */
};

/* Room at the maxima, none unless the problem wants it; NULL while measuring. */
void attn__skip_bound_take(struct attn__scratch *s, const struct attn__problem *p,
                           int64_t threads, struct attn__skip_room *room);

/* Writes SKIP_BOUND of a call that has LSE, which may be the same memory. */
void attn__skip_bound(const struct attn__call *c, const struct attn__machine *m,
                      struct attn__threads *threads, const struct attn__skip_room *room);

#endif /* ATTN_SOLVERS_SKIP_BOUND_H */
