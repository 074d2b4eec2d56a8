/* SPDX-License-Identifier: MIT */
/*
 * Stored rows: in from the caller's tensors and out again, sums of them, and
 * keys that move to another position.
 */
#include "state/cache_object.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include <attn/desc.h>

#include "base/checked.h"
#include "base/dtype.h"
#include "base/error.h"
#include "base/slab.h"
#include "kernels/kernels.h"
#include "problem/rope.h"

/* Numbers that pass through a buffer at a time: whole blocks of every type. */
enum { PIECE = 128 };

static struct attn__cache_form form_of(const attn_cache *cache, int64_t table, int64_t head,
                                       int32_t dtype, const float *scale)
{
    const struct attn__cache_group *g = attn__cache_group_of(cache, table);
    int64_t row = table / cache->c.groups;
    return (struct attn__cache_form){
        dtype, scale && attn__dtype_fp8(dtype) ? scale[row * cache->c.heads + g->head[head]]
                                               : 1.0f};
}

struct attn__cache_form attn__cache_k_form(const attn_cache *cache, int64_t table,
                                           struct attn__cache_cell at, int64_t head)
{
    return form_of(cache, table, head, attn__cache_stored(cache, at)->k_stored, cache->c.k_scale);
}

struct attn__cache_form attn__cache_v_form(const attn_cache *cache, int64_t table,
                                           struct attn__cache_cell at, int64_t head)
{
    return form_of(cache, table, head, attn__cache_stored(cache, at)->v_stored, cache->c.v_scale);
}

/* Rows in slabs of q8_0 or q4_0, by way of the blocks that they are by themselves. */
static void slab_widen(const struct attn__kernels *kern, int32_t dtype, const char *row, int64_t n,
                       float *dst)
{
    bool bytes = attn__dtype_public(dtype) == ATTN_DTYPE_Q8_0;
    for (int64_t i = 0; i < n; i += 32, row += attn__slab_bytes(dtype)) {
        unsigned char block[ATTN__SLAB_BLOCK_MAX];
        attn__slab_get(dtype, row, block);
        (bytes ? kern->cvt_q8_0_f32 : kern->cvt_q4_0_f32)(dst + i, n, block, 0, 1, 32);
    }
}

static void slab_narrow(const struct attn__kernels *kern, int32_t dtype, char *row,
                        const float *src, int64_t n)
{
    bool bytes = attn__dtype_public(dtype) == ATTN_DTYPE_Q8_0;
    for (int64_t i = 0; i < n; i += 32, row += attn__slab_bytes(dtype)) {
        unsigned char block[ATTN__SLAB_BLOCK_MAX];
        (bytes ? kern->cvt_f32_q8_0 : kern->cvt_f32_q4_0)(block, 0, src + i, n, 1, 32);
        attn__slab_put(dtype, row, block);
    }
}

void attn__cache_row_pack(int32_t stored, const char *row, void *packed, size_t bytes)
{
    size_t block = attn__dtype_row(stored, 32);
    if (!attn__dtype_slabs(stored)) {
        memcpy(packed, row, bytes);
        return;
    }
    for (size_t at = 0; at < bytes; at += block, row += attn__slab_bytes(stored))
        attn__slab_get(stored, row, (unsigned char *)packed + at);
}

void attn__cache_row_unpack(int32_t stored, char *row, const void *packed, size_t bytes)
{
    size_t block = attn__dtype_row(stored, 32);
    if (!attn__dtype_slabs(stored)) {
        memcpy(row, packed, bytes);
        return;
    }
    for (size_t at = 0; at < bytes; at += block, row += attn__slab_bytes(stored))
        attn__slab_put(stored, row, (const unsigned char *)packed + at);
}

void attn__cache_row_copy(int32_t stored, char *to, const char *from, size_t bytes)
{
    size_t block = attn__dtype_row(stored, 32);
    if (!attn__dtype_slabs(stored)) {
        memcpy(to, from, bytes);
        return;
    }
    for (size_t at = 0; at < bytes; at += block) {
        unsigned char packed[ATTN__SLAB_BLOCK_MAX];
        attn__cache_row_pack(stored, from, packed, block);
        attn__cache_row_unpack(stored, to, packed, block);
        from += attn__slab_bytes(stored);
        to += attn__slab_bytes(stored);
    }
}

