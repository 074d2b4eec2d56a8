/* SPDX-License-Identifier: MIT */
/*
 * The score options by their definitions: the oracle's part between q.k and
 * the normaliser.
 */
#ifndef ATTN_ORACLE_ORACLE_SCORE_H
#define ATTN_ORACLE_ORACLE_SCORE_H

#include <stdbool.h>
#include <stdint.h>

struct oracle_score {
    const double *head_scale; /* [hout]; NULL: 1 */
    double logn_train;        /* 0: none */
    bool ssmax, logn_keys;
};

/* One row: query i of output head h stands at position at of k_len keys. */
struct oracle_row {
    int64_t h, i, at, k_len;
};

/* What scale is multiplied by. */
double oracle_row_factor(const struct oracle_score *o, const struct oracle_row *w);

#endif /* ATTN_ORACLE_ORACLE_SCORE_H */
