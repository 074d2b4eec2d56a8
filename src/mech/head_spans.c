/* SPDX-License-Identifier: MIT */
/*
 * s2_attention and moa_span: causal attention whose heads see different
 * blocks. s2_attention (dkernel, Lin et al., 2024): the last blocks and, a
 * phase further each KV head, every n-th block. moa_span (Mixture of Sparse
 * Attention, Fu et al., 2024): the first block and the last ones, as many as
 * the head's span.
 */
#include <inttypes.h>

#include "base/error.h"
#include "mech/preset.h"
#include "problem/mech_list.h"

/* Output heads and keys' heads, as mech_attend will find them. */
static int32_t heads(const struct attn__params *v, int64_t *hout, int64_t *hk)
{
    size_t n;
    int64_t hq = attn__params_i64_or(v, ATTN_PARAM_HQ, 1);
    const int64_t *map = attn__params_i64s(v, ATTN_PARAM_Q_HEAD, &n);

    *hout = map ? (int64_t)n : hq;
    *hk = attn__params_i64_or(v, ATTN_PARAM_HK, hq);
    if (attn__params_i64s(v, ATTN_PARAM_K_HEAD, &n) || *hout % *hk != 0)
        return attn__error_set(ATTN_ERR_UNSUPPORTED, "%s with a map of key heads, expected groups",
                               attn__mech_list_name(v->mech));
    return ATTN_OK;
}

/* Adds an ANY piece with n values for each head, which fill() makes. */
static int32_t add(struct attn__params *copy, int32_t kind, int64_t hout, int64_t n,
                   void (*fill)(const struct attn__params *v, int64_t hout, int64_t hk, int64_t h,
                                int64_t *values),
                   int64_t hk)
{
    size_t bytes = (size_t)(hout * n) * sizeof(int64_t); /* at most 65536 heads */
    int64_t *values = attn__mem_alloc(copy->mem, bytes, 8);

    if (!values)
        return ATTN_ERR_NOMEM;
    for (int64_t h = 0; h < hout; h++)
        fill(copy, hout, hk, h, values + h * n);
    int32_t status = attn__piece_list_add(&copy->pieces, copy->mem, kind, ATTN_MODE_ANY, values,
                                          (size_t)(hout * n));
    attn__mem_free(copy->mem, values, bytes);
    return status;
}

static int64_t own(const struct attn__params *v, int32_t param, int64_t fallback)
{
    return attn__params_i64_or(v, param, fallback);
}

static void s2_band(const struct attn__params *v, int64_t hout, int64_t hk, int64_t h,
                    int64_t *values)
{
    int64_t kv = own(v, ATTN_PARAM_S2_HOMO_HEAD, 0) ? 0 : h / (hout / hk);
    bool dense = kv >= hk - own(v, ATTN_PARAM_S2_DENSE_HEADS, 0);

    values[0] = dense ? ATTN_UNBOUNDED : own(v, ATTN_PARAM_S2_LOCAL_BLOCKS, 1) - 1;
    values[1] = ATTN_UNBOUNDED;
    values[2] = 0;
    values[3] = own(v, ATTN_PARAM_S2_BLOCK, 64);
}

static void s2_stride(const struct attn__params *v, int64_t hout, int64_t hk, int64_t h,
                      int64_t *values)
{
    int64_t stride = own(v, ATTN_PARAM_S2_STRIDE, 1), kv = h / (hout / hk);
    bool homo = own(v, ATTN_PARAM_S2_HOMO_HEAD, 0) != 0;
    int64_t step = homo ? 0 : stride / hout > 1 ? stride / hout : 1;

    values[0] = own(v, ATTN_PARAM_S2_BLOCK, 64);
    values[1] = stride;
    values[2] = kv * step + own(v, ATTN_PARAM_S2_OFFSET, 0);
}

static const struct attn__setting causal[] = {{ATTN_PARAM_CAUSAL, ATTN__FIXED, 1, 0}};

int32_t attn__mech_s2_attention(const struct attn__params *v, const struct attn__mem *mem,
                                struct attn__problem *p)
{
    struct attn__params copy;
    int64_t hout, hk;
    if (own(v, ATTN_PARAM_S2_LOCAL_BLOCKS, 0) == 0 || own(v, ATTN_PARAM_S2_STRIDE, 0) == 0)
        return attn__error_set(ATTN_ERR_UNSET,
                               "s2_attention needs s2_local_blocks and s2_stride, which were not "
                               "both set");
    int32_t status = heads(v, &hout, &hk);
    if (status != ATTN_OK)
        return status;
    status = attn__preset_copy(v, mem, causal, 1, &copy);
    if (status == ATTN_OK)
        status = add(&copy, ATTN_PIECE_BAND, hout, 4, s2_band, hk);
    if (status == ATTN_OK)
        status = add(&copy, ATTN_PIECE_STRIDE, hout, 3, s2_stride, hk);
    if (status == ATTN_OK)
        status = attn__mech_attend(&copy, v, mem, p);
    attn__params_destroy(&copy);
    return status;
}

static void moa_band(const struct attn__params *v, int64_t hout, int64_t hk, int64_t h,
                     int64_t *values)
{
    size_t n;
    (void)hout;
    (void)hk;
    values[0] = attn__params_i64s(v, ATTN_PARAM_MOA_BANDS, &n)[h] - 1;
    values[1] = ATTN_UNBOUNDED;
    values[2] = 0;
    values[3] = own(v, ATTN_PARAM_MOA_BLOCK, 64);
}

int32_t attn__mech_moa_span(const struct attn__params *v, const struct attn__mem *mem,
                            struct attn__problem *p)
{
    struct attn__params copy;
    int64_t hout, hk, block = own(v, ATTN_PARAM_MOA_BLOCK, 64);
    size_t n;
    const int64_t *bands = attn__params_i64s(v, ATTN_PARAM_MOA_BANDS, &n);
    if (!bands)
        return attn__error_set(ATTN_ERR_UNSET,
                               "moa_span needs moa_bands (blocks in view of each output head), "
                               "which was not set");
    int32_t status = heads(v, &hout, &hk);
    if (status == ATTN_OK && (int64_t)n != hout)
        status = attn__error_set(ATTN_ERR_INVALID,
                                 "moa_bands has %zu entries, expected one for each of the %" PRId64
                                 " output heads",
                                 n, hout);
    if (status != ATTN_OK)
        return status;
    status = attn__preset_copy(v, mem, causal, 1, &copy);
    if (status == ATTN_OK)
        status = add(&copy, ATTN_PIECE_BAND, hout, 4, moa_band, hk);
    if (status == ATTN_OK)
        status = attn__piece_list_add(&copy.pieces, mem, ATTN_PIECE_PREFIX, ATTN_MODE_ANY, &block,
                                      1);
    if (status == ATTN_OK)
        status = attn__mech_attend(&copy, v, mem, p);
    attn__params_destroy(&copy);
    return status;
}
