/* SPDX-License-Identifier: MIT */
/*
 * Rows of Q and K as a solver computes with them: f32, normalised (qk_norm)
 * and then turned by their positions (rope) where the problem says so. Where
 * it does not, rows come as attn__rows_f32 has them, copied only if they are
 * no dense f32 rows, and none of this costs anything. A row's values depend
 * on the row, its position and its head alone. Of a view with
 * cache_keys=block_local keys are turned on by where their part begins; who
 * turns queries back by that (base) does without.
 */
#ifndef ATTN_SOLVERS_QK_LOAD_H
#define ATTN_SOLVERS_QK_LOAD_H

#include "solvers/rope_turn.h"
#include "solvers/rows_load.h"

/* Of one worker. */
struct attn__qk_room {
    struct attn__rope_room rope;
};

/* The rows of one sequence. */
struct attn__qk {
    const struct attn__call *c;
    const struct attn__seq *s;
    struct attn__qk_room *room;
    int64_t base; /* positions of queries are counted from here */
};

/* NULL while measuring. */
struct attn__qk_room *attn__qk_room_take(struct attn__scratch *s, const struct attn__problem *p);

struct attn__qk attn__qk_begin(const struct attn__call *c, const struct attn__seq *s,
                               struct attn__qk_room *room);

static inline bool attn__qk_changes_q(const struct attn__problem *p)
{
    return p->qk_norm.kind != ATTN_QK_NORM_NONE || p->rope.on_q;
}

static inline bool attn__qk_changes_k(const struct attn__problem *p)
{
    return p->qk_norm.kind != ATTN_QK_NORM_NONE || p->rope.on_k || p->view.local;
}

/* What the changes cost per element, in units of 16 multiply-adds at the
 * rate of the machine: for costs of solvers. */
double attn__qk_cost_k(const struct attn__problem *p);

/* Rows i0.. of output head h's query head, `rows` of them, into dst. */
void attn__qk_load_q(const struct attn__qk *x, const struct attn__kernels *kern, int64_t h,
                     int64_t i0, int64_t rows, float *dst, int64_t ld);

/* Keys j0.. of output head h's key head k = attn__call_k(h) into dst. */
void attn__qk_load_k(const struct attn__qk *x, const struct attn__kernels *kern, int64_t h,
                     const struct attn__rows *k, int64_t j0, int64_t rows, float *dst,
                     int64_t ld);

/* As attn__rows_f32: the caller's memory or a copy in `room` [rows * d]. */
static inline const float *attn__qk_q(const struct attn__qk *x, const struct attn__kernels *kern,
                                      int64_t h, int64_t i0, int64_t rows, float *room,
                                      int64_t *ld)
{
    if (!attn__qk_changes_q(x->c->p)) {
        struct attn__rows q = attn__call_q(x->c, x->s, h);
        return attn__rows_f32(kern, &q, i0, rows, x->c->p->d, room, ld);
    }
    *ld = x->c->p->d;
    attn__qk_load_q(x, kern, h, i0, rows, room, *ld);
    return room;
}

static inline const float *attn__qk_k(const struct attn__qk *x, const struct attn__kernels *kern,
                                      int64_t h, const struct attn__rows *k, int64_t j0,
                                      int64_t rows, float *room, int64_t *ld)
{
    if (!attn__qk_changes_k(x->c->p))
        return attn__rows_f32(kern, k, j0, rows, x->c->p->d, room, ld);
    *ld = x->c->p->d;
    attn__qk_load_k(x, kern, h, k, j0, rows, room, *ld);
    return room;
}

/* Row i of Q, or key i, given as doubles [d]. */
void attn__qk_change_q_f64(const struct attn__qk *x, int64_t h, int64_t i, double *row);
void attn__qk_change_k_f64(const struct attn__qk *x, int64_t h, int64_t j, double *row);

#endif /* ATTN_SOLVERS_QK_LOAD_H */
