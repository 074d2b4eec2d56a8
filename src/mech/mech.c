/* SPDX-License-Identifier: MIT */
/*
 * From a mechanism's number to its recipe.
 */
#include "mech/mech.h"

#include <attn/attn.h>

#include "base/dtype.h"
#include "base/error.h"
#include "problem/pieces.h"
#include "problem/mech_list.h"
#include "problem/sequences.h"

static const struct {
    int32_t id;
    attn__mech_fn *problem;
} mechs[] = {
#define MECH(constant, id) {ATTN_MECH_##constant, attn__mech_##id},
#include "problem/mech_list.def"
};

/* Parameters of other mechanisms mean nothing here. */
static int32_t check_foreign(const struct attn__params *params)
{
    int32_t param;
    for (size_t n = 0; (param = attn_param_at(n)) != 0; n++) {
        bool set = false;
        if (attn__mech_param_of_scan(param) && !attn__mech_is_scan(params->mech) &&
            attn__params_is_set(params, param, &set) == ATTN_OK && set)
            return attn__error_set(ATTN_ERR_INVALID,
                                   "%s is set, which is of recurrences and not of %s",
                                   attn_param_name(param), attn__mech_list_name(params->mech));
        int32_t owner = attn__mech_of_param(param);
        if (owner == 0 || owner == params->mech ||
            (owner == ATTN_MECH_CACHE && attn__view_param(param) &&
             attn__params_i64_or(params, ATTN_PARAM_VIEW, 0)) ||
            attn__params_is_set(params, param, &set) != ATTN_OK || !set)
            continue;
        return attn__error_set(ATTN_ERR_INVALID, "%s is set, which is of %s and not of %s",
                               attn_param_name(param), attn__mech_list_name(owner),
                               attn__mech_list_name(params->mech));
    }
    return ATTN_OK;
}

/* Tensors have no types that only caches store. */
static int32_t check_stored(const struct attn__params *params)
{
    int32_t dtype = (int32_t)attn__params_i64_or(params, ATTN_PARAM_KV_DTYPE, ATTN_DTYPE_F32);
    if (!attn__dtype_stored(dtype) || attn__params_i64_or(params, ATTN_PARAM_VIEW, 0))
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_UNSUPPORTED,
                           "kv_dtype is %s, which only caches store, expected f32, f64, f16 or "
                           "bf16",
                           attn__dtype_name(dtype));
}

static int32_t check_view(const struct attn__params *params)
{
    int32_t mech = params->mech;
    bool view = attn__params_i64_or(params, ATTN_PARAM_VIEW, 0) != 0;
    if (mech == ATTN_MECH_CACHE)
        return ATTN_OK;
    bool reads = mech == ATTN_MECH_SOFTMAX || mech == ATTN_MECH_MLA ||
                 mech == ATTN_MECH_LISTS || mech == ATTN_MECH_QUEST;
    if (view && !reads)
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "view is set, which %s does not read, expected softmax, mla, lists "
                               "or quest",
                               attn__mech_list_name(mech));
    if ((!view || mech != ATTN_MECH_SOFTMAX) && attn__params_i64_or(params, ATTN_PARAM_OBSERVE, 0))
        return attn__error_set(ATTN_ERR_INVALID,
                               "observe is set, expected it with view and softmax: it is for plans "
                               "that read a cache with scores");
    return ATTN_OK;
}

/* Who selects nothing, or not in one step, cannot stop there. */
static int32_t check_only(const struct attn__params *params, const struct attn__mem *mem,
                          struct attn__problem *p)
{
    if (p->select.only || !attn__params_i64_or(params, ATTN_PARAM_SELECT, ATTN_SELECT_ATTEND))
        return ATTN_OK;
    attn__problem_free(p, mem);
    return attn__error_set(ATTN_ERR_UNSUPPORTED,
                           "select is only, expected a mechanism that makes one selection, "
                           "which %s does not",
                           attn__mech_list_name(params->mech));
}

static int32_t check_packed(const struct attn__mem *mem, struct attn__problem *p)
{
    int32_t status = attn__sequences_are(p) ? attn__sequences_allowed(p) : ATTN_OK;
    if (status != ATTN_OK)
        attn__problem_free(p, mem);
    return status;
}

int32_t attn__mech_problem(const struct attn__params *params, const struct attn__mem *mem,
                           struct attn__problem *p)
{
    for (size_t n = 0; n < sizeof mechs / sizeof mechs[0]; n++) {
        if (mechs[n].id != params->mech)
            continue;
        int32_t status = check_foreign(params);
        if (status == ATTN_OK)
            status = check_stored(params);
        if (status == ATTN_OK)
            status = check_view(params);
        if (status == ATTN_OK)
            status = mechs[n].problem(params, mem, p);
        if (status == ATTN_OK)
            status = check_packed(mem, p);
        return status == ATTN_OK ? check_only(params, mem, p) : status;
    }
    return attn__error_set(ATTN_ERR_UNKNOWN_MECH, "no mechanism has number %d", (int)params->mech);
}

void attn__mech_roles(const struct attn__params *v, struct attn__problem *p)
{
    for (size_t n = 0; n < ATTN__ROLE_COUNT; n++) {
        const struct attn__role *r = &attn__role_table[n];
        enum attn__takes takes = ATTN__TAKES_NOT;
        if (r->when == ATTN__ROLE_ALWAYS)
            takes = ATTN__TAKES_MUST;
        else if (r->when == ATTN__ROLE_MAY)
            takes = ATTN__TAKES_MAY;
        else if (r->when == ATTN__ROLE_PARAM && attn__params_i64_or(v, (int32_t)r->key, 0))
            takes = ATTN__TAKES_MUST;
        else if (r->when == ATTN__ROLE_WANT && (p->want & r->key))
            takes = ATTN__TAKES_MAY;
        p->takes[n] = (uint8_t)takes;
    }
    attn__pieces_roles(p);
}
