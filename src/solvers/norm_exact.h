/* SPDX-License-Identifier: MIT */
/*
 * The normalisers that are no powers of e, by their formulas and in double: a
 * row's scores are shown one by one, as many times as the statistics need,
 * then each has its weight.
 */
#ifndef ATTN_SOLVERS_NORM_EXACT_H
#define ATTN_SOLVERS_NORM_EXACT_H

#include "problem/norm.h"

struct attn__norm_exact {
    const struct attn__norm *norm;
    double keys, visible;
    double less;   /* lssar: what is subtracted */
    double shift;  /* sigmoid: what is added; entmax: the largest score;
                    * gelu_l2, lssar: what all is relative to */
    double factor; /* of all weights */
    double a, b;   /* running statistics */
    double base;   /* softplus, lssar: functions are relative to e^base */
    double origin; /* lssar: the softplus of the first score */
    int pass;
    bool spoilt;   /* a score was NaN or +inf */
    double *room; /* whole rows: the scores seen */
    int64_t n;    /* how many */
};

/*
 * A row of `keys` keys of which it sees `visible`, at position `at`. room:
 * [keys], NULL unless the normaliser needs whole rows. Returns how often the
 * row must be shown.
 */
int attn__norm_exact_begin(struct attn__norm_exact *e, const struct attn__norm *norm,
                           int64_t keys, int64_t visible, int64_t at, double *room);

/* One score of the row; -inf is not shown. NaN and +inf make all weights NaN. */
void attn__norm_exact_see(struct attn__norm_exact *e, double x);

/* The row was shown once. */
void attn__norm_exact_next(struct attn__norm_exact *e);

/* The weight of a score of the row that is not -inf. */
double attn__norm_exact_weight(const struct attn__norm_exact *e, double x);

#endif /* ATTN_SOLVERS_NORM_EXACT_H */
