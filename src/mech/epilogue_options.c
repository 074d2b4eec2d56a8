/* SPDX-License-Identifier: MIT */
/*
 * The options that change finished rows.
 */
#include "mech/epilogue_options.h"

#include "base/error.h"

int32_t attn__epilogue_options(const struct attn__params *v, struct attn__problem *p)
{
    struct attn__epilogue *x = &p->epilogue;
    bool eps;
    x->gate = (int32_t)attn__params_i64_or(v, ATTN_PARAM_OUT_GATE, ATTN_OUT_GATE_NONE);
    x->head_factor = attn__params_i64_or(v, ATTN_PARAM_HEAD_FACTOR, 0) != 0;
    x->head_gate = attn__params_i64_or(v, ATTN_PARAM_HEAD_GATE, 0) != 0;
    x->head_mix = attn__params_i64_or(v, ATTN_PARAM_HEAD_MIX, 0) != 0;
    x->norm = attn__params_i64_or(v, ATTN_PARAM_OUT_NORM, ATTN_OUT_NORM_NONE) != 0;
    x->eps = attn__params_f64_or(v, ATTN_PARAM_OUT_NORM_EPS, 1e-6);
    x->norm_weight = attn__params_i64_or(v, ATTN_PARAM_OUT_NORM_WEIGHT, 0) != 0;
    x->scale = attn__params_f64_or(v, ATTN_PARAM_OUT_SCALE, 1);
    x->any = x->gate != ATTN_OUT_GATE_NONE || x->head_factor || x->head_gate || x->head_mix ||
             x->norm || x->scale != 1;
    attn__params_is_set(v, ATTN_PARAM_OUT_NORM_EPS, &eps);
    if (!x->norm && (eps || x->norm_weight))
        return attn__error_set(ATTN_ERR_INVALID, "%s is set, but out_norm is not",
                               eps ? "out_norm_eps" : "out_norm_weight");
    return ATTN_OK;
}
