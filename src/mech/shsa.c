/* SPDX-License-Identifier: MIT */
/*
 * shsa: the single-head attention of SHViT (2024). One head on part of the
 * channels, keys narrower than values, every token against every other; the
 * convolutions around it and the channels that pass by are the caller's.
 */
#include "mech/preset.h"

/* Tokens of an image have no order. */
static const struct attn__setting settings[] = {
    {ATTN_PARAM_HQ, ATTN__FIXED, 1, 0},
    {ATTN_PARAM_HK, ATTN__FIXED, 1, 0},
    {ATTN_PARAM_HV, ATTN__FIXED, 1, 0},
    {ATTN_PARAM_D, ATTN__DEFAULT, 16, 0},
    {ATTN_PARAM_CAUSAL, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_WINDOW_LEFT, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_WINDOW_RIGHT, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_SINK_TOKENS, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_PREFIX, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_ALIBI, ATTN__REFUSED, 0, 0},
};

int32_t attn__mech_shsa(const struct attn__params *params, const struct attn__mem *mem,
                      struct attn__problem *p)
{
    return attn__preset(params, mem, settings, sizeof settings / sizeof settings[0], p);
}
