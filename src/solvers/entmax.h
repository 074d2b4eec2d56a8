/* SPDX-License-Identifier: MIT */
/*
 * The threshold of alpha-entmax (Peters, Niculae and Martins, 2019), sparsemax
 * (Martins and Astudillo, 2016) being alpha = 2.
 */
#ifndef ATTN_SOLVERS_ENTMAX_H
#define ATTN_SOLVERS_ENTMAX_H

#include <stdint.h>

/*
 * The t with sum_i max(0, x[i] - t)^(1 / (alpha - 1)) = 1, alpha > 1, of n > 0
 * numbers x = (alpha - 1) (s - max s): none is above 0, one is 0. Reorders x.
 * *sum: what the sum is at the t returned, for the last few ulps.
 */
double attn__entmax_threshold(double *x, int64_t n, double alpha, double *sum);

/* max(0, y)^(1 / (alpha - 1)) */
double attn__entmax_weight(double y, double alpha);

#endif /* ATTN_SOLVERS_ENTMAX_H */
