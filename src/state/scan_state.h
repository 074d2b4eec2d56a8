/* SPDX-License-Identifier: MIT */
/*
 * The object attn_state: for each slot the states of all heads of one
 * sequence. A head's state is S [dk][cols] in f32, and beside it z [dk16] and
 * the log-sum-exp of keys [dk16] in f64 where the mechanism has them. All S
 * follow each other without a gap: where they come from memory, going on from
 * one to the next a few lines further costs a sixth of the time.
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
    size_t s_bytes, side_bytes; /* of a head: S, and what stands beside it */
    size_t lse_at, log_at; /* there */
    size_t bytes;
    /* [slots]: tokens since the state was zero; of a segment with a reset in it
     * -1 less those since the last */
    int64_t *count;
    char *data; /* [slots][hs] S */
    char *side; /* [slots][hs], in the same block */
};

/* What a head has; NULL: it does not. */
struct attn__state_head {
    float *S;         /* [dk][cols] */
    float *m;         /* M [dk][cols], of a segment that erases: in the rows of S */
    float *z;         /* [dk16] */
    double *lse;      /* [dk16] */
    double *log;      /* [dk16]: of a diagonal M */
};

#define ATTN__STATE_TAG UINT64_C(0x6174746e5f737461)

/* What a plan's problem needs of a state. */
struct attn__state_shape attn__state_shape_of(const struct attn__problem *p);
bool attn__state_same_shape(const struct attn__state_shape *a,
                            const struct attn__state_shape *b);

/* A head of the layout of s whose two parts are there. */
struct attn__state_head attn__state_head_at(const struct attn_state *s, char *S, char *side);

static inline struct attn__state_head attn__state_head(const struct attn_state *s, int64_t slot,
                                                       int64_t head)
{
    size_t n = (size_t)(slot * s->shape.hs + head);
    return attn__state_head_at(s, s->data + n * s->s_bytes, s->side + n * s->side_bytes);
}

/* A head from memory where its two parts follow each other. */
void attn__state_put(struct attn_state *s, int64_t slot, int64_t head, const char *parts);

/* Slots of one shape: *to = *from, which may be one and the same. */
void attn__state_copy(struct attn_state *to, int64_t to_slot, const struct attn_state *from,
                      int64_t from_slot);

/* Makes slots first.. of n the empty state. */
void attn__state_zero(struct attn_state *s, int64_t first, int64_t n);

#endif /* ATTN_STATE_SCAN_STATE_H */
