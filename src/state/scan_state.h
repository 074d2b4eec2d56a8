/* SPDX-License-Identifier: MIT */
/*
 * The object attn_state: for each slot the states of all heads of one
 * sequence. A head's state is S [dk][cols] in f32, then z [dk16] and the
 * log-sum-exp of keys [dk16] in f64 where the mechanism has them.
 *
 * A segment is a state that also tells what the tokens do to whatever state
 * came before them, S <- M S + X: X stands in S's place; M is diagonal, its
 * logarithms [dk16] in f64, or where tokens erase [dk][dk] in the columns of S
 * behind the values. It is moved on by tokens like any column of S, with
 * values of 0.
 */
#ifndef ATTN_STATE_SCAN_STATE_H
#define ATTN_STATE_SCAN_STATE_H

#include <attn/state.h>

#include "base/ctx.h"
#include "problem/problem.h"

/* What a state is made for; states of equal shape fit each other's plans. */
struct attn__state_shape {
    int32_t mech, direction;
    int64_t hs, dk, dv;
    bool sum, lse; /* has z, has the log-sum-exp */
    bool erase;    /* tokens erase */
    bool segment;
};

struct attn_state {
    uint64_t tag; /* what says that this is a state */
    struct attn_ctx *ctx; /* a reference */
    struct attn__state_shape shape;
    int64_t slots;
    int64_t values, cols; /* columns of the values, rounded up to 16; and all */
    size_t z_at, lse_at, log_at; /* of a head, in bytes */
    size_t head_bytes, slot_bytes, bytes;
    /* [slots]: tokens since the state was zero; of a segment with a reset in it
     * -1 less those since the last */
    int64_t *count;
    char *data;     /* [slots][hs] heads */
};

#define ATTN__STATE_TAG UINT64_C(0x6174746e5f737461)

/* What a plan's problem needs of a state. */
struct attn__state_shape attn__state_shape_of(const struct attn__problem *p);
bool attn__state_same_shape(const struct attn__state_shape *a,
                            const struct attn__state_shape *b);

static inline char *attn__state_head(const struct attn_state *s, int64_t slot, int64_t head)
{
    return s->data + (size_t)slot * s->slot_bytes + (size_t)head * s->head_bytes;
}

/* NULL where there is none. */
static inline float *attn__state_z(const struct attn_state *s, char *head)
{
    return s->shape.sum ? (float *)(void *)(head + s->z_at) : NULL;
}

static inline double *attn__state_lse(const struct attn_state *s, char *head)
{
    return s->shape.lse ? (double *)(void *)(head + s->lse_at) : NULL;
}

/* The logarithms of a diagonal M; NULL where there are none. */
static inline double *attn__state_log(const struct attn_state *s, char *head)
{
    return s->shape.segment && !s->shape.erase ? (double *)(void *)(head + s->log_at) : NULL;
}

/* M [dk][cols] of a segment that erases, else NULL. */
static inline float *attn__state_m(const struct attn_state *s, char *head)
{
    return s->shape.segment && s->shape.erase ? (float *)(void *)head + s->values : NULL;
}

/* Makes slots first.. of n the empty state. */
void attn__state_zero(struct attn_state *s, int64_t first, int64_t n);

#endif /* ATTN_STATE_SCAN_STATE_H */
