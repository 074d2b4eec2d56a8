/* SPDX-License-Identifier: MIT */
/*
 * The three kinds of M: dense where tokens erase, diagonal, and with
 * gate=lightnet the ratio of sums of exponentials.
 */
#include "state/scan_segment.h"

#include <math.h>

/* [X | M] = M2 [X1 | M1] + [X2 | 0]; a state has no M1. */
static void dense(const struct attn_state *like, float *to, const float *first,
                  const struct attn_state *of_second, const float *second)
{
    int64_t dk = like->shape.dk, n = like->cols, ld = of_second->cols;
    const float *m = second + of_second->values;
    for (int64_t i = 0; i < dk; i++) {
        for (int64_t c = 0; c < n; c++) {
            double sum = c < of_second->values ? (double)second[i * ld + c] : 0;
            for (int64_t d = 0; d < dk; d++)
                sum += (double)m[i * ld + d] * (double)first[d * n + c];
            to[i * n + c] = (float)sum;
        }
    }
}

/* Factors of what came first and of what came second, for channel d. */
static void weights(const struct attn__state_head *first, const struct attn__state_head *second,
                    int64_t d, double f[2], double *lse)
{
    double log = second->log[d];
    f[0] = exp(log);
    f[1] = 1;
    if (!first->lse)
        return;
    double a = first->lse[d], b = second->lse[d];
    if (log == -INFINITY)
        a = log; /* what came first is forgotten */
    double most = a > b ? a : b;
    *lse = most == -INFINITY ? most : most + log1p(exp((a < b ? a : b) - most));
    f[0] = a == -INFINITY ? 0 : exp(a - *lse);
    f[1] = b == -INFINITY ? 0 : exp(b - *lse);
}

void attn__segment_after(const struct attn_state *like, const struct attn__state_head *to,
                         const struct attn__state_head *first, const struct attn_state *of_second,
                         const struct attn__state_head *second)
{
    if (like->shape.erase) {
        dense(like, to->S, first->S, of_second, second->S);
        return;
    }
    for (int64_t d = 0; d < like->shape.dk; d++) {
        double f[2], lse = 0;
        weights(first, second, d, f, &lse);
        for (int64_t c = 0; c < like->values; c++)
            to->S[d * like->cols + c] = (float)(f[0] * (double)first->S[d * like->cols + c] +
                                                f[1] * (double)second->S[d * of_second->cols + c]);
        if (to->z)
            to->z[d] = (float)(f[0] * (double)first->z[d] + (double)second->z[d]);
        if (to->lse)
            to->lse[d] = lse;
        if (to->log)
            to->log[d] = first->log[d] + second->log[d];
    }
}

int64_t attn__segment_count(const struct attn_state *first, int64_t first_slot,
                            const struct attn_state *second, int64_t second_slot)
{
    int64_t a = first->count[first_slot], b = second->count[second_slot];
    if (b < 0)
        return first->shape.segment ? b : -1 - b;
    return a < 0 ? a - b : a + b;
}
