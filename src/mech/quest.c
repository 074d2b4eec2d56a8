/* SPDX-License-Identifier: MIT */
/*
 * quest: query-aware sparsity (Quest, Tang et al., 2024). For each page of keys
 * the largest and smallest of every channel bound what its keys' products with
 * a query can be; the query attends to the last page and to those with the
 * largest bounds.
 */
#include "mech/select_attend.h"

static const struct attn__setting settings[] = {{ATTN_PARAM_CAUSAL, ATTN__FIXED, 1, 0}};

ATTN__SELECT_RECIPE(settings);

int32_t attn__mech_quest(const struct attn__params *params, const struct attn__mem *mem,
                         struct attn__problem *p)
{
    int32_t status = attn__select_need(params, ATTN_PARAM_QUEST_BUDGET);
    if (status == ATTN_OK)
        status = attn__select_attend(params, mem, settings, 1, &recipe, p);
    if (status != ATTN_OK)
        return status;
    p->pooled.rep = ATTN__REP_BOUNDS;
    p->pooled.open = ATTN__OPEN_STARTS;
    p->pooled.last = 1;
    p->pooled.k_block = attn__params_i64_or(params, ATTN_PARAM_QUEST_PAGE, 16);
    p->pooled.top = attn__params_i64_or(params, ATTN_PARAM_QUEST_BUDGET, 0);
    return ATTN_OK;
}
