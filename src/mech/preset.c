/* SPDX-License-Identifier: MIT */
/*
 * Putting a mechanism's settings into a copy of the caller's parameters.
 */
#include "mech/preset.h"

#include <inttypes.h>

#include <attn/attn.h>

#include "base/error.h"
#include "problem/mech_list.h"

static bool is_set(const struct attn__params *v, int32_t param)
{
    bool set = false;
    return attn__params_is_set(v, param, &set) == ATTN_OK && set;
}

static bool is_f64(int32_t param)
{
    return attn_param_type(param) == ATTN_PARAM_TYPE_F64;
}

static int32_t refuse(const struct attn__params *v, const struct attn__setting *s)
{
    const char *mech = attn__mech_list_name(v->mech), *name = attn_param_name(s->param);
    if (s->kind == ATTN__REFUSED)
        return attn__error_set(ATTN_ERR_INVALID, "%s is set, but %s has no such choice", name,
                               mech);
    if (is_f64(s->param))
        return attn__error_set(ATTN_ERR_INVALID, "%s is %g, but %s settles it as %g", name,
                               attn__params_f64_or(v, s->param, 0), mech, s->f64);
    return attn__error_set(ATTN_ERR_INVALID, "%s is %" PRId64 ", but %s settles it as %" PRId64,
                           name, attn__params_i64_or(v, s->param, 0), mech, s->i64);
}

/* A plan of stages counts what they do, whoever they are. */
static bool only_counts(const struct attn__params *v, int32_t param)
{
    return param == ATTN_PARAM_WANT &&
           attn__params_i64_or(v, ATTN_PARAM_WANT, 0) == ATTN_WANT_COUNTS;
}

static bool agrees(const struct attn__params *v, const struct attn__setting *s)
{
    if (s->kind == ATTN__DEFAULT)
        return true;
    if (s->kind == ATTN__REFUSED)
        return only_counts(v, s->param);
    return is_f64(s->param) ? attn__params_f64_or(v, s->param, 0) == s->f64
                            : attn__params_i64_or(v, s->param, 0) == s->i64;
}

int32_t attn__preset_copy(const struct attn__params *user, const struct attn__mem *mem,
                          const struct attn__setting *settings, size_t n,
                          struct attn__params *copy)
{
    int32_t status = attn__params_copy(copy, mem, user);
    for (size_t i = 0; i < n && status == ATTN_OK; i++) {
        const struct attn__setting *s = &settings[i];
        if (is_set(user, s->param)) {
            if (!agrees(user, s))
                status = refuse(user, s);
        } else if (s->kind != ATTN__REFUSED) {
            status = is_f64(s->param) ? attn__params_set_f64(copy, s->param, s->f64)
                                      : attn__params_set_i64(copy, s->param, s->i64);
        }
    }
    return status;
}

int32_t attn__preset(const struct attn__params *user, const struct attn__mem *mem,
                     const struct attn__setting *settings, size_t n, struct attn__problem *p)
{
    struct attn__params copy;
    int32_t status = attn__preset_copy(user, mem, settings, n, &copy);
    if (status == ATTN_OK)
        status = attn__mech_attend(&copy, user, mem, p);
    attn__params_destroy(&copy);
    return status;
}

static bool is_in(int32_t param, const int32_t *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (list[i] == param)
            return true;
    return false;
}

int32_t attn__preset_no_pieces(const struct attn__params *user)
{
    if (user->pieces.n == 0 && !user->mask_fn)
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_INVALID,
                           "%s has no pieces of visibility and no mask function, but the "
                           "descriptor has one",
                           attn__mech_list_name(user->mech));
}

int32_t attn__preset_only(const struct attn__params *user, const int32_t *also, size_t n)
{
    static const int32_t any[] = {ATTN_PARAM_B,       ATTN_PARAM_HQ,        ATTN_PARAM_HK,
                                  ATTN_PARAM_HV,      ATTN_PARAM_Q,         ATTN_PARAM_K,
                                  ATTN_PARAM_D,       ATTN_PARAM_DV,        ATTN_PARAM_DTYPE,
                                  ATTN_PARAM_COMPUTE, ATTN_PARAM_KV_DTYPE,  ATTN_PARAM_BLAS,
                                  ATTN_PARAM_CHECK,   ATTN_PARAM_EXECUTORS, ATTN_PARAM_EFFORT};
    int32_t param;
    for (size_t i = 0; (param = attn_param_at(i)) != 0; i++)
        if (is_set(user, param) && !attn__mech_owns(user->mech, param) &&
            !is_in(param, any, sizeof any / sizeof any[0]) && !is_in(param, also, n) &&
            !only_counts(user, param))
            return refuse(user, &(struct attn__setting){param, ATTN__REFUSED, 0, 0});
    if (user->score_fn)
        return attn__error_set(ATTN_ERR_INVALID,
                               "%s has no score function, but the descriptor has one",
                               attn__mech_list_name(user->mech));
    return attn__preset_no_pieces(user);
}

int32_t attn__preset_plain(const struct attn__params *user, const struct attn__mem *mem,
                           bool causal, struct attn__problem *p)
{
    static const int32_t plain[] = {ATTN_PARAM_CAUSAL, ATTN_PARAM_Q_HEAD, ATTN_PARAM_K_HEAD,
                                    ATTN_PARAM_V_HEAD, ATTN_PARAM_SCALE,  ATTN_PARAM_SOFTCAP,
                                    ATTN_PARAM_PACKED};
    const int skip = causal ? 0 : 1;
    int32_t status =
        attn__preset_only(user, plain + skip, sizeof plain / sizeof plain[0] - (size_t)skip);
    return status == ATTN_OK ? attn__mech_attend(user, user, mem, p) : status;
}

int32_t attn__preset_stage(const struct attn__params *user, const struct attn__mem *mem,
                           struct attn__params *copy)
{
    static const int32_t whole[] = {ATTN_PARAM_WANT, ATTN_PARAM_MASS_CLASSES, ATTN_PARAM_SOLVER,
                                    ATTN_PARAM_EXECUTORS, ATTN_PARAM_CHECK, ATTN_PARAM_SELECT};
    int32_t status = attn__params_copy(copy, mem, user), param;
    for (size_t n = 0; status == ATTN_OK && n < sizeof whole / sizeof whole[0]; n++)
        status = attn__params_unset(copy, whole[n]);
    for (size_t n = 0; status == ATTN_OK && (param = attn_param_at(n)) != 0; n++)
        if (attn__mech_owns(copy->mech, param))
            status = attn__params_unset(copy, param);
    copy->mech = ATTN_MECH_SOFTMAX;
    return status;
}

int32_t attn__preset_stage_set(const struct attn__params *user, const struct attn__mem *mem,
                               const struct attn__setting *settings, size_t n,
                               struct attn__params *copy)
{
    struct attn__params set;
    int32_t status = attn__preset_copy(user, mem, settings, n, &set);
    attn__params_init(copy, mem, 0);
    if (status == ATTN_OK)
        status = attn__preset_stage(&set, mem, copy);
    attn__params_destroy(&set);
    return status;
}

int32_t attn__preset_same(const struct attn__params *user, const struct attn__problem *whole,
                          int32_t n, const struct attn__mem *mem, struct attn__problem *p)
{
    struct attn__params copy;
    int32_t status = attn__preset_stage(user, mem, &copy);
    (void)whole;
    (void)n;
    if (status == ATTN_OK)
        status = attn__mech_attend(&copy, &copy, mem, p);
    attn__params_destroy(&copy);
    return status;
}
