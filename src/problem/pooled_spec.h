/* SPDX-License-Identifier: MIT */
/*
 * How the pooled selector chooses the keys of a row of queries: what stands for
 * the row and for each block of keys, how the two make a score, and what is
 * done with the scores. Twelve published selectors are settings of it.
 */
#ifndef ATTN_PROBLEM_POOLED_SPEC_H
#define ATTN_PROBLEM_POOLED_SPEC_H

#include <stdbool.h>
#include <stdint.h>

/* What stands for a block of keys; for a row of queries it is their mean where
 * nothing else is said. */
enum attn__pooled_rep {
    ATTN__REP_MEAN,    /* the mean of its keys */
    ATTN__REP_NORM,    /* the mean times the root of their number; the row likewise */
    ATTN__REP_BOUNDS,  /* the largest and the smallest of each channel: the score is the
                        * largest product that such keys can have with the row's mean */
    ATTN__REP_STRIDES, /* runs of `stride` keys end to end against runs of queries end to
                        * start: sums of antidiagonals; a block has k_block / stride of them */
    ATTN__REP_GIVEN,   /* row j of a tensor of the caller's */
    ATTN__REP_WINDOWS  /* likewise, row c being of keys c * stride to c * stride + window - 1;
                        * what a row c gets counts for the blocks that its keys lie in */
};

/* What the product of both becomes, for each scoring head. */
enum attn__pooled_score {
    ATTN__SCORE_DOT,
    ATTN__SCORE_PROB, /* its softmax over all that the row can see */
    ATTN__SCORE_REST, /* its softmax over those that are not in anyhow */
    ATTN__SCORE_RELU  /* its positive part times the head's weight */
};

/* How the scores of the heads of a set become one. */
enum attn__pooled_reduce {
    ATTN__REDUCE_NONE, /* a set has one scoring head */
    ATTN__REDUCE_MEAN, /* of what stands for rows and blocks, before the product */
    ATTN__REDUCE_SUM,
    ATTN__REDUCE_MAX
};

/* Which blocks a row may have. */
enum attn__pooled_open {
    ATTN__OPEN_ALL,
    ATTN__OPEN_STARTS, /* those that begin before the row's end */
    ATTN__OPEN_BEFORE  /* those in front of the block that the row's first query is in */
};

/* Which algorithm selects. */
enum attn__pooled_form {
    ATTN__FORM_POOLED,
    ATTN__FORM_STRIPES, /* columns and diagonals (select_stripes.c) */
    ATTN__FORM_FLEX     /* blocks of those, or a cover of pooled blocks (select_flex.c) */
};

/* Of columns and diagonals that the last queries show. */
struct attn__stripes_spec {
    int64_t queries;           /* last ones that are looked at */
    int64_t columns, slashes;  /* that are taken */
    int64_t first, near;       /* columns from the start and diagonals next to the main one that
                                * are taken anyhow */
    int64_t least, most;       /* blocks of each; of FLEX */
    double tau;                /* of FLEX: how unlike pooled blocks may be to be trusted */
};

struct attn__pooled_spec {
    enum attn__pooled_form form;
    struct attn__stripes_spec stripes;
    enum attn__pooled_rep rep;
    enum attn__pooled_score score;
    enum attn__pooled_reduce reduce;
    enum attn__pooled_open open;
    int32_t rule; /* enum attn__pick_rule */
    int64_t top;  /* blocks in all; of TOP */
    double mass;  /* of COVER and LEAST */
    double scale; /* of the product */

    int64_t head_group;       /* output heads of a set */
    /* Heads and width of SELECT_Q and SELECT_K; heads 0: as many as Q and K have,
     * each for its own output heads. */
    int64_t heads, k_heads, width;
    int64_t q_block, k_block; /* queries of a row, keys of a block */
    int64_t stride, window;   /* of STRIDES and WINDOWS */
    int64_t first, last;      /* blocks that are in anyhow: so many from the start, and so
                               * many up to the one that holds the row's end */
    int64_t pool;             /* scores become the largest of so many around them; 0: not */
    /* Blocks are as long as the caller says; with tokens each score counts for
     * all tokens of its block, and tokens are chosen. */
    bool ragged, tokens;
    bool logits; /* entries are mixed by the softmax of their scores */
};

#endif /* ATTN_PROBLEM_POOLED_SPEC_H */
