/* SPDX-License-Identifier: MIT */
/*
 * What planner, binder and solvers have to know of a normaliser besides its
 * formula.
 */
#ifndef ATTN_PROBLEM_NORM_H
#define ATTN_PROBLEM_NORM_H

#include "problem/problem.h"

/* Parameters that a normaliser reads, as bits. */
enum { ATTN__NORM_POWER = 1, ATTN__NORM_BIAS = 2, ATTN__NORM_COUNT = 4 };

struct attn__norm_traits {
    const char *name;
    bool base2;        /* weights are powers of e under a running maximum */
    bool lse;          /* the row has a log-sum-exp */
    bool sinks;        /* a key without a value makes sense */
    bool distribution; /* the weights are not negative and their sum is 1 */
    /* The weights follow from one pass over the scores, up to one factor for
     * the row; several passes; or only from all scores at once. */
    bool one_pass, whole_row;
    /* The factor is made of the sum of weights or their squares: a sum that
     * underflowed in f32 says nothing. */
    bool summed;
    int32_t reads;
    double power; /* unset norm_power; 0: not read */
};

const struct attn__norm_traits *attn__norm_traits(int32_t kind);

/* The n that relu divides by, to the power gamma; 1 for the others. keys: that
 * count in the sequence; visible: to the row. */
double attn__norm_divisor(const struct attn__norm *n, int64_t keys, int64_t visible);

/* What sigmoid adds to the scores. */
double attn__norm_shift(const struct attn__norm *n, int64_t keys);

/* Does the row's result depend on how many keys it sees, not only on their
 * scores? */
bool attn__norm_counts(const struct attn__norm *n);

/* Rows at positions below this are let off lssar's subtraction. */
enum { ATTN__LSSAR_FREE = 3 };

#endif /* ATTN_PROBLEM_NORM_H */
