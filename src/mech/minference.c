/* SPDX-License-Identifier: MIT */
/*
 * minference: the patterns of MInference (Jiang et al., 2024), fixed for each
 * head in advance. vertical_slash: the columns and diagonals that the last
 * queries show; block_sparse: blocks by their means. Its third pattern, first
 * and latest keys, is softmax with sink_tokens and a window.
 */
#include "base/checked.h"
#include "mech/select_attend.h"

static const struct attn__setting settings[] = {{ATTN_PARAM_CAUSAL, ATTN__FIXED, 1, 0}};

ATTN__SELECT_RECIPE(settings);

/* Columns from the start and diagonals next to the main one, and how many of
 * each there are at least. */
enum { FIRST = 30, NEAR = 100, LEAST_COLUMNS = 30, LEAST_SLASHES = 50 };

static int32_t only_for(const struct attn__params *v, bool blocks)
{
    static const struct {
        int32_t param;
        bool blocks;
    } of[] = {
        {ATTN_PARAM_MINFERENCE_VERTICAL, false}, {ATTN_PARAM_MINFERENCE_SLASH, false},
        {ATTN_PARAM_MINFERENCE_LAST, false},     {ATTN_PARAM_MINFERENCE_FIRST, false},
        {ATTN_PARAM_MINFERENCE_NEAR, false},     {ATTN_PARAM_MINFERENCE_BLOCKS, true},
    };
    for (size_t n = 0; n < sizeof of / sizeof of[0]; n++) {
        bool set = false;
        int32_t status = attn__params_is_set(v, of[n].param, &set);
        if (status == ATTN_OK && set && of[n].blocks != blocks)
            status = attn__select_unread(v, of[n].param);
        if (status != ATTN_OK)
            return status;
    }
    return ATTN_OK;
}

int32_t attn__mech_minference(const struct attn__params *params, const struct attn__mem *mem,
                              struct attn__problem *p)
{
    bool blocks = attn__params_i64_or(params, ATTN_PARAM_MINFERENCE_PATTERN,
                                      ATTN_MINFERENCE_VERTICAL_SLASH) ==
                  ATTN_MINFERENCE_BLOCK_SPARSE;
    int64_t tile = attn__params_i64_or(params, ATTN_PARAM_MINFERENCE_TILE, 64);
    int64_t columns = attn__params_i64_or(params, ATTN_PARAM_MINFERENCE_VERTICAL, 1000);
    int64_t slashes = attn__params_i64_or(params, ATTN_PARAM_MINFERENCE_SLASH, 6096);
    int32_t status = only_for(params, blocks);
    if (status == ATTN_OK)
        status = attn__select_attend(params, mem, settings, 1, &recipe, p);
    if (status != ATTN_OK)
        return status;
    p->pooled.q_block = tile;
    if (blocks) {
        p->pooled.open = ATTN__OPEN_STARTS;
        p->pooled.k_block = tile;
        p->pooled.top = attn__params_i64_or(params, ATTN_PARAM_MINFERENCE_BLOCKS, 100);
        return ATTN_OK;
    }
    p->pooled.form = ATTN__FORM_STRIPES;
    p->pooled.scale = p->scale;
    p->pooled.stripes.queries = attn__params_i64_or(params, ATTN_PARAM_MINFERENCE_LAST, 64);
    p->pooled.stripes.first = attn__params_i64_or(params, ATTN_PARAM_MINFERENCE_FIRST, FIRST);
    p->pooled.stripes.near = attn__params_i64_or(params, ATTN_PARAM_MINFERENCE_NEAR, NEAR);
    p->pooled.stripes.columns = attn__max_i64(columns, LEAST_COLUMNS);
    p->pooled.stripes.slashes = attn__max_i64(slashes, LEAST_SLASHES);
    return ATTN_OK;
}
