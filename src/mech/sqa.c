/* SPDX-License-Identifier: MIT */
/*
 * sqa: sparse query attention (2025), fewer query heads than the model is
 * wide. With at least as many query heads as key heads these share keys in
 * groups, as ever; with fewer (reverse SQA) there is an output head for each
 * key head, and key head g reads query head g mod Hq.
 */
#include <attn/attn.h>

#include "base/error.h"
#include "mech/preset.h"

static const struct attn__setting settings[] = {
    {ATTN_PARAM_Q_HEAD, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_K_HEAD, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_V_HEAD, ATTN__REFUSED, 0, 0},
};

/* Query heads in turn, one for each key head. */
static int32_t in_turn(struct attn__params *v, int64_t hq, int64_t hk)
{
    int64_t list[256];
    if (hk % hq != 0 || hk > (int64_t)(sizeof list / sizeof list[0]))
        return attn__error_set(ATTN_ERR_INVALID,
                               "h has %lld key heads, expected a multiple of the %lld query heads, "
                               "at most 256",
                               (long long)hk, (long long)hq);
    for (int64_t g = 0; g < hk; g++)
        list[g] = g % hq;
    return attn__params_set_i64s(v, ATTN_PARAM_Q_HEAD, list, (size_t)hk);
}

int32_t attn__mech_sqa(const struct attn__params *params, const struct attn__mem *mem,
                       struct attn__problem *p)
{
    struct attn__params copy;
    int32_t status = attn__preset_copy(params, mem, settings,
                                       sizeof settings / sizeof settings[0], &copy);
    int64_t hq = attn__params_i64_or(params, ATTN_PARAM_HQ, 1);
    int64_t hk = attn__params_i64_or(params, ATTN_PARAM_HK, hq);
    if (status == ATTN_OK && hq < hk)
        status = in_turn(&copy, hq, hk);
    if (status == ATTN_OK)
        status = attn__mech_attend(&copy, params, mem, p);
    attn__params_destroy(&copy);
    return status;
}
