/* SPDX-License-Identifier: MIT */
/*
 * indexer_topk: tokens by a small indexer (DeepSeek-V3.2, 2025; the formula is
 * not confirmed by a published text). A few short heads of their own score
 * every key for every query; all heads attend to the best tokens.
 */
#include "mech/select_attend.h"

static const struct attn__setting settings[] = {{ATTN_PARAM_CAUSAL, ATTN__FIXED, 1, 0}};

ATTN__SELECT_RECIPE(settings);

int32_t attn__mech_indexer_topk(const struct attn__params *params, const struct attn__mem *mem,
                                struct attn__problem *p)
{
    static const int32_t needed[] = {ATTN_PARAM_INDEXER_HEADS, ATTN_PARAM_INDEXER_WIDTH};
    int32_t status = ATTN_OK;
    for (size_t n = 0; n < sizeof needed / sizeof needed[0] && status == ATTN_OK; n++)
        status = attn__select_need(params, needed[n]);
    if (status == ATTN_OK)
        status = attn__select_attend(params, mem, settings, 1, &recipe, p);
    if (status != ATTN_OK)
        return status;
    int64_t heads = attn__params_i64_or(params, ATTN_PARAM_INDEXER_HEADS, 0);
    p->pooled.rep = ATTN__REP_GIVEN;
    p->pooled.score = ATTN__SCORE_RELU;
    p->pooled.reduce = heads > 1 ? ATTN__REDUCE_SUM : ATTN__REDUCE_NONE;
    p->pooled.open = ATTN__OPEN_STARTS;
    p->pooled.head_group = p->hout;
    p->pooled.top = attn__params_i64_or(params, ATTN_PARAM_INDEXER_TOKENS, 2048);
    attn__select_given(p, heads, 1, attn__params_i64_or(params, ATTN_PARAM_INDEXER_WIDTH, 0));
    p->takes[ATTN__SLOT_SELECT_W] = ATTN__TAKES_MUST;
    return ATTN_OK;
}
