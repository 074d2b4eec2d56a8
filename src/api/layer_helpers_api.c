/* SPDX-License-Identifier: MIT */
/*
 * Slopes, the short convolution and the biases of agents: the arguments.
 */
#include <attn/layer_helpers.h>

#include <inttypes.h>

#include "api/api_check.h"
#include "api/ctx_object.h"
#include "base/checked.h"
#include "base/ctx.h"
#include "base/view.h"
#include "problem/slopes.h"
#include "solvers/agent_bias.h"
#include "solvers/short_conv.h"

enum { MOST_HEADS = 65536 };

static int32_t check_heads(size_t n)
{
    if (n >= 1 && n <= MOST_HEADS)
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_INVALID, "heads is %zu, expected 1 to %d", n,
                           (int)MOST_HEADS);
}

static int32_t check_extent(const char *name, const attn_tensor *t, int32_t dim, int64_t want)
{
    if (t->shape[dim] == want)
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_SHAPE,
                           "%s has extent %" PRId64 " in dimension %" PRId32
                           ", expected %" PRId64,
                           name, t->shape[dim], dim, want);
}

/* Of that rank and these extents; -1: any. */
static int32_t check_shape(const char *name, const attn_tensor *t, int32_t rank,
                           const int64_t *shape)
{
    int32_t status = attn__view_check_real(name, t, rank);
    for (int32_t n = 0; n < rank && status == ATTN_OK; n++)
        if (shape[n] >= 0)
            status = check_extent(name, t, n, shape[n]);
    return status;
}

int32_t attn_alibi_slopes(size_t heads, double *slopes)
{
    ATTN__CHECK_POINTER(slopes);
    int32_t status = check_heads(heads);
    for (size_t h = 0; h < heads && status == ATTN_OK; h++)
        slopes[h] = attn__slopes_alibi((int64_t)h, (int64_t)heads);
    return status;
}

int32_t attn_lightning_slopes(size_t heads, int32_t rule, int64_t layer, int64_t layers,
                              double *slopes)
{
    ATTN__CHECK_POINTER(slopes);
    int32_t status = check_heads(heads);
    if (status != ATTN_OK)
        return status;
    if (rule != ATTN_LIGHTNING_CODE && rule != ATTN_LIGHTNING_PAPER)
        return attn__error_set(ATTN_ERR_INVALID,
                               "rule is %" PRId32
                               ", expected ATTN_LIGHTNING_CODE or ATTN_LIGHTNING_PAPER",
                               rule);
    bool code = rule == ATTN_LIGHTNING_CODE;
    if (layers < 1 + code)
        return attn__error_set(ATTN_ERR_INVALID, "layers is %" PRId64 ", expected at least %d",
                               layers, 1 + code);
    if (layer < 0 || layer > layers - code)
        return attn__error_set(ATTN_ERR_INVALID, "layer is %" PRId64 ", expected 0 to %" PRId64,
                               layer, layers - code);
    for (size_t h = 0; h < heads; h++)
        slopes[h] = code ? attn__slopes_alibi((int64_t)h, (int64_t)heads) *
                               (1.0 - (double)layer / (double)(layers - 1) + 1e-5)
                         : 8.0 * (double)h / (double)heads * (1.0 - (double)layer / (double)layers);
    return ATTN_OK;
}

int32_t attn_short_conv(attn_ctx *ctx, const attn_tensor *x, const attn_tensor *weight,
                        const attn_tensor *bias, int32_t silu, const attn_tensor *state,
                        const attn_tensor *y)
{
    ATTN__CHECK_POINTER(ctx);
    ATTN__CHECK_POINTER(x);
    ATTN__CHECK_POINTER(weight);
    ATTN__CHECK_POINTER(y);
    int32_t status = attn__view_check_real("x", x, 3);
    if (status == ATTN_OK)
        status = check_shape("weight", weight, 2, (const int64_t[]){x->shape[2], -1});
    if (status == ATTN_OK && (weight->shape[1] < 1 || weight->shape[1] > ATTN__SHORT_CONV_TAPS))
        status = attn__error_set(ATTN_ERR_SHAPE,
                                 "weight has extent %" PRId64 " in dimension 1, expected 1 to %d",
                                 weight->shape[1], (int)ATTN__SHORT_CONV_TAPS);
    if (status == ATTN_OK && bias)
        status = check_shape("bias", bias, 1, &x->shape[2]);
    if (status == ATTN_OK && state)
        status = check_shape("state", state, 3,
                             (const int64_t[]){x->shape[0], weight->shape[1] - 1, x->shape[2]});
    if (status == ATTN_OK && state)
        status = attn__view_check_output("state", state);
    if (status == ATTN_OK)
        status = check_shape("y", y, 3, x->shape);
    if (status == ATTN_OK)
        status = attn__view_check_output("y", y);
    if (status == ATTN_OK && silu != 0 && silu != 1)
        status = attn__error_set(ATTN_ERR_INVALID, "silu is %" PRId32 ", expected 0 or 1", silu);
    if (status == ATTN_OK) {
        const struct attn__short_conv a = {x, weight, bias, state, y, silu == 1};
        struct attn__threads *threads = NULL;
        if (attn__ctx_object_n_threads(ctx) > 1 && attn__short_conv_is_large(&a))
            status = attn__ctx_object_threads(ctx, &threads);
        if (status == ATTN_OK)
            attn__short_conv(ctx->kernels, threads, &a);
    }
    return status;
}

int32_t attn_agent_bias(const attn_tensor *table, const attn_tensor *rows,
                        const attn_tensor *columns, const attn_tensor *first,
                        const attn_tensor *to)
{
    ATTN__CHECK_POINTER(table);
    ATTN__CHECK_POINTER(rows);
    ATTN__CHECK_POINTER(columns);
    ATTN__CHECK_POINTER(to);
    int32_t status = attn__view_check_real("table", table, 4);
    int64_t like[3] = {table->shape[0], table->shape[1], -1};
    int64_t all = 0;
    if (status == ATTN_OK)
        status = check_shape("rows", rows, 3, like);
    if (status == ATTN_OK)
        status = check_shape("columns", columns, 3, like);
    if (status == ATTN_OK && first)
        status = check_shape("first", first, 2, like);
    if (status != ATTN_OK)
        return status;
    if (!attn__mul_i64(rows->shape[2], columns->shape[2], &all) ||
        !attn__add_i64(all, first ? 1 : 0, &like[2]))
        return attn__error_set(ATTN_ERR_OVERFLOW, "rows times columns does not fit in 64 bits");
    if (all > 0 && (table->shape[2] < 1 || table->shape[3] < 1))
        return attn__error_set(ATTN_ERR_SHAPE, "table has no entries, expected at least one");
    status = check_shape("to", to, 3, like);
    if (status == ATTN_OK)
        status = attn__view_check_output("to", to);
    if (status == ATTN_OK) {
        const struct attn__agent_bias a = {table, rows, columns, first, to};
        attn__agent_bias(&a);
    }
    return status;
}
