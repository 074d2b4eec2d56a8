/* SPDX-License-Identifier: MIT */
/*
 * Conversion of rows between the caller's storage and f32.
 */
#include "solvers/rows_load.h"

#include "base/slab.h"

/* Keys of kivi, all of one slab. */
static void kivi_keys_to_f32(const struct attn__kernels *kern, int32_t dtype, const char *at,
                             int64_t rows, int64_t e0, int64_t n, float *dst, int64_t ld)
{
    int32_t bits = attn__dtype_kivi(dtype);
    const unsigned char *block = attn__slab(at) + attn__dtype_channel_at(dtype, e0);
    kern->cvt_kivi_keys_f32(dst, ld, block, attn__slab_row(at), rows, n, bits);
}

/* Rows of q8_0 or q4_0, all of one slab. */
static void quant_slab_to_f32(const struct attn__kernels *kern, int32_t dtype, const char *at,
                              int64_t rows, int64_t e0, int64_t n, float *dst, int64_t ld)
{
    enum { FEW = 8 };
    unsigned char block[ATTN__SLAB_ROWS * ATTN__SLAB_BLOCK_MAX];
    int64_t bytes = (int64_t)attn__dtype_row(dtype, 32);
    at += attn__dtype_channel_at(dtype, e0);
    bool some = rows < FEW;
    for (int64_t e = 0; e < n; e += 32, at += attn__slab_bytes(dtype)) {
        for (int64_t i = 0; i < rows && some; i++)
            attn__slab_get(dtype, at + i, block + i * bytes);
        if (!some)
            attn__slab_get_all(dtype, attn__slab(at), block);
        (attn__dtype_public(dtype) == ATTN_DTYPE_Q8_0 ? kern->cvt_q8_0_f32 : kern->cvt_q4_0_f32)(
            dst + e, ld, block + (some ? 0 : attn__slab_row(at) * bytes), bytes, rows, 32);
    }
}

/* Rows of a run in slabs. */
static void slabs_to_f32(const struct attn__kernels *kern, const struct attn__rows *r,
                         const char *at, int64_t rows, int64_t e0, int64_t n, float *dst,
                         int64_t ld)
{
    const char *next;
    for (int64_t i = 0, some; i < rows; i += some, at = next) {
        some = attn__rows_slab(r, at, rows - i, &next);
        if (e0 % 32 == 0 && n % 32 == 0) {
            (attn__dtype_kivi_keys(r->dtype) ? kivi_keys_to_f32 : quant_slab_to_f32)(
                kern, r->dtype, at, some, e0, n, dst + i * ld, ld);
            continue;
        }
        for (int64_t k = 0; k < some; k++)
            for (int64_t e = 0; e < n; e++)
                dst[(i + k) * ld + e] = (float)attn__load_f64(at + k, e0 + e, r->dtype);
    }
}

/* Rows of a stored type, one behind the other. */
static void stored_to_f32(const struct attn__kernels *kern, const struct attn__rows *r,
                          const char *at, int64_t rows, int64_t e0, int64_t n, float *dst,
                          int64_t ld)
{
    int64_t numbers, bytes;
    const unsigned char *row = (const unsigned char *)at;
    (void)attn__dtype_block(r->dtype, &numbers, &bytes);
    if (e0 % numbers != 0 || n % numbers != 0) {
        for (int64_t i = 0; i < rows; i++, row += r->row)
            for (int64_t e = 0; e < n; e++)
                dst[i * ld + e] = (float)attn__load_f64(row, e0 + e, r->dtype) * r->scale;
        return;
    }
    row += e0 / numbers * bytes;
    if (r->dtype == ATTN_DTYPE_Q8_0)
        kern->cvt_q8_0_f32(dst, ld, row, r->row, rows, n);
    else if (r->dtype == ATTN_DTYPE_Q4_0)
        kern->cvt_q4_0_f32(dst, ld, row, r->row, rows, n);
    else if (attn__dtype_kivi(r->dtype))
        kern->cvt_kivi_f32(dst, ld, row, r->row, rows, n, attn__dtype_kivi(r->dtype));
    else if (r->dtype == ATTN_DTYPE_FP8_E4M3)
        kern->cvt_e4m3_f32(dst, ld, row, r->row, rows, n, r->scale);
    else
        kern->cvt_e5m2_f32(dst, ld, row, r->row, rows, n, r->scale);
}

