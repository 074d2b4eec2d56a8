/* SPDX-License-Identifier: MIT */
/*
 * The object attn_state: for each slot the states of all heads of one
 * sequence. A head's state is S [dk][cols] in f32, then z [dk16] and the
 * log-sum-exp of keys [dk16] in f64 where the mechanism has them.
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
};

struct attn_state {
    uint64_t tag; /* what says that this is a state */
    struct attn_ctx *ctx; /* a reference */
    struct attn__state_shape shape;
    int64_t slots, cols; /* cols: dv rounded up to 16 */
    size_t z_at, lse_at; /* of a head, in bytes */
    size_t head_bytes, slot_bytes, bytes;
    int64_t *count; /* [slots]: tokens since the state was zero */
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

/* Makes slots first.. of n the empty state. */
void attn__state_zero(struct attn_state *s, int64_t first, int64_t n);

#endif /* ATTN_STATE_SCAN_STATE_H */
