/* SPDX-License-Identifier: MIT */
/*
 * hcam: hierarchical chunk attention memory (Lampinen et al., 2021). A memory
 * in chunks, each with a summary: a query reads the chunks whose summaries suit
 * it best, each by a softmax of its own, and weighs what it read by the softmax
 * of those relevances.
 */
#include <math.h>

#include "mech/select_attend.h"

static const struct attn__setting settings[] = {{ATTN_PARAM_CAUSAL, ATTN__FIXED, 0, 0}};

ATTN__SELECT_RECIPE(settings);

int32_t attn__mech_hcam(const struct attn__params *params, const struct attn__mem *mem,
                        struct attn__problem *p)
{
    int32_t status = attn__select_need(params, ATTN_PARAM_HCAM_CHUNK);
    if (status == ATTN_OK)
        status = attn__select_need(params, ATTN_PARAM_HCAM_TOP);
    if (status == ATTN_OK)
        status = attn__select_attend(params, mem, settings, 1, &recipe, p);
    if (status != ATTN_OK)
        return status;
    int64_t width = attn__params_i64_or(params, ATTN_PARAM_HCAM_WIDTH, p->d);
    p->pooled.rep = ATTN__REP_GIVEN;
    p->pooled.head_group = p->hout;
    p->pooled.k_block = attn__params_i64_or(params, ATTN_PARAM_HCAM_CHUNK, 0);
    p->pooled.top = attn__params_i64_or(params, ATTN_PARAM_HCAM_TOP, 0);
    p->pooled.scale = 1 / sqrt((double)width);
    p->pooled.logits = true;
    attn__select_given(p, 1, 1, width);
    if (attn__params_i64_or(params, ATTN_PARAM_HCAM_MASK, 0))
        p->takes[ATTN__SLOT_SELECT_MASK] = ATTN__TAKES_MUST;
    return ATTN_OK;
}
