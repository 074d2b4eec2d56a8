/* SPDX-License-Identifier: MIT */
/*
 * Mechanisms that are attention with another normaliser: relu_attention,
 * sigmoid_attention, entmax15, sparsemax, pattention, and lssa with its
 * reweighted form lssar, which also settle how queries and keys are scaled.
 */
#include <math.h>

#include <attn/attn.h>

#include "base/error.h"
#include "mech/preset.h"
#include "problem/mech_list.h"

#define COUNT(list) (sizeof(list) / sizeof(list)[0])

#define ONE_NORMALIZER(id, kind)                                                                   \
    int32_t attn__mech_##id(const struct attn__params *params, const struct attn__mem *mem,        \
                            struct attn__problem *p)                                               \
    {                                                                                              \
        static const struct attn__setting settings[] = {                                           \
            {ATTN_PARAM_NORMALIZER, ATTN__FIXED, kind, 0}};                                        \
        return attn__preset(params, mem, settings, COUNT(settings), p);                            \
    }

ONE_NORMALIZER(relu_attention, ATTN_NORMALIZER_RELU)
ONE_NORMALIZER(sigmoid_attention, ATTN_NORMALIZER_SIGMOID)
ONE_NORMALIZER(sparsemax, ATTN_NORMALIZER_SPARSEMAX)

int32_t attn__mech_entmax15(const struct attn__params *params, const struct attn__mem *mem,
                            struct attn__problem *p)
{
    static const struct attn__setting settings[] = {
        {ATTN_PARAM_NORMALIZER, ATTN__FIXED, ATTN_NORMALIZER_ENTMAX, 0},
        {ATTN_PARAM_NORM_POWER, ATTN__FIXED, 0, 1.5},
    };
    return attn__preset(params, mem, settings, COUNT(settings), p);
}

int32_t attn__mech_pattention(const struct attn__params *params, const struct attn__mem *mem,
                              struct attn__problem *p)
{
    static const struct attn__setting settings[] = {
        {ATTN_PARAM_NORMALIZER, ATTN__DEFAULT, ATTN_NORMALIZER_L2_GELU, 0},
        {ATTN_PARAM_SCALE, ATTN__DEFAULT, 0, 1},
        {ATTN_PARAM_CAUSAL, ATTN__REFUSED, 0, 0},
    };
    int64_t kind =
        attn__params_i64_or(params, ATTN_PARAM_NORMALIZER, ATTN_NORMALIZER_L2_GELU);
    if (kind != ATTN_NORMALIZER_L2_GELU && kind != ATTN_NORMALIZER_GELU_L2 &&
        kind != ATTN_NORMALIZER_EXP_N)
        return attn__error_set(ATTN_ERR_INVALID,
                               "normalizer=%s with pattention: expected l2_gelu, gelu_l2 or exp_n",
                               attn_param_word(ATTN_PARAM_NORMALIZER, (size_t)kind, NULL));
    return attn__preset(params, mem, settings, COUNT(settings), p);
}

/*
 * Rows of unit length, s = ln(d) ln(N_i) q.k with N_i the keys that row i sees:
 * its position and one if causal, else all. Where other rules hide keys that
 * count would be another one, so those are refused.
 */
static int32_t length_scaled(const struct attn__params *params, const struct attn__mem *mem,
                             int64_t normalizer, struct attn__problem *p)
{
    bool causal = attn__params_i64_or(params, ATTN_PARAM_CAUSAL, 0) != 0;
    double log_width = log((double)attn__params_i64_or(params, ATTN_PARAM_D, 1));
    const struct attn__setting settings[] = {
        {ATTN_PARAM_NORMALIZER, ATTN__FIXED, normalizer, 0},
        {ATTN_PARAM_QK_NORM, ATTN__FIXED, ATTN_QK_NORM_L2, 0},
        {ATTN_PARAM_SSMAX, ATTN__FIXED, 1, 0},
        {ATTN_PARAM_LOGN_COUNT, ATTN__FIXED,
         causal ? ATTN_LOGN_COUNT_POSITION : ATTN_LOGN_COUNT_KEYS, 0},
        {ATTN_PARAM_SCALE, ATTN__FIXED, 0, log_width},
        {ATTN_PARAM_ALIGN, ATTN__FIXED, ATTN_ALIGN_BOTTOM_RIGHT, 0},
        {ATTN_PARAM_WINDOW_LEFT, ATTN__REFUSED, 0, 0},
        {ATTN_PARAM_WINDOW_RIGHT, ATTN__REFUSED, 0, 0},
        {ATTN_PARAM_SINK_TOKENS, ATTN__REFUSED, 0, 0},
        {ATTN_PARAM_PREFIX, ATTN__REFUSED, 0, 0},
        {ATTN_PARAM_SEGMENTS, ATTN__REFUSED, 0, 0},
        {ATTN_PARAM_MASK, ATTN__REFUSED, 0, 0},
        {ATTN_PARAM_POSITIONS, ATTN__REFUSED, 0, 0},
    };
    if (params->mask_fn)
        return attn__preset_no_pieces(params);
    int32_t status = attn__preset(params, mem, settings, COUNT(settings), p);
    if (status == ATTN_OK && p->n_pieces > causal) {
        attn__problem_free(p, mem);
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "%s takes no pieces of visibility besides causal: its scores go by "
                               "the number of keys that a row sees",
                               attn__mech_list_name(params->mech));
    }
    return status;
}

int32_t attn__mech_lssa(const struct attn__params *params, const struct attn__mem *mem,
                        struct attn__problem *p)
{
    return length_scaled(params, mem, ATTN_NORMALIZER_SOFTPLUS, p);
}

int32_t attn__mech_lssar(const struct attn__params *params, const struct attn__mem *mem,
                         struct attn__problem *p)
{
    return length_scaled(params, mem, ATTN_NORMALIZER_LSSAR, p);
}
