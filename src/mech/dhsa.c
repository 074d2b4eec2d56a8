/* SPDX-License-Identifier: MIT */
/*
 * dhsa: dynamic hierarchical sparse attention (Xiong et al., 2025). Chunks of
 * keys of any lengths, told by the caller, and blocks of queries are compared by
 * their means times the roots of their lengths, averaged over heads; a block
 * attends to as many tokens as its budget has, the first and the latest ones
 * anyhow and the others in the order of their chunks' scores.
 */
#include <inttypes.h>

#include "base/error.h"
#include "mech/select_attend.h"

static const struct attn__setting settings[] = {{ATTN_PARAM_CAUSAL, ATTN__FIXED, 1, 0}};

ATTN__SELECT_RECIPE(settings);

int32_t attn__mech_dhsa(const struct attn__params *params, const struct attn__mem *mem,
                        struct attn__problem *p)
{
    int64_t budget = attn__params_i64_or(params, ATTN_PARAM_DHSA_BUDGET, 2048);
    int64_t first = attn__params_i64_or(params, ATTN_PARAM_DHSA_GLOBAL, 128);
    int64_t last = attn__params_i64_or(params, ATTN_PARAM_DHSA_LOCAL, 128);
    if (first + last > budget)
        return attn__error_set(ATTN_ERR_INVALID,
                               "dhsa_budget is %" PRId64
                               ", expected at least the %" PRId64 " of dhsa_global and dhsa_local",
                               budget, first + last);
    int32_t status = attn__select_attend(params, mem, settings, 1, &recipe, p);
    if (status != ATTN_OK)
        return status;
    p->pooled.rep = ATTN__REP_NORM;
    p->pooled.reduce = p->hout > 1 ? ATTN__REDUCE_MEAN : ATTN__REDUCE_NONE;
    p->pooled.open = ATTN__OPEN_STARTS;
    p->pooled.ragged = p->pooled.tokens = true;
    p->pooled.head_group = p->hout;
    p->pooled.q_block = attn__params_i64_or(params, ATTN_PARAM_DHSA_Q_BLOCK, 64);
    p->pooled.first = first;
    p->pooled.last = last;
    p->pooled.top = budget;
    p->pooled.latest = attn__params_i64_or(params, ATTN_PARAM_DHSA_WINDOW, 0);
    p->takes[ATTN__SLOT_SELECT_OFFSETS] = ATTN__TAKES_MUST;
    return ATTN_OK;
}