/* Rows of pages in one form, run by run; zeros for those that are not there. */
static void alike_to_f32(const struct attn__kernels *kern, const struct attn__rows *r, int64_t i0,
                         int64_t rows, int64_t e0, int64_t n, float *dst, int64_t ld)
{
    for (int64_t i = 0, run; i < rows; i += run) {
        struct attn__rows some = {.row = r->row, .col = r->col, .dtype = r->dtype};
        run = attn__rows_page_run(r, i0 + i, rows - i, &some.base);
        if (some.base && attn__dtype_slabs(r->dtype))
            slabs_to_f32(kern, r, some.base, run, e0, n, dst + i * ld, ld);
        else if (some.base && attn__dtype_stored(r->dtype))
            stored_to_f32(kern, r, some.base, run, e0, n, dst + i * ld, ld);
        else if (some.base)
            attn__rows_to_f32(kern, &some, 0, run, e0, n, dst + i * ld, ld);
        for (int64_t k = i; k < i + run && !some.base; k++)
            memset(dst + k * ld, 0, (size_t)n * sizeof *dst);
    }
}

static void paged_to_f32(const struct attn__kernels *kern, const struct attn__rows *r, int64_t i0,
                         int64_t rows, int64_t e0, int64_t n, float *dst, int64_t ld)
{
    for (int64_t i = 0, alike; i < rows; i += alike) {
        struct attn__rows some;
        alike = attn__rows_alike(r, i0 + i, rows - i, &some);
        alike_to_f32(kern, &some, i0 + i, alike, e0, n, dst + i * ld, ld);
    }
}

void attn__rows_to_f32(const struct attn__kernels *kern, const struct attn__rows *r, int64_t i0,
                       int64_t rows, int64_t e0, int64_t n, float *dst, int64_t ld)
{
    int64_t at0 = e0 * r->col;
    if (rows <= 0 || n <= 0)
        return;
    if (r->paged) {
        paged_to_f32(kern, r, i0, rows, e0, n, dst, ld);
        return;
    }
    const void *first = attn__rows_at(r, i0);
    if (attn__rows_plain(r, ATTN_DTYPE_F16)) {
        kern->cvt_f16_f32(dst, ld, (const uint16_t *)first + at0, r->row, rows, n);
        return;
    }
    if (attn__rows_plain(r, ATTN_DTYPE_BF16)) {
        kern->cvt_bf16_f32(dst, ld, (const uint16_t *)first + at0, r->row, rows, n);
        return;
    }
    for (int64_t i = 0; i < rows; i++, dst += ld) {
        const char *row = attn__rows_at(r, i0 + i);
        if (attn__rows_plain(r, ATTN_DTYPE_F32))
            memcpy(dst, (const float *)row + at0, (size_t)n * sizeof *dst);
        else
            for (int64_t e = 0; e < n; e++)
                dst[e] = (float)attn__load_f64(row, at0 + e * r->col, r->dtype);
    }
}

void attn__rows_from_f32(const struct attn__kernels *kern, const float *src, int64_t ld,
                         int64_t rows, int64_t n, const struct attn__rows *r, int64_t i0)
{
    if (rows <= 0 || n <= 0)
        return;
    void *first = attn__rows_at(r, i0);
    if (attn__rows_plain(r, ATTN_DTYPE_F16)) {
        kern->cvt_f32_f16(first, r->row, src, ld, rows, n);
        return;
    }
    if (attn__rows_plain(r, ATTN_DTYPE_BF16)) {
        kern->cvt_f32_bf16(first, r->row, src, ld, rows, n);
        return;
    }
    for (int64_t i = 0; i < rows; i++, src += ld) {
        char *row = attn__rows_at(r, i0 + i);
        if (attn__rows_plain(r, ATTN_DTYPE_F32))
            memcpy(row, src, (size_t)n * sizeof *src);
        else
            for (int64_t e = 0; e < n; e++)
                attn__store_f64(row, e * r->col, r->dtype, src[e]);
    }
}
