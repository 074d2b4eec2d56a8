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
    int64_t table_zero, query_table_zero; /* -1: the middle */
    int64_t t5_buckets, t5_max_distance; /* 0: none */
    bool t5_bidirectional;
    int64_t swin_h, swin_w, grid_w; /* 0: none */
    int64_t class_rows; /* -1: all */
    /* What the caller's function adds; NULL: none. */
    double (*user)(int64_t n, int64_t h, int64_t i, int64_t j);
};

/* NULL where there is none. */
struct oracle_score_inputs {
    const attn_tensor *row_scale, *bias_table, *t5_weight, *grid_y, *grid_x, *swin_table;
    const attn_tensor *pos_q, *pos_k; /* in place of positions */
    const attn_tensor *class_k, *class_terms;
    const attn_tensor *query_table, *q_bias_content, *q_bias_table, *query_table_bias;
};

/* One row: query i of output head h of sequence n stands at position `at` of
 * k_len keys. For tensors along all tokens: batch b, its row 0 at q0, its
 * key 0 at k0; of q_len rows. */
struct oracle_row {
    int64_t n, h, i, at, k_len, b, k0, q_len;
};

/* What scale is multiplied by. */
double oracle_row_factor(const struct oracle_score *o, const struct oracle_score_inputs *in,
                         const struct oracle_row *w);

/* The bias of queries before products with keys. */
double oracle_query_bias(const struct oracle_score_inputs *in, int64_t h, int64_t e);

/* What is added to q.k: the product of q [d] with the row of key j, and to
 * *terms the sum of its squared terms. */
double oracle_query_table(const struct oracle_score *o, const struct oracle_score_inputs *in,
                          const struct oracle_row *w, const double *q, int64_t d, int64_t j,
                          double *terms);

/* What becomes of the score of key j by its class. */
double oracle_class_term(const struct oracle_score *o, const struct oracle_score_inputs *in,
                         const struct oracle_row *w, int64_t j, double s);

/* What tables add to the score of key j. */
double oracle_table_bias(const struct oracle_score *o, const struct oracle_score_inputs *in,
                         const struct oracle_row *w, int64_t j);

#endif /* ATTN_ORACLE_ORACLE_SCORE_H */
