/* SPDX-License-Identifier: MIT */
/*
 * The steps that add a bias given by numbers: dense, by distance, by distance
 * in a window of two dimensions, or by the row and column of the key. Each
 * knows how to write a run of it for one query; tiles and rows then add it in
 * the same way.
 */
#ifndef ATTN_SOLVERS_SCORE_BIAS_H
#define ATTN_SOLVERS_SCORE_BIAS_H

#include "solvers/score_steps.h"

/* dst[0..nk-1]: what is added to the scores of query i of output head h and
 * keys j0... */
typedef void attn__score_bias_fn(const struct attn__score *x, int64_t h, int64_t i, int64_t j0,
                                 int64_t nk, float *dst);
attn__score_bias_fn attn__score_bias_alibi, attn__score_bias_dense, attn__score_bias_distance,
    attn__score_bias_swin, attn__score_bias_grid;

/* The same of one pair, by the definition. */
typedef double attn__score_bias_pair_fn(const struct attn__score_exact *x, int64_t j);
attn__score_bias_pair_fn attn__score_bias_alibi_pair, attn__score_bias_dense_pair,
    attn__score_bias_distance_pair, attn__score_bias_swin_pair, attn__score_bias_grid_pair;

/* Where the bias of a tile of one head lies in memory as it is: entry of row
 * r0 and key j0, and what a row and a key further adds. NULL: it does not. */
struct attn__score_bias_plain {
    const float *at;
    int64_t row, col;
};
struct attn__score_bias_plain attn__score_bias_dense_plain(const struct attn__score *x,
                                                           const struct attn__score_tile *t);
struct attn__score_bias_plain attn__score_bias_distance_plain(const struct attn__score *x,
                                                              const struct attn__score_tile *t);

/* Room for the tables of an execute, and making them. */
void attn__score_bias_take(struct attn__scratch *s, const struct attn__problem *p,
                           struct attn__score_tables *out);
void attn__score_bias_make(const struct attn__call *c, const struct attn__score_tables *tables);

#endif /* ATTN_SOLVERS_SCORE_BIAS_H */
