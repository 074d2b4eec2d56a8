/* SPDX-License-Identifier: MIT */
/*
 * SKIP_BOUND: for each row at most how much of the softmax's mass the keys
 * have that its lists leave out. A pass after the solvers, from their lse.
 */
#ifndef ATTN_SOLVERS_SKIP_BOUND_H
#define ATTN_SOLVERS_SKIP_BOUND_H

#include "problem/solver.h"
#include "solvers/qk_load.h"
#include "solvers/score_steps.h"

/* Of a worker, for rows and keys that skip_bound.c takes at a time. */
struct attn__skip_desk {
    float *q, *signs;     /* scaled rows [rows][d]; (max(q,0), min(q,0)) [rows][2 d] */
    float *box, *centres; /* products with blocks [rows][blocks] */
    float *keys;          /* [keys][d] */
    float *bias, *weight; /* [keys]: what is added to the scores of a row */
    struct attn__score_work score;
    struct attn__qk_room *qk;
};

struct attn__skip_room {
    float *blocks; /* [b][hk][blocks of keys][...] */
    struct attn__skip_desk *desk; /* of each worker */
};

/* Room at the maxima, none unless the problem wants it; NULL while measuring. */
void attn__skip_bound_take(struct attn__scratch *s, const struct attn__problem *p,
                           int64_t threads, struct attn__skip_room *room);

/* Writes SKIP_BOUND of a call that has LSE, which may be the same memory. */
void attn__skip_bound(const struct attn__call *c, const struct attn__machine *m,
                      struct attn__threads *threads, const struct attn__skip_room *room);

#endif /* ATTN_SOLVERS_SKIP_BOUND_H */
