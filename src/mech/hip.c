/* SPDX-License-Identifier: MIT */
/*
 * hip: hierarchically pruned attention (Lee et al., 2024). Each block of queries
 * finds blocks of keys in a search that halves groups of them; a query attends to
 * those and to the latest keys.
 */
#include <inttypes.h>

#include "base/error.h"
#include "mech/select_attend.h"

static const struct attn__setting settings[] = {{ATTN_PARAM_CAUSAL, ATTN__FIXED, 1, 0}};

ATTN__SELECT_RECIPE(settings);

int32_t attn__mech_hip(const struct attn__params *params, const struct attn__mem *mem,
                       struct attn__problem *p)
{
    int64_t tokens = attn__params_i64_or(params, ATTN_PARAM_HIP_TOKENS, 512);
    int64_t q_block = attn__params_i64_or(params, ATTN_PARAM_HIP_Q_BLOCK, 32);
    int64_t k_block = attn__params_i64_or(params, ATTN_PARAM_HIP_K_BLOCK, 2);
    int64_t window = attn__params_i64_or(params, ATTN_PARAM_HIP_WINDOW, 128);
    if (tokens < k_block)
        return attn__error_set(ATTN_ERR_INVALID,
                               "hip_tokens is %" PRId64
                               ", expected at least the %" PRId64 " of hip_k_block",
                               tokens, k_block);
    if (window < q_block)
        return attn__error_set(ATTN_ERR_INVALID,
                               "hip_window is %" PRId64
                               ", expected at least the %" PRId64
                               " of hip_q_block, whose queries attend to each other",
                               window, q_block);
    int32_t status = attn__select_attend(params, mem, settings, 1, &recipe, p);
    if (status != ATTN_OK)
        return status;
    p->pooled.form = ATTN__FORM_TREE;
    p->pooled.q_block = q_block;
    p->pooled.k_block = k_block;
    p->pooled.local = window;
    p->pooled.tree.keys = tokens;
    p->pooled.tree.first = attn__params_i64_or(params, ATTN_PARAM_HIP_FIRST, 1);
    p->pooled.tree.stride = attn__params_i64_or(params, ATTN_PARAM_HIP_STRIDE, 2);
    p->pooled.tree.middle = attn__params_i64_or(params, ATTN_PARAM_HIP_MIDDLE, 0) != 0;
    return ATTN_OK;
}
