/* SPDX-License-Identifier: MIT */
/*
 * What happens to a score between q.k and the normaliser, as numbers: which
 * steps there are, in their fixed order, and what belongs to them. Part of
 * the problem; tensors come at execute.
 */
#ifndef ATTN_PROBLEM_SCORE_SPEC_H
#define ATTN_PROBLEM_SCORE_SPEC_H

#include <stdbool.h>
#include <stdint.h>

#include <attn/desc.h>

/* The steps in the order in which they are taken. */
enum attn__step {
    ATTN__STEP_QUERY_TABLE, /* product of the query with a row by distance */
    ATTN__STEP_SOFTCAP,
    ATTN__STEP_CLAMP,
    ATTN__STEP_ALIBI,
    ATTN__STEP_ALIBI_AT, /* the same with positions given by arguments */
    ATTN__STEP_DISTANCE, /* bias from a table by distance */
    ATTN__STEP_SWIN,     /* bias from a table by distance in two dimensions */
    ATTN__STEP_GRID,     /* bias of a key's row plus bias of its column */
    ATTN__STEP_BIAS,     /* dense */
    ATTN__STEP_CLASS,    /* terms by class of the key */
    ATTN__STEP_USER,     /* the caller's function */
    ATTN__STEP_COUNT
};

/* Sets of steps: those that end in scores_raw and in scores_capped, and the
 * rest. */
enum {
    ATTN__STEPS_ALL = (1 << ATTN__STEP_COUNT) - 1,
    ATTN__STEPS_RAW = 1 << ATTN__STEP_QUERY_TABLE,
    ATTN__STEPS_CAP = 1 << ATTN__STEP_SOFTCAP | 1 << ATTN__STEP_CLAMP,
    ATTN__STEPS_BIAS = ATTN__STEPS_ALL - ATTN__STEPS_RAW - ATTN__STEPS_CAP
};

/* What n_i is in a row's factor made of ln n_i. */
enum attn__logn { ATTN__LOGN_NONE, ATTN__LOGN_TRAIN, ATTN__LOGN_SSMAX };

struct attn__score_spec {
    uint32_t steps; /* bit n: step n */

    /* Queries are changed one by one, by attn__score_query: there is a factor
     * of a row besides `scale`, or a bias of queries, or QUERY_TABLE. */
    bool own_rows;
    int64_t query_table_zero; /* ATTN_UNBOUNDED: the middle */
    /* The factor of a row. */
    const double *head_scale; /* [hout]; NULL: none */
    enum attn__logn logn;
    bool logn_keys;   /* n_i is the number of keys, not the position + 1 */
    double log_train; /* ln L */

    /* DISTANCE: entry zero of a table is distance 0, further ones than it has
     * take its first or last entry. */
    int64_t table_zero; /* ATTN_UNBOUNDED: the middle */
    /* ... with T5's buckets: distance d, within -reach to reach, is in bucket
     * t5_bucket[d + reach]; NULL: BIAS_TABLE has entries by distance. */
    const int32_t *t5_bucket;
    int64_t t5_reach, t5_buckets;

    int64_t swin_h, swin_w; /* 0: none */
    int64_t grid_w;         /* keys of a row of the grid; 0: none */

    int64_t classes;    /* of CLASS; 0: none */
    int64_t class_rows; /* only the last rows get them; ATTN_UNBOUNDED: all */

    double clamp; /* CLAMP: what no score is beyond, to either side */

    attn_score_fn user; /* NULL: none */
};

#endif /* ATTN_PROBLEM_SCORE_SPEC_H */
