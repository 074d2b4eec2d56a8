/* SPDX-License-Identifier: MIT */
/*
 * Rows of any float type and stride, as dense f32 rows and back. Contiguous
 * f16 and bf16 go through the conversion kernels; the rest element by
 * element.
 */
#ifndef ATTN_SOLVERS_ROWS_LOAD_H
#define ATTN_SOLVERS_ROWS_LOAD_H

#include "kernels/kernels.h"
#include "problem/call.h"

/* dst[i * ld + e] = row i0 + i, element e0 + e, for i < rows and e < n. */
void attn__rows_to_f32(const struct attn__kernels *kern, const struct attn__rows *r, int64_t i0,
                       int64_t rows, int64_t e0, int64_t n, float *dst, int64_t ld);

/* The reverse. */
void attn__rows_from_f32(const struct attn__kernels *kern, const float *src, int64_t ld,
                         int64_t rows, int64_t n, const struct attn__rows *r, int64_t i0);

/*
 * Rows i0.. of n elements as an f32 array: the memory they are in where that
 * is one, else a copy in `room` [rows * n]. *ld is its row stride.
 */
static inline const float *attn__rows_f32(const struct attn__kernels *kern,
                                          const struct attn__rows *r, int64_t i0, int64_t rows,
                                          int64_t n, float *room, int64_t *ld)
{
    char *at;
    if (attn__rows_plain(r, ATTN_DTYPE_F32) && attn__rows_run(r, i0, rows, &at) >= rows && at) {
        *ld = r->row;
        return (const float *)(const void *)at;
    }
    attn__rows_to_f32(kern, r, i0, rows, 0, n, room, n);
    *ld = n;
    return room;
}

#endif /* ATTN_SOLVERS_ROWS_LOAD_H */
