/* SPDX-License-Identifier: MIT */
/*
 * Lines of one list over its keys, for the solver lists.
 */
#ifndef ATTN_SOLVERS_LIST_PASS_H
#define ATTN_SOLVERS_LIST_PASS_H

#include "solvers/finish.h"
#include "solvers/list_walk.h"
#include "solvers/norm_pass.h"
#include "solvers/score_steps.h"

/* The online softmax of some lines: lane or row r at o + r (tiles: o[e * w +
 * r], rows: o[r * dv + e]). */
struct attn__list_sums {
    float *o, *m, *l;
};

/* Memory of a worker. */
struct attn__list_room {
    float *q;    /* [lines][d], or [d][w] for each tile */
    float *rows; /* [w][max(d, dv)]: queries in, results out */
    float *s;    /* scores: [keys][w], or [rows][keys] */
    float *part; /* [rows][dv], sums of a block */
    float *k, *v; /* [keys][d], [keys][dv] */
    float *f;    /* [lines] */
    uint64_t *bits; /* [keys] */
    const void **place; /* rows of keys, values and what comes next */
    struct attn__list_sums sum;  /* of all lines */
    struct attn__list_sums own;  /* of an entry that is normalised by itself */
    struct attn__score_work score;
    struct attn__row_scratch exact;
};

/* lines: the most of a pass. */
void attn__list_room_take(struct attn__scratch *s, const struct attn__problem *p,
                          const struct attn__machine *m, int64_t lines,
                          struct attn__list_room *room);

struct attn__list_pass {
    const struct attn__call *c;
    const struct attn__kernels *kern;
    const struct attn__seq *s;
    const struct attn__list_rules *rules;
    const struct attn__list_room *room;
    int64_t h0, heads;
    /* filled in by begin */
    struct attn__vis vis, listed, others; /* of everything, of rules.listed ... */
    struct attn__qk qk;
    struct attn__rows k, v;
    struct attn__score score;
    struct attn__norm_pass norm;
    float scale;
    int64_t did_pairs, did_tiles, all_tiles;
};

/* c, kern, s, rules, room, h0 and heads are set. */
void attn__list_pass_begin(struct attn__list_pass *ps);

/* Computes and writes lines r0..r0+n-1, as vis counts them, which share row
 * `row` of the selection; n is at most what room was taken for. */
void attn__list_pass_lines(struct attn__list_pass *ps, int64_t row, int64_t r0, int64_t n);

#endif /* ATTN_SOLVERS_LIST_PASS_H */
