/* SPDX-License-Identifier: MIT */
/*
 * lowformer_mhsa: the slim attention of LowFormer (2024). Few heads on tokens
 * of a lower resolution, every token against every other; the convolutions
 * that change the resolution are the caller's.
 */
#include "mech/preset.h"

/* Tokens of an image have no order. */
static const struct attn__setting settings[] = {
    {ATTN_PARAM_CAUSAL, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_WINDOW_LEFT, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_WINDOW_RIGHT, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_SINK_TOKENS, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_PREFIX, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_ALIBI, ATTN__REFUSED, 0, 0},
};

int32_t attn__mech_lowformer_mhsa(const struct attn__params *params, const struct attn__mem *mem,
                      struct attn__problem *p)
{
    return attn__preset(params, mem, settings, sizeof settings / sizeof settings[0], p);
}
