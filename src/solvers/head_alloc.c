/* SPDX-License-Identifier: MIT */
/*
 * Largest and smallest are looked for again after every head that is moved:
 * rounding leaves at most half a head for each of them.
 */
#include "solvers/head_alloc.h"

#include <math.h>

#include "base/dtype.h"

static double squares(const attn_tensor *k, int64_t b, int64_t g)
{
    double sum = 0;
    for (int64_t i = 0; i < k->shape[2]; i++) {
        int64_t at = b * k->stride[0] + g * k->stride[1] + i * k->stride[2];
        for (int64_t c = 0; c < k->shape[3]; c++) {
            double x = attn__load_f64(k->data, at + c * k->stride[3], k->dtype);
            sum += x * x;
        }
    }
    return sum;
}

void attn__head_alloc_norms(const attn_tensor *k, double *norms)
{
    for (int64_t g = 0; g < k->shape[1]; g++) {
        norms[g] = 0;
        for (int64_t b = 0; b < k->shape[0]; b++)
            norms[g] += sqrt(squares(k, b, g));
    }
}

double attn__head_weight(const struct attn__head_weights *w, int64_t g)
{
    double now = w->norms[g], before = w->before[g * w->step];
    double x = w->share < 0 ? fabs(now - before) : w->share * now + (1 - w->share) * before;
    return x / w->divide;
}

/* The first of the largest, or of the smallest. */
static int64_t extreme(const int64_t *alloc, int64_t hk, int sign)
{
    int64_t at = 0;
    for (int64_t g = 1; g < hk; g++)
        if (sign * alloc[g] > sign * alloc[at])
            at = g;
    return at;
}

void attn__head_alloc(const struct attn__head_weights *w, int64_t hk, int64_t hq, int64_t *alloc)
{
    double sum = 0;
    int64_t given = 0;
    for (int64_t g = 0; g < hk; g++)
        sum += attn__head_weight(w, g);
    for (int64_t g = 0; g < hk; g++) {
        alloc[g] = (int64_t)rint(attn__head_weight(w, g) / sum * (double)hq);
        given += alloc[g];
    }
    for (; given > hq; given--)
        alloc[extreme(alloc, hk, 1)]--;
    for (; given < hq; given++)
        alloc[extreme(alloc, hk, -1)]++;
}
