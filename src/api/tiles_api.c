/* SPDX-License-Identifier: MIT */
/*
 * attn_plan_tiles: which tiles an execute would compute.
 */
#include <inttypes.h>

#include <attn/plan.h>

#include "api/api_check.h"
#include "base/checked.h"
#include "plan/plan.h"
#include "plan/tiles.h"

/* What has tiles that can be told of. */
static int32_t check_plan(const attn_plan *plan)
{
    if (plan->problem.verb != ATTN__VERB_ATTEND)
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "the plan is a recurrence, expected one of attention: %s",
                               plan->problem.text);
    if (plan->problem.recipe)
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "the plan has stages, expected one attention with everything "
                               "said in its own problem: %s",
                               plan->problem.text);
    return ATTN_OK;
}

int32_t attn_plan_tiles(const attn_plan *plan, const attn_arg *args, size_t n_args, int64_t seq,
                        int64_t head, int64_t q_tile, int64_t k_tile, uint8_t *classes, size_t n,
                        int64_t *rows, int64_t *columns)
{
    ATTN__CHECK_POINTER(plan);
    ATTN__CHECK_POINTER(rows);
    ATTN__CHECK_POINTER(columns);
    if (n_args > 0)
        ATTN__CHECK_POINTER(args);
    if (n > 0)
        ATTN__CHECK_POINTER(classes);
    if (q_tile < 1 || k_tile < 1)
        return attn__error_set(ATTN_ERR_INVALID,
                               "a tile is %" PRId64 " x %" PRId64 ", expected at least 1 x 1",
                               q_tile, k_tile);
    struct attn__call call;
    struct attn__tile_grid g = {.seq = seq, .head = head, .q_tile = q_tile, .k_tile = k_tile};
    int32_t status = check_plan(plan);
    if (status == ATTN_OK)
        status = attn__bind_inputs(plan->rules, args, n_args, &call);
    if (status == ATTN_OK)
        status = attn__tiles_measure(&call, &g);
    if (status != ATTN_OK)
        return status;
    int64_t all = 0;
    if (n > 0 && (!attn__mul_i64(g.rows, g.columns, &all) || (uint64_t)all > n))
        return attn__error_set(ATTN_ERR_SHAPE,
                               "classes has room for %zu tiles, expected %" PRId64 " x %" PRId64,
                               n, g.rows, g.columns);
    if (n > 0)
        attn__tiles_classify(&call, &g, classes);
    *rows = g.rows;
    *columns = g.columns;
    return ATTN_OK;
}
