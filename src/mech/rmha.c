/* SPDX-License-Identifier: MIT */
/*
 * rmha: relative multi-head attention (Transformer-XL, Dai et al., 2019): the
 * query is also multiplied with a learned row of the distance. All of it is
 * query_table, whose further options the caller sets as the form needs.
 */
#include "mech/preset.h"

static const struct attn__setting settings[] = {{ATTN_PARAM_QUERY_TABLE, ATTN__FIXED, 1, 0}};

int32_t attn__mech_rmha(const struct attn__params *params, const struct attn__mem *mem,
                        struct attn__problem *p)
{
    return attn__preset(params, mem, settings, 1, p);
}
