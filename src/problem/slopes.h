/* SPDX-License-Identifier: MIT */
/*
 * The slopes of ALiBi.
 */
#ifndef ATTN_PROBLEM_SLOPES_H
#define ATTN_PROBLEM_SLOPES_H

#include <math.h>
#include <stdint.h>

/*
 * The slopes of Press et al.: for a power of two n they are 2^(-8 (h+1) / n);
 * else those of the power of two below, then every second one of twice that.
 */
static inline double attn__slopes_alibi(int64_t h, int64_t heads)
{
    int64_t n = 1;
    while (n * 2 <= heads)
        n *= 2;
    if (h < n)
        return exp2(-8.0 * (double)(h + 1) / (double)n);
    return exp2(-4.0 * (double)(2 * (h - n) + 1) / (double)n);
}

#endif /* ATTN_PROBLEM_SLOPES_H */
