/* SPDX-License-Identifier: MIT */
/*
 * The score options by their definitions: the oracle's part between q.k and
 * the normaliser.
 */
#ifndef ATTN_ORACLE_ORACLE_SCORE_H
#define ATTN_ORACLE_ORACLE_SCORE_H

#include <stdbool.h>
#include <stdint.h>

#include <attn/tensor.h>

struct oracle_score {
    const double *head_scale; /* [hout]; NULL: 1 */
    double logn_train;        /* 0: none */
    bool ssmax, logn_keys;
    int64_t table_zero; /* -1: the middle */
    int64_t t5_buckets, t5_max_distance; /* 0: none */
    bool t5_bidirectional;
    int64_t swin_h, swin_w, grid_w; /* 0: none */
    /* What the caller's function adds; NULL: none. */
    double (*user)(int64_t n, int64_t h, int64_t i, int64_t j);
};

/* NULL where there is none. */
struct oracle_score_inputs {
    const attn_tensor *row_scale, *bias_table, *t5_weight, *grid_y, *grid_x, *swin_table;
};

/* One row: query i of output head h of sequence n stands at position `at` of
 * k_len keys. */
struct oracle_row {
    int64_t n, h, i, at, k_len;
};

/* What scale is multiplied by. */
double oracle_row_factor(const struct oracle_score *o, const struct oracle_score_inputs *in,
                         const struct oracle_row *w);

/* What tables add to the score of key j. */
double oracle_table_bias(const struct oracle_score *o, const struct oracle_score_inputs *in,
                         const struct oracle_row *w, int64_t j);

#endif /* ATTN_ORACLE_ORACLE_SCORE_H */
