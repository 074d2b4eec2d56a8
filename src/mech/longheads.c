/* SPDX-License-Identifier: MIT */
/*
 * longheads: LongHeads (Lu et al., 2024). A query attends to the first chunk of
 * keys, to its own and the one in front of it, and to those whose chunk key has
 * the largest products with the query without positions. Chunk keys, those
 * queries and the positions of chosen keys are the caller's.
 */
#include "mech/select_attend.h"

static const struct attn__setting settings[] = {{ATTN_PARAM_CAUSAL, ATTN__FIXED, 1, 0}};

ATTN__SELECT_RECIPE(settings);

int32_t attn__mech_longheads(const struct attn__params *params, const struct attn__mem *mem,
                             struct attn__problem *p)
{
    int32_t status = attn__select_attend(params, mem, settings, 1, &recipe, p);
    if (status != ATTN_OK)
        return status;
    p->pooled.rep = ATTN__REP_GIVEN;
    p->pooled.open = ATTN__OPEN_STARTS;
    p->pooled.first = 1;
    p->pooled.last = 2;
    p->pooled.k_block = attn__params_i64_or(params, ATTN_PARAM_LONGHEADS_CHUNK, 256);
    p->pooled.top = attn__params_i64_or(params, ATTN_PARAM_LONGHEADS_CHUNKS, 16);
    attn__select_given(p, 0, 0, p->d);
    return ATTN_OK;
}
