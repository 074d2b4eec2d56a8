/* SPDX-License-Identifier: MIT */
/*
 * From normalisers to kernels of weights and back to factors.
 */
#include "solvers/norm_pass.h"

#include "kernels/weights.h"

static const int32_t kinds[] = {
    [ATTN_NORMALIZER_SOFTMAX] = -1,
    [ATTN_NORMALIZER_EXP_N] = -1,
    [ATTN_NORMALIZER_EXP_SUM] = -1,
    [ATTN_NORMALIZER_RELU] = ATTN__WEIGHTS_relu,
    [ATTN_NORMALIZER_SIGMOID] = ATTN__WEIGHTS_sigmoid,
    [ATTN_NORMALIZER_NONE] = ATTN__WEIGHTS_identity,
    [ATTN_NORMALIZER_SOFTPLUS] = ATTN__WEIGHTS_softplus,
    [ATTN_NORMALIZER_TAYLOR2] = ATTN__WEIGHTS_taylor2,
    [ATTN_NORMALIZER_GELU_L2] = ATTN__WEIGHTS_gelu,
};

void attn__norm_pass_serves(const struct attn__norm *n, const char **reason)
{
    if (!attn__norm_traits(n->kind)->one_pass)
        *reason = "sees the scores of a row once, and the normaliser needs them again";
    else if (n->kind == ATTN_NORMALIZER_RELU && n->power != 1 && n->power != 2 && n->power != 3)
        *reason = "knows norm_power=1, 2 and 3";
}

struct attn__norm_pass attn__norm_pass_of(const struct attn__problem *p, const struct attn__seq *s)
{
    struct attn__norm_pass n = {.kind = kinds[p->norm.kind]};
    if (p->norm.kind == ATTN_NORMALIZER_RELU)
        n.kind = p->norm.power == 3   ? ATTN__WEIGHTS_relu_cube
                 : p->norm.power == 2 ? ATTN__WEIGHTS_relu_square
                                      : ATTN__WEIGHTS_relu;
    if (p->norm.kind == ATTN_NORMALIZER_SIGMOID)
        n.shift = (float)attn__norm_shift(&p->norm, s->nk);
    return n;
}

float attn__norm_pass_factor(const struct attn__problem *p, const struct attn__seq *s, float m,
                             float l, const int64_t *visible)
{
    if (l == 0)
        return 0;
    switch (p->norm.kind) {
    case ATTN_NORMALIZER_SOFTMAX:
    case ATTN_NORMALIZER_SOFTPLUS:
    case ATTN_NORMALIZER_TAYLOR2:
        return 1 / l;
    case ATTN_NORMALIZER_EXP_N:
        return (float)s->nk / l;
    case ATTN_NORMALIZER_EXP_SUM:
        return exp2f(m);
    case ATTN_NORMALIZER_GELU_L2:
        return (float)sqrt((double)s->nk / (double)l);
    default:
        return (float)(1 / attn__norm_divisor(&p->norm, s->nk, visible ? *visible : 1));
    }
}

double attn__norm_pass_cost(const struct attn__norm *n)
{
    switch (n->kind) {
    case ATTN_NORMALIZER_RELU:
    case ATTN_NORMALIZER_NONE:
    case ATTN_NORMALIZER_TAYLOR2:
        return -6;
    case ATTN_NORMALIZER_SIGMOID:
        return 4;
    case ATTN_NORMALIZER_SOFTPLUS:
        return 5;
    case ATTN_NORMALIZER_GELU_L2:
        return 12;
    default:
        return 0;
    }
}
