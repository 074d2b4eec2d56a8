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

/* Of a view [B,H,N,D], row n: where its channel c is, and whether those from
 * there on are an array of floats. */
static inline int64_t attn__channels_at(const attn_tensor *t, int64_t b, int64_t h, int64_t n,
                                        int64_t c)
{
    return b * t->stride[0] + h * t->stride[1] + n * t->stride[2] + c * t->stride[3];
}

static inline bool attn__channels_plain(const attn_tensor *t, int64_t at)
{
    return t->dtype == ATTN_DTYPE_F32 && t->stride[3] == 1 &&
           (uintptr_t)((const float *)t->data + at) % sizeof(float) == 0;
}

/* Channels c to c + width - 1. */
static inline void attn__channels_load(const attn_tensor *t, int64_t b, int64_t h, int64_t n,
                                       int64_t c, int64_t width, double *to)
{
    int64_t at = attn__channels_at(t, b, h, n, c);
    if (attn__channels_plain(t, at)) {
        const float *f = (const float *)t->data + at;
        for (int64_t e = 0; e < width; e++)
            to[e] = f[e];
        return;
    }
    for (int64_t e = 0; e < width; e++)
        to[e] = attn__load_f64(t->data, at + e * t->stride[3], t->dtype);
}

static inline void attn__channels_store(const attn_tensor *t, int64_t b, int64_t h, int64_t n,
                                        int64_t c, int64_t width, const double *x)
{
    int64_t at = attn__channels_at(t, b, h, n, c);
    if (attn__channels_plain(t, at)) {
        float *f = (float *)t->data + at;
        for (int64_t e = 0; e < width; e++)
            f[e] = (float)x[e];
        return;
    }
    for (int64_t e = 0; e < width; e++)
        attn__store_f64(t->data, at + e * t->stride[3], t->dtype, x[e]);
}

/* Adds x, which is changed, to them in the type of the view. */
static inline void attn__channels_add(const attn_tensor *t, int64_t b, int64_t h, int64_t n,
                                      int64_t c, int64_t width, double *x)
{
    double old[ATTN__CHANNELS];
    attn__channels_load(t, b, h, n, c, width, old);
    for (int64_t e = 0; e < width; e++)
        x[e] += old[e];
    attn__channels_store(t, b, h, n, c, width, x);
}

#endif /* ATTN_SOLVERS_CHANNELS_H */
