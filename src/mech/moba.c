/* SPDX-License-Identifier: MIT */
/*
 * moba: Mixture of Block Attention (Lu et al., 2025). A query attends to its
 * own block of keys and, of those in front of it, to the blocks whose mean has
 * the largest products with it.
 */
#include "mech/select_attend.h"

static const struct attn__setting settings[] = {{ATTN_PARAM_CAUSAL, ATTN__FIXED, 1, 0}};

ATTN__SELECT_RECIPE(settings);

int32_t attn__mech_moba(const struct attn__params *params, const struct attn__mem *mem,
                        struct attn__problem *p)
{
    int32_t status = attn__select_need(params, ATTN_PARAM_MOBA_BLOCK);
    if (status == ATTN_OK)
        status = attn__select_need(params, ATTN_PARAM_MOBA_TOP);
    if (status == ATTN_OK)
        status = attn__select_attend(params, mem, settings, 1, &recipe, p);
    if (status != ATTN_OK)
        return status;
    p->pooled.rep = ATTN__REP_MEAN;
    p->pooled.open = ATTN__OPEN_STARTS;
    p->pooled.last = 1; /* the own block, which `top` counts */
    p->pooled.k_block = attn__params_i64_or(params, ATTN_PARAM_MOBA_BLOCK, 0);
    p->pooled.top = attn__params_i64_or(params, ATTN_PARAM_MOBA_TOP, 0);
    return ATTN_OK;
}
