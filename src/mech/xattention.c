/* SPDX-License-Identifier: MIT */
/*
 * xattention: block-sparse attention with antidiagonal scoring (XAttention, Xu
 * et al., 2025). Sums along the antidiagonals of small squares of scores tell
 * how much a block of keys holds of a block of queries; the blocks that cover a
 * share of it are kept, the first and the diagonal one anyhow.
 */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "mech/select_attend.h"
#include "solvers/select_pick.h"

static const struct attn__setting settings[] = {{ATTN_PARAM_CAUSAL, ATTN__DEFAULT, 1, 0}};

ATTN__SELECT_RECIPE(settings);

/* The share that each output head covers. */
static int32_t thresholds(const struct attn__params *params, struct attn__problem *p)
{
    size_t n = 0;
    const double *given = attn__params_f64s(params, ATTN_PARAM_XATTENTION_THRESHOLDS, &n);
    bool both = false;
    if (!given)
        return ATTN_OK;
    int32_t status = attn__params_is_set(params, ATTN_PARAM_XATTENTION_THRESHOLD, &both);
    if (status == ATTN_OK && both)
        return attn__select_unread(params, ATTN_PARAM_XATTENTION_THRESHOLD);
    if (status == ATTN_OK && (int64_t)n != p->hout)
        return attn__error_set(ATTN_ERR_INVALID,
                               "xattention_thresholds has %zu entries, expected one for each of "
                               "the %" PRId64 " output heads",
                               n, p->hout);
    memcpy(p->own_values, given, n * sizeof *given);
    p->pooled.masses = p->own_values;
    return status;
}

int32_t attn__mech_xattention(const struct attn__params *params, const struct attn__mem *mem,
                              struct attn__problem *p)
{
    int64_t block = attn__params_i64_or(params, ATTN_PARAM_XATTENTION_BLOCK, 128);
    int64_t stride = attn__params_i64_or(params, ATTN_PARAM_XATTENTION_STRIDE, 8);
    bool causal = attn__params_i64_or(params, ATTN_PARAM_CAUSAL, 1) != 0;
    if (block % stride != 0)
        return attn__error_set(ATTN_ERR_INVALID,
                               "xattention_stride is %" PRId64
                               ", expected a divisor of xattention_block, which is %" PRId64,
                               stride, block);
    int32_t status = attn__select_attend(params, mem, settings, 1, &recipe, p);
    if (status != ATTN_OK)
        return status;
    p->pooled.rep = ATTN__REP_STRIDES;
    p->pooled.score = ATTN__SCORE_PROB;
    p->pooled.open = causal ? ATTN__OPEN_STARTS : ATTN__OPEN_ALL;
    p->pooled.first = p->pooled.last = causal;
    p->pooled.rule = ATTN__PICK_COVER;
    p->pooled.mass = attn__params_f64_or(params, ATTN_PARAM_XATTENTION_THRESHOLD, 0.9);
    p->pooled.k_block = p->pooled.q_block = block;
    p->pooled.stride = stride;
    p->pooled.scale =
        p->scale / ((double)stride * attn__params_f64_or(params, ATTN_PARAM_XATTENTION_NORM, 1));
    status = thresholds(params, p);
    if (status != ATTN_OK)
        attn__problem_free(p, mem);
    return status;
}
