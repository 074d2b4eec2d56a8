/* SPDX-License-Identifier: MIT */
/*
 * HyperAttention's estimate of attention without a mask: queries and keys in the
 * order of hash codes, blocks of equal places, and keys drawn at random for all.
 * Causal attention is halved again and again: what the second half of a segment
 * has of the first one is such an estimate, a level of it for each halving.
 */
#ifndef ATTN_SOLVERS_HYPER_LEVEL_H
#define ATTN_SOLVERS_HYPER_LEVEL_H

#include "problem/recipe.h"
#include "solvers/scratch.h"
#include "state/selection.h"

/* Estimates of one size, in all batch entries, segments and heads. */
struct attn__hyper_level {
    int64_t segments;      /* of a sequence */
    int64_t queries, keys; /* of a segment, those behind the end included */
    bool exact;            /* too short to estimate */
};

enum { ATTN__HYPER_LEVELS = 40 };

struct attn__hyper_levels {
    bool causal;
    int64_t n, queries, keys; /* levels; of a sequence */
    struct attn__hyper_level at[ATTN__HYPER_LEVELS];
};

/* The levels of a sequence; none where it is short enough for an exact result. */
void attn__hyper_levels_of(const struct attn__hyper_spec *spec, int64_t queries, int64_t keys,
                           struct attn__hyper_levels *levels);

/* Where causal attention is exact: the segment of place i behind all levels. */
int32_t attn__hyper_leaf(const struct attn__hyper_levels *levels, int64_t i);

/* Rows of a segment of level n (levels->n: where it is exact) that there are, from
 * place *start on. */
int64_t attn__hyper_segment(const struct attn__hyper_levels *levels, int64_t n, int64_t segment,
                            int64_t *start);

/* In the workspace, at the largest sizes. */
struct attn__hyper_room {
    float *across;             /* [bits][d]: the directions */
    int32_t *code_q, *code_k;  /* [b][h][queries], [b][h][keys] */
    uint8_t *bad;              /* [b][h] */
    int32_t *order_q, *order_k, *spare_q, *spare_k; /* rows of a level */
    int32_t *draw;             /* [estimates of a level][2][samples] */
    void *q, *k, *v;           /* rows of a level, in order */
    float *part, *part_lse;
    float *sum, *sum_lse;      /* [b][h][queries][dv], [b][h][queries] */
    int32_t *leaf;             /* [queries] */
    struct attn__select *lists;
    void *entries;
    float *desks;
};

void attn__hyper_take(struct attn__scratch *s, const struct attn__problem *p, int64_t threads,
                      struct attn__hyper_room *room);

/* Hashes all rows of Q and K. ATTN_ERR_DATA for NaN. */
int32_t attn__hyper_hash(const struct attn__recipe_run *r, const struct attn__hyper_room *room);

/* Lays out level n: rows in order and lists, as arguments of *c. */
void attn__hyper_prepare(const struct attn__recipe_run *r, const struct attn__hyper_levels *levels,
                         int64_t n, const struct attn__hyper_room *room, struct attn__call *c);

/* What came of it is merged into `sum` by its lse. */
void attn__hyper_merge(const struct attn__recipe_run *r, const struct attn__hyper_levels *levels,
                       int64_t n, const struct attn__hyper_room *room);

/* A level at work. */
struct attn__hyper_job {
    const struct attn__recipe_run *r;
    const struct attn__hyper_levels *levels;
    int64_t n; /* the level */
    const struct attn__hyper_room *room;
};

/* An estimate: batch entry b, segment g, head h. */
struct attn__hyper_estimate {
    int64_t b, g, h;
    int64_t q0, k0;     /* places of the first query and the first key */
    int64_t nq, nk;     /* rows that there are */
    int64_t at_q, at_k; /* its first rows in the arrays of the level */
    int32_t *ids;       /* [samples], rising: places of the sorted keys */
};

/* Puts the rows of estimate `index` of a level in order, and draws its samples. */
struct attn__hyper_estimate attn__hyper_order(const struct attn__hyper_job *j, int64_t index);

#endif /* ATTN_SOLVERS_HYPER_LEVEL_H */
