/* SPDX-License-Identifier: MIT */
/*
 * A few query rows of heads that share K and V against chunks of keys: K and
 * V are read once, in order, for all of the rows. The result of a chunk is the
 * state (m, l, o) of the online softmax of each row. What a row gets does not
 * depend on the other rows.
 */
#ifndef ATTN_SOLVERS_ROW_PASS_H
#define ATTN_SOLVERS_ROW_PASS_H

#include "kernels/kernels.h"
#include "problem/call.h"
#include "solvers/blocks.h"
#include "solvers/norm_pass.h"
#include "solvers/qk_load.h"
#include "solvers/row_tops.h"
#include "solvers/score_steps.h"
#include "solvers/scratch.h"

/* Keys that visibility looks at together. */
enum { ATTN__ROW_SPAN = 256 };

/* Most rows of a pass. */
enum { ATTN__ROW_PASS_MOST = 32 };

/* Keys that take one step of the online softmax. Where nobody asks for the bits of
 * flash the width of a head is no reason for shorter ones: rows hold no tile. */
static inline int32_t attn__row_pass_block(const struct attn__problem *p)
{
    return p->invariant == ATTN_INVARIANT_CHUNK ? attn__block_keys(p) : ATTN__BLOCK_MAX;
}

/* Memory of a pass; one for each worker. */
struct attn__row_room {
    float *q;     /* [rows][d], scaled */
    float *tq;    /* [rows][d], for QUERY_TABLE; NULL without */
    int8_t *code; /* [rows][d], q as codes with compute=int8; NULL without */
    float *factor; /* [rows][attn__int8_factors(d)], theirs */
    struct attn__slab_query *slab; /* [rows][d / 32], for keys in slabs; NULL without views */
    float *s;     /* [rows][lds of the pass] */
    float *part;  /* [rows][dv], sums of a block */
    float *k, *v; /* [SPAN][d], [block][dv]: for odd strides, changed rows */
    struct attn__score_work score;
    struct attn__qk_room *qk;
};

void attn__row_room_take(struct attn__scratch *s, const struct attn__problem *p, int64_t rows,
                         struct attn__row_room *room);

/* Row r is query i0 + r / heads of output head h0 + r % heads; with `lines` it
 * is line lines[r] of those heads, as visibility.h counts, and i0 is 0. */
struct attn__row_pass {
    const struct attn__call *c;
    const struct attn__kernels *kern;
    const struct attn__seq *s;
    const struct attn__row_room *room;
    int64_t h0, heads, i0, rows;
    const int64_t *lines; /* NULL: none */
    /* Values of keys that a row does not see are not even multiplied by
     * zero; for one row at a time. */
    bool careful;
    struct attn__row_tops tops; /* of the rows; attn__row_pass_chunk adds */
    struct attn__norm_pass norm;
    struct attn__rows k, v;
    struct attn__qk qk;
    int64_t r0;           /* its first row, as visibility counts them */
    struct attn__vis vis;
    struct attn__score score;
    int64_t lo, hi;       /* no row sees a key outside */
    int64_t from;         /* ATTN__FROM_* */
    bool runs;            /* more than a span of K, then of V */
    bool turns;           /* V of several blocks in turns */
    bool int8;            /* K times codes of the queries */
    bool slabs;           /* K in slabs times such queries */
    int64_t lds;          /* from a row of scores to the next */
    int64_t did_pairs, did_tiles; /* spans of keys; attn__row_pass_chunk adds */
};

/* c, kern, s, room, h0, heads, i0, rows, lines and careful are set: fills in the
 * rest and loads the queries. */
void attn__row_pass_begin(struct attn__row_pass *ps);

/* The same in steps: all but the queries, then for each row r query i of output
 * head h of sequence s, which may be another one than the keys are of. */
void attn__row_pass_open(struct attn__row_pass *ps);
void attn__row_pass_query(const struct attn__row_pass *ps, const struct attn__seq *s, int64_t r,
                          int64_t h, int64_t i);

/* State of all rows after the keys of chunk n, beginning with none: m[r] in
 * base 2, l[r], o[r * dv + e]. A row with l = 0 has seen no key, and its o has
 * no meaning. */
void attn__row_pass_chunk(struct attn__row_pass *ps, int64_t n, float *m, float *l,
                          float *o);

/* Scores of keys j0 to j1 - 1 of a span, in base 2, into room->s, -inf where a
 * row does not see a key; false if none does, and then they are not made. */
bool attn__row_pass_scores(struct attn__row_pass *ps, int64_t j0, int64_t j1);

/* The spans of chunk n, of which did_tiles counts those not skipped. */
int64_t attn__row_pass_spans(const struct attn__row_pass *ps, int64_t n);

#endif /* ATTN_SOLVERS_ROW_PASS_H */
