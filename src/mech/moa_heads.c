/* SPDX-License-Identifier: MIT */
/*
 * moa_heads: mixture of attention heads (Zhang et al., 2022). A token's query
 * heads are those of its chosen experts, slot by slot; all share one head of
 * keys and values, and the weights of the slots are gates. Router and
 * projections by experts are the caller's: which queries there are hangs on
 * them.
 */
#include "mech/preset.h"

int32_t attn__mech_moa_heads(const struct attn__params *params, const struct attn__mem *mem,
                             struct attn__problem *p)
{
    static const struct attn__setting settings[] = {
        {ATTN_PARAM_HK, ATTN__FIXED, 1, 0},
        {ATTN_PARAM_HV, ATTN__FIXED, 1, 0},
        {ATTN_PARAM_HEAD_GATE, ATTN__FIXED, 1, 0},
    };
    return attn__preset(params, mem, settings, sizeof settings / sizeof settings[0], p);
}
