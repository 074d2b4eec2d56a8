/* SPDX-License-Identifier: MIT */
/*
 * How the pooled selector chooses the keys of a row of queries: what stands for
 * the row and for each block of keys, how the two make a score, and what is
 * done with the scores. Twelve published selectors are settings of it; those that
 * have an algorithm of their own have a part here for what it needs besides.
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
    ATTN__FORM_FLEX,    /* blocks of those, or a cover of pooled blocks (select_flex.c) */
    ATTN__FORM_LANDMARK, /* sections by their landmark keys (select_landmark.c) */
    ATTN__FORM_PREDICT, /* tokens by predicted or given scores (select_predict.c) */
    ATTN__FORM_TREE,    /* blocks by halving groups of them (select_tree.c) */
    ATTN__FORM_CODES,   /* tokens by equal codes (select_codes.c) */
    ATTN__FORM_REGIONS, /* regions of an image whose tokens come by lines (select_regions.c) */
    ATTN__FORM_HYPER    /* blocks of like hash codes and drawn keys (hyper_lists.c) */
};

/* What makes the choice of sections: the scores of a head and query, or the
 * largest share that a landmark has in any head or in any query. */
enum attn__landmark_over { ATTN__OVER_NOTHING, ATTN__OVER_HEADS, ATTN__OVER_TOKENS };

struct attn__landmark_spec {
    int64_t blocks; /* landmarks of a sequence at most */
    enum attn__landmark_over over;
};

/* Scores of low rank: coefficients of a query times rows of a basis. */
struct attn__predict_spec {
    int64_t width, basis;  /* of projected rows; numbers of a coefficient row */
    int64_t top;           /* coefficients that count */
    int64_t full;          /* first queries that have all keys */
    double least;          /* numbers of the basis up to it are 0 */
    bool given;            /* the scores are the caller's */
};

/* Groups of blocks that are halved until each is one block. */
struct attn__tree_spec {
    int64_t keys;          /* that are kept */
    int64_t first, stride; /* queries of a row that are looked at */
    bool middle;           /* a group is known by its middle block, not by its first one */
};

struct attn__codes_spec {
    int64_t words, part; /* words of a codebook; channels of a code */
    int64_t slots;       /* counts are cut to so many steps; 0: they are not */
    bool causal;
};

/* Lines of an image, and regions of it, in tokens. */
struct attn__regions_spec {
    int64_t columns;
    int64_t width, height;
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

/* Estimates of hyper (hyper_level.c). */
struct attn__hyper_spec {
    bool causal, given;     /* samples are the caller's */
    int64_t block, samples;
    int64_t least;          /* queries that are worth an estimate */
    int64_t bits, seed;
};

struct attn__pooled_spec {
    enum attn__pooled_form form;
    struct attn__stripes_spec stripes;
    struct attn__landmark_spec landmark;
    struct attn__predict_spec predict;
    struct attn__tree_spec tree;
    struct attn__codes_spec codes;
    struct attn__regions_spec regions;
    struct attn__hyper_spec hyper;
    enum attn__pooled_rep rep;
    enum attn__pooled_score score;
    enum attn__pooled_reduce reduce;
    enum attn__pooled_open open;
    int32_t rule; /* enum attn__pick_rule */
    int64_t top;  /* blocks in all; of TOP */
    double mass;  /* of COVER and LEAST */
    const double *masses; /* of each set in its place; NULL: one for all */
    double scale; /* of the product */

    int64_t head_group;       /* output heads of a set */
    /* Heads and width of SELECT_Q and SELECT_K; heads 0: as many as Q and K have,
     * each for its own output heads. */
    int64_t heads, k_heads, width;
    int64_t q_block, k_block; /* queries of a row, keys of a block */
    int64_t stride, window;   /* of STRIDES and WINDOWS */
    int64_t first, last;      /* blocks that are in anyhow: so many from the start, and so
                               * many up to the one that holds the row's end */
    bool keeps;               /* CHOICE_KEYS are the picks of an entry where the first is a key, */
    double again;             /* which those of queries with such a cosine are again */
    int64_t pool;             /* scores become the largest of so many around them; 0: not */
    /* Blocks are as long as the caller says; with tokens each score counts for
     * all tokens of its block, and tokens are chosen. */
    bool ragged, tokens;
    int64_t tail;   /* last queries that nothing is selected for */
    int64_t latest; /* tokens up to the row's end that it may have; 0: all */
    bool logits; /* entries are mixed by the softmax of their scores */
    int64_t local; /* latest keys that a query has besides; 0: what is listed and no more */
};

#endif /* ATTN_PROBLEM_POOLED_SPEC_H */
