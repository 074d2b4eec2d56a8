/* SPDX-License-Identifier: MIT */
/*
 * Strips of channels of one row, in double: what steps of recipes that sum over
 * tokens channel by channel read.
 */
#ifndef ATTN_SOLVERS_CHANNELS_H
#define ATTN_SOLVERS_CHANNELS_H

#include "base/checked.h"
#include "base/dtype.h"

/* Channels at a time: they lie on the stack. */
enum { ATTN__CHANNELS = 64 };

/* Channels c to c + width - 1 of row n of a view [B,H,N,D]. */
static inline void attn__channels_load(const attn_tensor *t, int64_t b, int64_t h, int64_t n,
                                       int64_t c, int64_t width, double *to)
{
    int64_t at = b * t->stride[0] + h * t->stride[1] + n * t->stride[2] + c * t->stride[3];
    const float *f = (const float *)t->data + at;
    if (t->dtype == ATTN_DTYPE_F32 && t->stride[3] == 1 && (uintptr_t)f % sizeof *f == 0) {
        for (int64_t e = 0; e < width; e++)
            to[e] = f[e];
        return;
    }
    for (int64_t e = 0; e < width; e++)
        to[e] = attn__load_f64(t->data, at + e * t->stride[3], t->dtype);
}

/* Adds to them, in the type of the view. */
static inline void attn__channels_add(const attn_tensor *t, int64_t b, int64_t h, int64_t n,
                                      int64_t c, int64_t width, const double *x)
{
    int64_t at = b * t->stride[0] + h * t->stride[1] + n * t->stride[2] + c * t->stride[3];
    for (int64_t e = 0; e < width; e++, at += t->stride[3])
        attn__store_f64(t->data, at, t->dtype, attn__load_f64(t->data, at, t->dtype) + x[e]);
}

#endif /* ATTN_SOLVERS_CHANNELS_H */