void attn__cache_row_widen(const attn_cache *cache, struct attn__cache_form form, const void *row,
                           int64_t n, float *dst)
{
    const struct attn__kernels *kern = cache->ctx->kernels;
    switch (form.dtype) {
    case ATTN_DTYPE_FP8_E4M3:
        kern->cvt_e4m3_f32(dst, n, row, 0, 1, n, form.scale);
        break;
    case ATTN_DTYPE_FP8_E5M2:
        kern->cvt_e5m2_f32(dst, n, row, 0, 1, n, form.scale);
        break;
    case ATTN_DTYPE_Q8_0:
        kern->cvt_q8_0_f32(dst, n, row, 0, 1, n);
        break;
    case ATTN_DTYPE_Q4_0:
        kern->cvt_q4_0_f32(dst, n, row, 0, 1, n);
        break;
    case ATTN_DTYPE_KIVI4:
    case ATTN_DTYPE_KIVI2:
        kern->cvt_kivi_f32(dst, n, row, 0, 1, n, attn__dtype_kivi(form.dtype));
        break;
    case ATTN__DTYPE_Q8_0_KEYS:
    case ATTN__DTYPE_Q8_0_VALUES:
    case ATTN__DTYPE_Q4_0_KEYS:
    case ATTN__DTYPE_Q4_0_VALUES:
        slab_widen(kern, form.dtype, row, n, dst);
        break;
    default:
        for (int64_t i = 0; i < n; i++)
            dst[i] = (float)attn__load_f64(row, i, form.dtype);
        break;
    }
}

void attn__cache_row_narrow(const attn_cache *cache, struct attn__cache_form form, void *row,
                            const float *src, int64_t n)
{
    const struct attn__kernels *kern = cache->ctx->kernels;
    switch (form.dtype) {
    case ATTN_DTYPE_F16:
        kern->cvt_f32_f16(row, n, src, n, 1, n);
        break;
    case ATTN_DTYPE_BF16:
        kern->cvt_f32_bf16(row, n, src, n, 1, n);
        break;
    case ATTN_DTYPE_FP8_E4M3:
        kern->cvt_f32_e4m3(row, n, src, n, 1, n, form.scale);
        break;
    case ATTN_DTYPE_FP8_E5M2:
        kern->cvt_f32_e5m2(row, n, src, n, 1, n, form.scale);
        break;
    case ATTN_DTYPE_Q8_0:
        kern->cvt_f32_q8_0(row, 0, src, n, 1, n);
        break;
    case ATTN_DTYPE_Q4_0:
        kern->cvt_f32_q4_0(row, 0, src, n, 1, n);
        break;
    case ATTN_DTYPE_KIVI4:
    case ATTN_DTYPE_KIVI2:
        kern->cvt_f32_kivi(row, 0, src, n, 1, n, attn__dtype_kivi(form.dtype));
        break;
    case ATTN__DTYPE_Q8_0_KEYS:
    case ATTN__DTYPE_Q8_0_VALUES:
    case ATTN__DTYPE_Q4_0_KEYS:
    case ATTN__DTYPE_Q4_0_VALUES:
        slab_narrow(kern, form.dtype, row, src, n);
        break;
    default:
        memcpy(row, src, (size_t)n * sizeof *src);
        break;
    }
}

void attn__cache_row_put(const attn_cache *cache, char *row, struct attn__cache_form form,
                         const attn_tensor *t, int64_t at, int64_t step, int64_t n)
{
    size_t size = attn__dtype_size(t->dtype);
    const char *from = (const char *)t->data + at * (int64_t)size;
    bool dense = step == 1 || n == 1;
    if (dense && t->dtype == form.dtype) {
        memcpy(row, from, (size_t)n * size);
        return;
    }
    if (dense && t->dtype == ATTN_DTYPE_F32 && (uintptr_t)from % size == 0) {
        attn__cache_row_narrow(cache, form, row, (const float *)(const void *)from, n);
        return;
    }
    if (!attn__dtype_stored(form.dtype)) {
        /* f64 is rounded once, not by way of f32 */
        for (int64_t i = 0; i < n; i++)
            attn__store_f64(row, i, form.dtype, attn__load_f64(t->data, at + i * step, t->dtype));
        return;
    }
    for (int64_t i = 0; i < n; i += PIECE) {
        float piece[PIECE];
        int64_t m = n - i < PIECE ? n - i : PIECE;
        for (int64_t c = 0; c < m; c++)
            piece[c] = (float)attn__load_f64(t->data, at + (i + c) * step, t->dtype);
        attn__cache_row_narrow(cache, form, row, piece, m);
        row += attn__dtype_channel_at(form.dtype, m);
    }
}

void attn__cache_row_get(const attn_cache *cache, const char *row, struct attn__cache_form form,
                         const attn_tensor *t, int64_t at, int64_t step, int64_t n)
{
    size_t size = attn__dtype_size(t->dtype);
    if ((step == 1 || n == 1) && t->dtype == form.dtype) {
        memcpy((char *)t->data + at * (int64_t)size, row, (size_t)n * size);
        return;
    }
    if (!attn__dtype_stored(form.dtype)) {
        for (int64_t i = 0; i < n; i++)
            attn__store_f64(t->data, at + i * step, t->dtype, attn__load_f64(row, i, form.dtype));
        return;
    }
    for (int64_t i = 0; i < n; i += PIECE) {
        float piece[PIECE];
        int64_t m = n - i < PIECE ? n - i : PIECE;
        attn__cache_row_widen(cache, form, row, m, piece);
        for (int64_t c = 0; c < m; c++)
            attn__store_f64(t->data, at + (i + c) * step, t->dtype, piece[c]);
        row += attn__dtype_channel_at(form.dtype, m);
    }
}

