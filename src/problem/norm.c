/* SPDX-License-Identifier: MIT */
/*
 * The table of normalisers.
 */
#include "problem/norm.h"

#include <math.h>

static const struct attn__norm_traits traits[] = {
    [ATTN_NORMALIZER_SOFTMAX] = {.name = "softmax", .base2 = true, .lse = true, .sinks = true,
                                 .distribution = true, .one_pass = true},
    [ATTN_NORMALIZER_EXP_N] = {.name = "exp_n", .base2 = true, .lse = true, .sinks = true,
                               .one_pass = true},
    [ATTN_NORMALIZER_EXP_SUM] = {.name = "exp_sum", .base2 = true, .lse = true, .one_pass = true},
    [ATTN_NORMALIZER_RELU] = {.name = "relu", .one_pass = true, .power = 1,
                              .reads = ATTN__NORM_POWER | ATTN__NORM_COUNT},
    [ATTN_NORMALIZER_SIGMOID] = {.name = "sigmoid", .one_pass = true, .reads = ATTN__NORM_BIAS},
    [ATTN_NORMALIZER_NONE] = {.name = "none", .one_pass = true},
    [ATTN_NORMALIZER_SOFTPLUS] = {.name = "softplus", .distribution = true, .one_pass = true,
                                  .summed = true},
    [ATTN_NORMALIZER_TAYLOR2] = {.name = "taylor2", .distribution = true, .one_pass = true,
                                 .summed = true},
    [ATTN_NORMALIZER_GELU_L2] = {.name = "gelu_l2", .one_pass = true, .summed = true},
    [ATTN_NORMALIZER_L2_GELU] = {.name = "l2_gelu"},
    [ATTN_NORMALIZER_LSSAR] = {.name = "lssar", .distribution = true, .power = 15,
                               .reads = ATTN__NORM_POWER},
    [ATTN_NORMALIZER_SPARSEMAX] = {.name = "sparsemax", .distribution = true, .whole_row = true},
    [ATTN_NORMALIZER_ENTMAX] = {.name = "entmax", .distribution = true, .whole_row = true,
                                .power = 1.5, .reads = ATTN__NORM_POWER},
};

const struct attn__norm_traits *attn__norm_traits(int32_t kind)
{
    return &traits[kind];
}

double attn__norm_divisor(const struct attn__norm *n, int64_t keys, int64_t visible)
{
    double x = n->count == ATTN_NORM_COUNT_VISIBLE ? (double)visible
               : n->count == ATTN_NORM_COUNT_KEYS  ? (double)keys
               : n->count == ATTN_NORM_COUNT_GIVEN ? n->n
                                                   : 1;
    /* a row that sees nothing is divided by nothing */
    return n->kind != ATTN_NORMALIZER_RELU || x == 0 ? 1 : n->gamma == 1 ? x : pow(x, n->gamma);
}

double attn__norm_shift(const struct attn__norm *n, int64_t keys)
{
    return isnan(n->bias) ? -log((double)keys) : n->bias;
}

bool attn__norm_counts(const struct attn__norm *n)
{
    return n->kind == ATTN_NORMALIZER_LSSAR ||
           (n->kind == ATTN_NORMALIZER_RELU && n->count == ATTN_NORM_COUNT_VISIBLE);
}
