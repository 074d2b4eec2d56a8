/* SPDX-License-Identifier: MIT */
/*
 * The three kinds of M: dense where tokens erase, diagonal, and with
 * gate=lightnet the ratio of sums of exponentials.
 */
#include "state/scan_segment.h"

#include <math.h>
#include <string.h>

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
static void weights(const struct attn_state *like, char *first,
                    const struct attn_state *of_second, char *second, int64_t d, double f[2],
                    double *lse)
{
    double log = attn__state_log(of_second, second)[d];
    f[0] = exp(log);
    f[1] = 1;
    if (!like->shape.lse)
        return;
    double a = attn__state_lse(like, first)[d], b = attn__state_lse(of_second, second)[d];
    if (log == -INFINITY)
        a = log; /* what came first is forgotten */
    double most = a > b ? a : b;
    *lse = most == -INFINITY ? most : most + log1p(exp((a < b ? a : b) - most));
    f[0] = a == -INFINITY ? 0 : exp(a - *lse);
    f[1] = b == -INFINITY ? 0 : exp(b - *lse);
}

void attn__segment_after(const struct attn_state *like, char *to, char *first,
                         const struct attn_state *of_second, char *second)
{
    float *out = (float *)(void *)to;
    const float *x1 = (const float *)(void *)first, *x2 = (const float *)(void *)second;
    memset(to, 0, like->head_bytes);
    if (like->shape.erase) {
        dense(like, out, x1, of_second, x2);
        return;
    }
    for (int64_t d = 0; d < like->shape.dk; d++) {
        double f[2], lse = 0;
        weights(like, first, of_second, second, d, f, &lse);
        for (int64_t c = 0; c < like->values; c++)
            out[d * like->cols + c] = (float)(f[0] * (double)x1[d * like->cols + c] +
                                              f[1] * (double)x2[d * of_second->cols + c]);
        if (like->shape.sum)
            attn__state_z(like, to)[d] =
                (float)(f[0] * (double)attn__state_z(like, first)[d] +
                        (double)attn__state_z(of_second, second)[d]);
        if (like->shape.lse)
            attn__state_lse(like, to)[d] = lse;
        if (like->shape.segment)
            attn__state_log(like, to)[d] =
                attn__state_log(like, first)[d] + attn__state_log(of_second, second)[d];
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