/* The largest magnitude whose factor a half can hold; fp8 takes all. */
static double most_of(int32_t dtype)
{
    return dtype == ATTN_DTYPE_Q8_0   ? 127 * 65504.0
           : dtype == ATTN_DTYPE_Q4_0 ? 8 * 65504.0
           : attn__dtype_kivi(dtype)  ? 65504.0
                                      : INFINITY;
}

int32_t attn__cache_row_check(const char *name, int32_t dtype, const attn_tensor *t, int64_t at,
                              int64_t step, int64_t n)
{
    double most = most_of(dtype);
    for (int64_t i = 0; i < n && attn__dtype_stored(dtype); i++) {
        double x = attn__load_f64(t->data, at + i * step, t->dtype);
        if (!isfinite(x) || fabs(x) > most)
            return attn__error_set(ATTN_ERR_INVALID,
                                   "%s has %g in channel %" PRId64
                                   ", expected finite numbers of at most %g for %s",
                                   name, x, i, most, attn__dtype_name(dtype));
    }
    return ATTN_OK;
}

void attn__cache_row_fold(const attn_cache *cache, int64_t table, struct attn__cache_cell from,
                          double *sums)
{
    const struct attn__cache_group *g = attn__cache_group_of(cache, table);
    for (int64_t h = 0; h < g->n_heads; h++)
        for (int64_t i = 0; i < cache->c.d; i++)
            *sums++ += attn__load_f64(attn__cache_k(cache, from, h), i, g->k_dtype);
    for (int64_t h = 0; h < g->n_heads; h++)
        for (int64_t i = 0; i < cache->c.dv; i++)
            *sums++ += attn__load_f64(attn__cache_v(cache, from, h), i, g->v_dtype);
}

/* The block that the first turned channel is in begins here. */
static int64_t turn_begin(const attn_cache *cache)
{
    return cache->c.rope_from / 32 * 32;
}

int64_t attn__cache_turn_room(const attn_cache *cache)
{
    int64_t end = (cache->c.rope_from + cache->c.rope_dim + 31) / 32 * 32;
    return cache->c.kinds > cache->c.groups ? ATTN__SLAB_ROWS * cache->c.d
                                            : end - turn_begin(cache);
}

double *attn__cache_turn_make(const attn_cache *cache, int64_t delta, size_t *bytes)
{
    int64_t half = cache->c.rope_dim / 2;
    *bytes = 2 * (size_t)half * sizeof(double) +
             (size_t)attn__cache_turn_room(cache) * sizeof(float);
    double *turn = attn__mem_alloc(&cache->ctx->mem, *bytes, 16);
    for (int64_t i = 0; i < half && turn; i++)
        attn__rope_turn((double)delta, cache->c.freq[i], &turn[i], &turn[half + i]);
    return turn;
}

void attn__cache_turn(const attn_cache *cache, void *key, int32_t dtype, int64_t first,
                      const double *turn)
{
    int64_t half = cache->c.rope_dim / 2;
    bool apart = cache->c.pairing == ATTN_ROPE_HALF;
    for (int64_t c = 0; c < half; c++) {
        int64_t i = first + (apart ? c : 2 * c), j = first + (apart ? half + c : 2 * c + 1);
        double x = attn__load_f64(key, i, dtype), y = attn__load_f64(key, j, dtype);
        attn__store_f64(key, i, dtype, x * turn[c] - y * turn[half + c]);
        attn__store_f64(key, j, dtype, y * turn[c] + x * turn[half + c]);
    }
}

void attn__cache_row_turn(const attn_cache *cache, int64_t table, struct attn__cache_cell at,
                          const double *turn, float *room)
{
    const struct attn__cache_group *g = attn__cache_stored(cache, at);
    int64_t begin = turn_begin(cache);
    int64_t span = attn__min_i64(attn__cache_turn_room(cache), cache->c.d - begin);
    for (int64_t h = 0; h < g->n_heads; h++) {
        char *row = attn__cache_k(cache, at, h);
        if (!attn__dtype_stored(g->k_dtype)) {
            attn__cache_turn(cache, row, g->k_dtype, cache->c.rope_from, turn);
            continue;
        }
        char *block = row + attn__dtype_channel_at(g->k_stored, begin);
        struct attn__cache_form form = attn__cache_k_form(cache, table, at, h);
        attn__cache_row_widen(cache, form, block, span, room);
        attn__cache_turn(cache, room, ATTN_DTYPE_F32, cache->c.rope_from - begin, turn);
        attn__cache_row_narrow(cache, form, block, room, span);
    }
}
