/* SPDX-License-Identifier: MIT */
/*
 * flexprefill: FlexPrefill (Lai et al., 2025). Each head finds out from the last
 * queries whether means of blocks tell where its attention goes. If so the
 * blocks whose means cover a share of it are kept, else those that hold the
 * columns and diagonals that the last queries show.
 */
#include <inttypes.h>

#include "base/checked.h"
#include "base/error.h"
#include "mech/select_attend.h"

static const struct attn__setting settings[] = {{ATTN_PARAM_CAUSAL, ATTN__FIXED, 1, 0}};

ATTN__SELECT_RECIPE(settings);

static int64_t parts(int64_t n, int64_t unit)
{
    return n / unit + (n % unit != 0);
}

int32_t attn__mech_flexprefill(const struct attn__params *params, const struct attn__mem *mem,
                               struct attn__problem *p)
{
    int64_t block = attn__params_i64_or(params, ATTN_PARAM_FLEXPREFILL_BLOCK, 128);
    int64_t least = attn__params_i64_or(params, ATTN_PARAM_FLEXPREFILL_MIN, 512);
    int64_t most = attn__params_i64_or(params, ATTN_PARAM_FLEXPREFILL_MAX, INT64_MAX);
    if (most < least)
        return attn__error_set(ATTN_ERR_INVALID,
                               "flexprefill_max is %" PRId64
                               ", expected at least flexprefill_min, which is %" PRId64,
                               most, least);
    int32_t status = attn__select_attend(params, mem, settings, 1, &recipe, p);
    if (status != ATTN_OK)
        return status;
    p->pooled.form = ATTN__FORM_FLEX;
    p->pooled.q_block = p->pooled.k_block = block;
    p->pooled.scale = p->scale;
    p->pooled.mass = attn__params_f64_or(params, ATTN_PARAM_FLEXPREFILL_GAMMA, 0.9);
    p->pooled.stripes.queries = block;
    p->pooled.stripes.least = attn__max_i64(parts(least, block), 1);
    p->pooled.stripes.most = parts(most, block);
    p->pooled.stripes.tau = attn__params_f64_or(params, ATTN_PARAM_FLEXPREFILL_TAU, 0.1);
    return ATTN_OK;
}
