/* SPDX-License-Identifier: MIT */
/*
 * landmark: Landmark attention (Mohtashami and Jaggi, 2023). A landmark token
 * closes each block of keys. A query attends to its own block and to the landmarks
 * of earlier ones, and what a landmark gets goes to the ordinary tokens of its
 * block by a softmax of their own; only the blocks of the best landmarks take part.
 * Positions of chosen keys are the caller's.
 */
#include "base/error.h"
#include "mech/select_attend.h"

static const struct attn__setting settings[] = {{ATTN_PARAM_CAUSAL, ATTN__FIXED, 1, 0}};

ATTN__SELECT_RECIPE(settings);

int32_t attn__mech_landmark(const struct attn__params *params, const struct attn__mem *mem,
                            struct attn__problem *p)
{
    int64_t over = attn__params_i64_or(params, ATTN_PARAM_LANDMARK_OVER,
                                       ATTN_LANDMARK_OVER_NOTHING);
    int64_t top = attn__params_i64_or(params, ATTN_PARAM_LANDMARK_TOP, INT64_MAX);
    int32_t status = attn__select_need(params, ATTN_PARAM_LANDMARK_BLOCKS);
    if (status == ATTN_OK && over != ATTN_LANDMARK_OVER_NOTHING && top == INT64_MAX)
        status = attn__select_unread(params, ATTN_PARAM_LANDMARK_OVER);
    if (status == ATTN_OK)
        status = attn__select_attend(params, mem, settings, 1, &recipe, p);
    if (status != ATTN_OK)
        return status;
    p->pooled.form = ATTN__FORM_LANDMARK;
    p->pooled.landmark.blocks = attn__params_i64_or(params, ATTN_PARAM_LANDMARK_BLOCKS, 0);
    p->pooled.landmark.over = (enum attn__landmark_over)over;
    p->pooled.top = top;
    p->pooled.scale = p->scale;
    p->pooled.logits = true;
    p->takes[ATTN__SLOT_LANDMARK] = ATTN__TAKES_MUST;
    return ATTN_OK;
}
