/* SPDX-License-Identifier: MIT */
/*
 * From the parameters to struct attn__norm, and what does not go together.
 */
#include "mech/normalizer.h"

#include <math.h>

#include "base/error.h"
#include "problem/norm.h"

static bool is_set(const struct attn__params *v, int32_t param)
{
    bool set = false;
    return attn__params_is_set(v, param, &set) == ATTN_OK && set;
}

static int32_t check_read(const struct attn__params *v, const struct attn__norm_traits *t)
{
    static const struct {
        int32_t param, bit;
        const char *name;
    } list[] = {{ATTN_PARAM_NORM_POWER, ATTN__NORM_POWER, "norm_power"},
                {ATTN_PARAM_NORM_BIAS, ATTN__NORM_BIAS, "norm_bias"},
                {ATTN_PARAM_NORM_COUNT, ATTN__NORM_COUNT, "norm_count"},
                {ATTN_PARAM_NORM_N, ATTN__NORM_COUNT, "norm_n"},
                {ATTN_PARAM_NORM_GAMMA, ATTN__NORM_COUNT, "norm_gamma"}};
    for (size_t n = 0; n < sizeof list / sizeof list[0]; n++)
        if (is_set(v, list[n].param) && !(t->reads & list[n].bit))
            return attn__error_set(ATTN_ERR_INVALID,
                                   "%s is set, but normalizer=%s does not read it", list[n].name,
                                   t->name);
    return ATTN_OK;
}

int32_t attn__mech_normalizer(const struct attn__params *v, struct attn__problem *p)
{
    struct attn__norm *n = &p->norm;
    n->kind =
        (int32_t)attn__params_i64_or(v, ATTN_PARAM_NORMALIZER, ATTN_NORMALIZER_SOFTMAX);
    const struct attn__norm_traits *t = attn__norm_traits(n->kind);
    int32_t status = check_read(v, t);
    if (status != ATTN_OK)
        return status;
    n->power = attn__params_f64_or(v, ATTN_PARAM_NORM_POWER, t->power);
    n->bias = attn__params_f64_or(v, ATTN_PARAM_NORM_BIAS, NAN);
    n->count = (int32_t)attn__params_i64_or(v, ATTN_PARAM_NORM_COUNT, ATTN_NORM_COUNT_VISIBLE);
    n->n = attn__params_f64_or(v, ATTN_PARAM_NORM_N, 1);
    n->gamma = attn__params_f64_or(v, ATTN_PARAM_NORM_GAMMA, 1);
    if (n->kind == ATTN_NORMALIZER_ENTMAX && !(n->power > 1))
        return attn__error_set(ATTN_ERR_INVALID,
                               "norm_power=%g with normalizer=entmax: expected more than 1",
                               n->power);
    bool given = n->count == ATTN_NORM_COUNT_GIVEN;
    if (given && !is_set(v, ATTN_PARAM_NORM_N))
        return attn__error_set(ATTN_ERR_UNSET, "norm_count=given needs norm_n, which was not set");
    if (!given && is_set(v, ATTN_PARAM_NORM_N))
        return attn__error_set(ATTN_ERR_INVALID, "norm_n is set, but norm_count is not given");
    if (p->sink_logits && !t->sinks)
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "sink_logits with normalizer=%s: expected softmax or exp_n, where "
                               "a key without a value has a meaning",
                               t->name);
    if (p->want & ATTN_WANT_ENTROPY && !t->distribution)
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "want=entropy with normalizer=%s, whose weights do not sum to 1",
                               t->name);
    if (p->view.observe && n->kind != ATTN_NORMALIZER_SOFTMAX)
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "observe with normalizer=%s, expected softmax, whose weights it "
                               "leaves with the cache",
                               t->name);
    if (p->k == ATTN_UNBOUNDED && t->whole_row)
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "k=inf with normalizer=%s, which needs whole rows of scores: "
                               "expected a finite k",
                               t->name);
    if (!t->lse)
        p->takes[ATTN__SLOT_LSE] = ATTN__TAKES_NOT;
    return ATTN_OK;
}
