/* SPDX-License-Identifier: MIT */
/*
 * The normalisers besides the softmax, on one whole row, as the table in
 * attn/desc.h defines them.
 */
#ifndef ATTN_ORACLE_ORACLE_NORM_H
#define ATTN_ORACLE_ORACLE_NORM_H

#include <stdbool.h>
#include <stdint.h>

/* The parameters; kind 0 is the softmax. */
struct oracle_norm {
    int32_t kind, count;
    double power; /* NAN: the default of the kind */
    double bias;  /* NAN: minus the logarithm of the number of keys */
    double n, gamma;
};

/* What shows in the weights of rounding: `weights` times that of what they are
 * made of, `scores` times that of the scores; 1 where it is no more. */
struct oracle_condition {
    double weights, scores;
};

/*
 * p[j] of scores s[j], j < n, for visible[j]; 0 for the others. keys: those of
 * the sequence that count; position: of the row. False if there is no memory.
 */
bool oracle_norm_weights(const struct oracle_norm *norm, const double *s, const bool *visible,
                         int64_t n, int64_t keys, int64_t position, double *p,
                         struct oracle_condition *condition);

#endif /* ATTN_ORACLE_ORACLE_NORM_H */
