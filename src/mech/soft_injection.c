/* SPDX-License-Identifier: MIT */
/*
 * soft_injection: soft injection of task embeddings (2025). Softmax attention
 * whose rows move towards given head outputs: head_mix, by MIX_ALPHA, which is
 * 0 for the rows that stay.
 */
#include "mech/preset.h"

static const struct attn__setting settings[] = {
    {ATTN_PARAM_HEAD_MIX, ATTN__FIXED, 1, 0},
};

int32_t attn__mech_soft_injection(const struct attn__params *params, const struct attn__mem *mem,
                                  struct attn__problem *p)
{
    return attn__preset(params, mem, settings, sizeof settings / sizeof settings[0], p);
}
