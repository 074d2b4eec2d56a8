/* SPDX-License-Identifier: MIT */
/*
 * imbalanced_attention: scores of image keys raised and of summary keys
 * lowered by a share of their size before the softmax (PAI, Liu et al., 2024;
 * the per-head form of a 2025 follow-up). The class terms with what the papers
 * take: four classes, and the last row only.
 */
#include "mech/preset.h"

static const struct attn__setting settings[] = {
    {ATTN_PARAM_CLASS_TERMS, ATTN__DEFAULT, 4, 0},
    {ATTN_PARAM_CLASS_ROWS, ATTN__DEFAULT, 1, 0},
};

int32_t attn__mech_imbalanced_attention(const struct attn__params *params,
                                        const struct attn__mem *mem, struct attn__problem *p)
{
    return attn__preset(params, mem, settings, sizeof settings / sizeof settings[0], p);
}
