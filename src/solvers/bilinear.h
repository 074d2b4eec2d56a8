/* SPDX-License-Identifier: MIT */
/*
 * Where a point of a resized image lies in the original: half-pixel centres,
 * edges repeated, as resizing with align_corners=False does it.
 */
#ifndef ATTN_SOLVERS_BILINEAR_H
#define ATTN_SOLVERS_BILINEAR_H

#include <math.h>
#include <stdint.h>

/* (1 - part) x[low] + part x[high] */
struct attn__between {
    int64_t low, high;
    double part;
};

/* Point i of `to` over `from` points. */
static inline struct attn__between attn__bilinear(int64_t i, int64_t from, int64_t to)
{
    double at = fmax(((double)i + 0.5) * (double)from / (double)to - 0.5, 0);
    int64_t low = (int64_t)floor(at);
    if (low > from - 1)
        low = from - 1;
    return (struct attn__between){low, low + 1 < from ? low + 1 : low, at - (double)low};
}

#endif /* ATTN_SOLVERS_BILINEAR_H */
