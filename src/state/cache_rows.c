/* SPDX-License-Identifier: MIT */
/*
 * Stored rows: in from the caller's tensors and out again, sums of them, and
 * keys that move to another position.
 */
#include "state/cache_object.h"

#include <string.h>

#include <attn/desc.h>

#include "base/dtype.h"
#include "kernels/kernels.h"

void attn__cache_row_put(const attn_cache *cache, char *row, int32_t dtype, const attn_tensor *t,
                         int64_t at, int64_t step, int64_t n)
{
    const struct attn__kernels *kern = cache->ctx->kernels;
    size_t size = attn__dtype_size(t->dtype);
    const char *from = (const char *)t->data + at * (int64_t)size;
    bool dense = step == 1 || n == 1;
    if (dense && t->dtype == dtype) {
        memcpy(row, from, (size_t)n * size);
        return;
    }
    dense = dense && (uintptr_t)from % size == 0;
    if (dense && t->dtype == ATTN_DTYPE_F32 && dtype == ATTN_DTYPE_F16)
        kern->cvt_f32_f16((uint16_t *)(void *)row, n, (const float *)(const void *)from, n, 1, n);
    else if (dense && t->dtype == ATTN_DTYPE_F32 && dtype == ATTN_DTYPE_BF16)
        kern->cvt_f32_bf16((uint16_t *)(void *)row, n, (const float *)(const void *)from, n, 1,
                           n);
    else
        for (int64_t i = 0; i < n; i++)
            attn__store_f64(row, i, dtype, attn__load_f64(t->data, at + i * step, t->dtype));
}

void attn__cache_row_get(const char *row, int32_t dtype, const attn_tensor *t, int64_t at,
                         int64_t step, int64_t n)
{
    size_t size = attn__dtype_size(t->dtype);
    if ((step == 1 || n == 1) && t->dtype == dtype) {
        memcpy((char *)t->data + at * (int64_t)size, row, (size_t)n * size);
        return;
    }
    for (int64_t i = 0; i < n; i++)
        attn__store_f64(t->data, at + i * step, t->dtype, attn__load_f64(row, i, dtype));
}

void attn__cache_row_fold(const attn_cache *cache, int64_t table, struct attn__cache_cell from,
                          double *sums)
{
    const struct attn__cache_group *g = attn__cache_group_of(cache, table);
    for (int64_t h = 0; h < g->n_heads; h++)
        for (int64_t i = 0; i < cache->c.d; i++)
            *sums++ += attn__load_f64(attn__cache_k(cache, g, from, h), i, g->k_dtype);
    for (int64_t h = 0; h < g->n_heads; h++)
        for (int64_t i = 0; i < cache->c.dv; i++)
            *sums++ += attn__load_f64(attn__cache_v(cache, g, from, h), i, g->v_dtype);
}

void attn__cache_row_turn(const attn_cache *cache, int64_t table, struct attn__cache_cell at,
                          const double *turn)
{
    const struct attn__cache_group *g = attn__cache_group_of(cache, table);
    int64_t half = cache->c.rope_dim / 2;
    bool apart = cache->c.pairing == ATTN_ROPE_HALF;
    for (int64_t h = 0; h < g->n_heads; h++) {
        char *row = attn__cache_k(cache, g, at, h);
        for (int64_t c = 0; c < half; c++) {
            int64_t i = apart ? c : 2 * c, j = apart ? half + c : 2 * c + 1;
            double x = attn__load_f64(row, i, g->k_dtype), y = attn__load_f64(row, j, g->k_dtype);
            attn__store_f64(row, i, g->k_dtype, x * turn[c] - y * turn[half + c]);
            attn__store_f64(row, j, g->k_dtype, y * turn[c] + x * turn[half + c]);
        }
    }
}
