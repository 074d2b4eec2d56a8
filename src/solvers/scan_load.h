/* SPDX-License-Identifier: MIT */
/*
 * Tokens of one sequence and state as the rows that a recurrence works on:
 * converted to f32, through the feature map, gated, in the order of the scan.
 */
#ifndef ATTN_SOLVERS_SCAN_LOAD_H
#define ATTN_SOLVERS_SCAN_LOAD_H

#include "problem/call.h"
#include "solvers/ahead.h"
#include "solvers/scan_tokens.h"
#include "solvers/scratch.h"

/* Is what is erased written by a vector of its own, other than the key? */
static inline bool attn__scan_own_writer(const struct attn__scan_spec *e)
{
    return e->update == ATTN_UPDATE_GENERAL || e->update == ATTN_UPDATE_RWKV7;
}

/* Most states whose rows are loaded together. */
enum { ATTN__SCAN_WAVE = 8 };

/* The buffers of one worker. */
struct attn__scan_load {
    const struct attn__call *c;
    const struct attn__kernels *kern;
    struct attn__seq seq;
    int64_t head; /* state */
    int64_t heads; /* 1; more: row n is the only token of state head + n */
    bool reverse;
    int64_t tokens; /* most of a chunk */
    int64_t age; /* tokens since the state was 0, of those loaded */
    double *lse; /* [dk]: the running log-sum-exp of gate=lightnet */
    double key_max; /* c of feature_max for keys */

    int64_t d16, dk16, dv16, f16;
    float *q, *k, *v, *w, *e, *g; /* as in struct attn__scan_chunk */
    const float *k_at, *v_at;     /* rows of k and v: those, or the caller's own */
    float *raw;                   /* [chunk][d16] before a map that widens */
    float *y;                     /* [chunk][f16] behind the map's weights */
    float *wq, *wk;               /* [columns] rows of D: the weights, [d][columns] */
    float *bq, *bk;               /* [columns] */
    float *bonus, *bias;          /* [heads][dk16] */
    float *ks, *km;               /* [heads][d16]: K_SCALE, K_MIX */
    float a[ATTN__SCAN_WAVE];     /* [heads]: GATE_A */
    struct attn__ahead *ahead;    /* what to fetch in between, or NULL */
    int64_t fetch;                /* rows of it at a time */
    float token[ATTN__SCAN_CHUNK];
};

/* Room for a segment's columns; l->dv16 is then set to those of the run. */
void attn__scan_load_take(struct attn__scratch *s, const struct attn__problem *p,
                          struct attn__scan_load *l);

/* Begins a sequence and state: what does not change from token to token.
 * rows: most of a chunk, up to ATTN__SCAN_CHUNK; 0: that. */
void attn__scan_load_start(struct attn__scan_load *l, const struct attn__call *c,
                           const struct attn__kernels *kern, const struct attn__seq *s,
                           int64_t head, bool reverse, int64_t rows);

/* Can rows of several states be loaded together? */
bool attn__scan_load_together(const struct attn__problem *p);

/* Begins the states from `head` on of a sequence with one token. A chunk's rows
 * are theirs then, with the gain and bias of each. */
void attn__scan_load_start_wave(struct attn__scan_load *l, const struct attn__call *c,
                                const struct attn__kernels *kern, const struct attn__seq *s,
                                int64_t head, int64_t heads);

/* feature_max=all: l->key_max becomes the largest y of all keys. */
void attn__scan_load_key_max(struct attn__scan_load *l);

/* Columns of S: those of the values and, in a segment that erases, of M. */
static inline int64_t attn__scan_load_columns(const struct attn__problem *p, bool segment)
{
    bool dense = segment && p->scan.update != ATTN_UPDATE_ADD;
    return attn__scan_round16(p->dv) + (dense ? attn__scan_round16(p->scan.dk) : 0);
}

/* What the core is to do; l->bonus is in it. */
struct attn__scan_kind attn__scan_load_kind(const struct attn__problem *p,
                                            const struct attn__scan_load *l);

/* How many tokens from number i on make the next chunk: a reset, the end or
 * the length of a chunk ends it. *fresh: the state is 0 before it. */
int64_t attn__scan_load_next(const struct attn__scan_load *l, int64_t i, bool *fresh);

/* Loads keys, values and gates of m tokens from number i on; then queries. */
void attn__scan_load_keys(struct attn__scan_load *l, int64_t i, int64_t m);
void attn__scan_load_queries(struct attn__scan_load *l, int64_t i, int64_t m);

/* Keys, values and gates as a chunk without queries. */
struct attn__scan_chunk attn__scan_load_writes(struct attn__scan_load *l, int64_t i, int64_t m);

/* Both, as a chunk without `out`. in_place: keys and values that nothing is done to
 * are not copied if they lie as the core wants them, and l->k, l->v mean nothing then. */
struct attn__scan_chunk attn__scan_load_chunk(struct attn__scan_load *l, int64_t i, int64_t m,
                                              bool in_place);

/* f32 rows ld apart, which the core can read and write where they are; NULL: others. */
static inline float *attn__scan_load_rows(const struct attn__rows *r, int64_t i, int64_t width,
                                          int64_t ld)
{
    bool fits = attn__rows_plain(r, ATTN_DTYPE_F32) && r->row == ld && width == ld;
    return fits ? (float *)(void *)attn__rows_at(r, i) : NULL;
}

/* Rows of a tensor [B,heads,N,..] from number `first` on. */
static inline struct attn__rows attn__scan_rows_of(const struct attn__call *c,
                                                   const struct attn__seq *s, enum attn__slot slot,
                                                   int64_t head, int64_t first)
{
    const attn_tensor *t = &c->t[slot];
    int64_t at = s->b * t->stride[0] + head * t->stride[1] + first * t->stride[2];
    return (struct attn__rows){
        .base = (char *)t->data + at * (int64_t)attn__dtype_size(t->dtype),
        .row = t->stride[2],
        .col = t->rank > 3 ? t->stride[3] : 1,
        .dtype = t->dtype,
    };
}

/* Rows of n tokens in the other order. */
static inline struct attn__rows attn__scan_flip(struct attn__rows r, int64_t n)
{
    r.base = n > 0 ? attn__rows_at(&r, n - 1) : r.base;
    r.row = -r.row;
    return r;
}

#endif /* ATTN_SOLVERS_SCAN_LOAD_H */
