/* SPDX-License-Identifier: MIT */
/*
 * How many query heads each key head gets (kdgqa, dgqa), as attn/head_maps.h
 * says it. Arguments have been checked.
 */
#ifndef ATTN_SOLVERS_HEAD_ALLOC_H
#define ATTN_SOLVERS_HEAD_ALLOC_H

#include <attn/tensor.h>

/* norms[g] = sum over b of |k[b,g]|, k [B,hk,N,D]. */
void attn__head_alloc_norms(const attn_tensor *k, double *norms);

/* The weight of key head g: |norms - before|, or share * norms + (1 - share) *
 * before, before[g * step]. */
struct attn__head_weights {
    const double *norms, *before;
    int64_t step;  /* 0: one number for all of them */
    double share;  /* < 0: the distance */
    double divide; /* of the weight, after that */
};

double attn__head_weight(const struct attn__head_weights *w, int64_t g);

/* alloc[hk] in proportion to weights that are finite and not all 0. */
void attn__head_alloc(const struct attn__head_weights *w, int64_t hk, int64_t hq, int64_t *alloc);

#endif /* ATTN_SOLVERS_HEAD_ALLOC_H */
