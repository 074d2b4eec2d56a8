/* SPDX-License-Identifier: MIT */
/*
 * biformer: bi-level routing attention (BiFormer, Zhu et al., 2023). Regions of
 * an image attend to the regions whose mean key has the largest products with
 * their mean query, over all heads together; all heads share the choice. Tokens
 * come region after region, or line after line of an image.
 */
#include <inttypes.h>
#include <math.h>

#include "base/error.h"
#include "mech/select_attend.h"
#include "solvers/select_regions.h"

static const struct attn__setting settings[] = {{ATTN_PARAM_CAUSAL, ATTN__FIXED, 0, 0}};

/* The scale is that of all channels, not of a head's. */
static double scale_of(const struct attn__problem *p)
{
    return 1 / sqrt((double)p->hq * (double)p->d);
}

static int32_t stage(const struct attn__params *v, const struct attn__problem *whole, int32_t n,
                     const struct attn__mem *mem, struct attn__problem *p)
{
    int32_t status = attn__select_attend_stage(v, mem, settings, 1, whole, p);
    (void)n;
    if (status == ATTN_OK)
        p->scale = whole->scale;
    return status;
}

static const struct attn__recipe recipe = {
    .n_stages = 1,
    .by_sequence = true,
    .stage = stage,
    .workspace = attn__select_attend_workspace,
    .select = attn__select_attend_select,
    .price = attn__select_attend_price,
    .run = attn__select_attend_run,
};

static void settle(const struct attn__params *params, bool scaled, struct attn__problem *p)
{
    p->scale = scaled ? p->scale : scale_of(p);
    p->pooled.rep = ATTN__REP_MEAN;
    p->pooled.open = ATTN__OPEN_ALL;
    p->pooled.reduce = p->hout > 1 ? ATTN__REDUCE_SUM : ATTN__REDUCE_NONE;
    p->pooled.head_group = p->hout;
    p->pooled.k_block = p->pooled.q_block =
        attn__params_i64_or(params, ATTN_PARAM_BIFORMER_REGION, 0);
    p->pooled.top = attn__params_i64_or(params, ATTN_PARAM_BIFORMER_TOP, 0);
}

/* Whole lines. */
static int32_t check_call(const struct attn__call *c)
{
    int64_t columns = c->p->pooled.regions.columns;
    for (int64_t n = 0; n < c->n_seq; n++) {
        struct attn__seq s = attn__call_seq(c, n);
        if (s.nk % columns != 0)
            return attn__error_set(ATTN_ERR_SHAPE,
                                   "sequence %" PRId64 " has %" PRId64
                                   " tokens, expected lines of the %" PRId64
                                   " of biformer_columns",
                                   n, s.nk, columns);
    }
    return attn__select_attend_check(c);
}

/* An image by lines: a block of queries is a line of a region, where those are equal. */
static int32_t settle_lines(const struct attn__params *v, struct attn__problem *p)
{
    int64_t region = p->pooled.k_block, width;
    int32_t status = attn__select_need(v, ATTN_PARAM_BIFORMER_WIDTH);
    if (status != ATTN_OK)
        return status;
    width = attn__params_i64_or(v, ATTN_PARAM_BIFORMER_WIDTH, 0);
    if (region % width != 0)
        return attn__error_set(ATTN_ERR_INVALID,
                               "biformer_region is %" PRId64
                               ", expected a multiple of the %" PRId64 " of biformer_width",
                               region, width);
    p->pooled.form = ATTN__FORM_REGIONS;
    p->pooled.regions = (struct attn__regions_spec){
        .columns = attn__params_i64_or(v, ATTN_PARAM_BIFORMER_COLUMNS, 0),
        .width = width,
        .height = region / width};
    p->pooled.k_block = 1;
    p->pooled.q_block = p->pooled.regions.columns % width == 0 ? width : 1;
    p->check_call = check_call;
    return ATTN_OK;
}

static int32_t settle_order(const struct attn__params *v, struct attn__problem *p)
{
    bool lines = false, width = false;
    int32_t status = attn__params_is_set(v, ATTN_PARAM_BIFORMER_COLUMNS, &lines);
    if (status == ATTN_OK)
        status = attn__params_is_set(v, ATTN_PARAM_BIFORMER_WIDTH, &width);
    if (status == ATTN_OK && lines)
        return settle_lines(v, p);
    return status == ATTN_OK && width ? attn__select_unread(v, ATTN_PARAM_BIFORMER_WIDTH) : status;
}

static int64_t regions_of(const struct attn__problem *p)
{
    int64_t region = p->pooled.k_block;
    if (p->pooled.form == ATTN__FORM_REGIONS)
        return attn__regions_count(&p->pooled.regions, p->k);
    return p->k / region + (p->k % region != 0);
}

static int32_t check(const struct attn__problem *p)
{
    int64_t regions = regions_of(p);
    if (p->hk != p->hq || p->hv != p->hq)
        return attn__error_set(ATTN_ERR_INVALID,
                               "h=%" PRId64 "/%" PRId64 "/%" PRId64
                               ": expected as many key and value heads as query heads",
                               p->hq, p->hk, p->hv);
    if (p->pooled.top > regions)
        return attn__error_set(ATTN_ERR_INVALID,
                               "biformer_top is %" PRId64 ", expected at most the %" PRId64
                               " regions",
                               p->pooled.top, regions);
    return ATTN_OK;
}

int32_t attn__mech_biformer(const struct attn__params *params, const struct attn__mem *mem,
                            struct attn__problem *p)
{
    bool scaled = false;
    int32_t status = attn__select_need(params, ATTN_PARAM_BIFORMER_REGION);
    if (status == ATTN_OK)
        status = attn__select_need(params, ATTN_PARAM_BIFORMER_TOP);
    if (status == ATTN_OK)
        status = attn__params_is_set(params, ATTN_PARAM_SCALE, &scaled);
    if (status == ATTN_OK)
        status = attn__select_attend(params, mem, settings, 1, &recipe, p);
    if (status != ATTN_OK)
        return status;
    settle(params, scaled, p);
    status = settle_order(params, p);
    if (status == ATTN_OK)
        status = check(p);
    if (status != ATTN_OK)
        attn__problem_free(p, mem);
    return status;
}
