/* SPDX-License-Identifier: MIT */
/*
 * One ATTEND behind a change of rows.
 */
#include "mech/one_attend.h"

#include "base/error.h"
#include "problem/mech_list.h"

int32_t attn__one_attend_params(const struct attn__params *user, const struct attn__mem *mem,
                                const struct attn__setting *settings, size_t n,
                                struct attn__params *copy)
{
    const char *solver = attn__params_text_or(user, ATTN_PARAM_SOLVER, NULL);
    int64_t want = attn__params_i64_or(user, ATTN_PARAM_WANT, 0);
    int64_t classes = attn__params_i64_or(user, ATTN_PARAM_MASS_CLASSES, 0);
    int32_t status = attn__preset_stage_set(user, mem, settings, n, copy);
    if (status == ATTN_OK && want != 0)
        status = attn__params_set_i64(copy, ATTN_PARAM_WANT, want);
    if (status == ATTN_OK && classes > 0)
        status = attn__params_set_i64(copy, ATTN_PARAM_MASS_CLASSES, classes);
    if (status == ATTN_OK && solver)
        status = attn__params_set_text(copy, ATTN_PARAM_SOLVER, solver, strlen(solver));
    return status;
}

int32_t attn__one_attend_stage(const struct attn__params *user, const struct attn__mem *mem,
                               const struct attn__setting *settings, size_t n,
                               struct attn__problem *p)
{
    struct attn__params copy;
    int32_t status = attn__one_attend_params(user, mem, settings, n, &copy);
    if (status == ATTN_OK)
        status = attn__mech_attend(&copy, &copy, mem, p);
    attn__params_destroy(&copy);
    return status;
}

int32_t attn__one_attend(const struct attn__params *user, const struct attn__mem *mem,
                         const struct attn__setting *settings, size_t n,
                         const struct attn__recipe *recipe, struct attn__problem *p)
{
    int32_t status = attn__preset(user, mem, settings, n, p);
    if (status != ATTN_OK)
        return status;
    p->recipe = recipe;
    if (p->k != ATTN_UNBOUNDED)
        return ATTN_OK;
    attn__problem_free(p, mem);
    return attn__error_set(ATTN_ERR_UNSUPPORTED,
                           "k is inf, expected a number: changed rows are kept in the workspace");
}

int32_t attn__one_attend_biased(const struct attn__params *user)
{
    if (attn__params_i64_or(user, ATTN_PARAM_WANT, 0) &
        (ATTN_WANT_SCORES_RAW | ATTN_WANT_SCORES_CAPPED))
        return attn__error_set(ATTN_ERR_INVALID,
                               "want has scores_raw or scores_capped, but %s has no scores before "
                               "scores_biased",
                               attn__mech_list_name(user->mech));
    return ATTN_OK;
}

struct attn__call attn__one_attend_call(const struct attn__recipe_run *r)
{
    struct attn__call c = attn__recipe_call(r);
    attn__recipe_pass_all(&c, r->call);
    return c;
}
