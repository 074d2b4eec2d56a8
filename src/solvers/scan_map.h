/* SPDX-License-Identifier: MIT */
/*
 * Feature maps on f32 rows.
 */
#ifndef ATTN_SOLVERS_SCAN_MAP_H
#define ATTN_SOLVERS_SCAN_MAP_H

#include "kernels/kernels.h"
#include "problem/problem.h"

/* Where rows are and what belongs to their map. */
struct attn__scan_map {
    const struct attn__kernels *kern;
    const struct attn__problem *p;
    int64_t n;          /* rows */
    const float *x;     /* [n][ldx], of D elements */
    int64_t ldx;
    float *out;         /* [n][ldo], of dk; may be x */
    int64_t ldo;
    const float *w, *b; /* weights [D][columns] and bias, or NULL */
    float *y;           /* [n][ldy]: room for x w */
    int64_t ldy;
    int64_t position;   /* of the first row, from 0 */
    bool query;
    double key_max;     /* c of keys with feature_max */
};

/* y = x w + b, of a map with weights. */
void attn__scan_map_weigh(const struct attn__scan_map *m);
/* What y is times: 1 / D^(1/4) for feature_map=favor. */
float attn__scan_map_favor_factor(const struct attn__problem *p);
/* True if `out` may be x. */
bool attn__scan_map_in_place(const struct attn__problem *p);
void attn__scan_map_run(const struct attn__scan_map *m);

#endif /* ATTN_SOLVERS_SCAN_MAP_H */
