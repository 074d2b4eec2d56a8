/* SPDX-License-Identifier: MIT */
/*
 * moh: Mixture-of-Head attention (MoH: Multi-Head Attention as Mixture-of-Head
 * Attention, Jin et al., 2024). Each token is computed by the first heads,
 * which all tokens share, and by the best few of the others: a router makes
 * gates, and one ATTEND leaves out the rows of gate 0.
 */
#include <inttypes.h>

#include "base/error.h"
#include "mech/one_attend.h"
#include "mech/router.h"

/* Places in own. */
enum { FORM, SHARED, ACTIVE };

static struct attn__map_route route_of(const struct attn__problem *p)
{
    static const enum attn__route kinds[] = {[ATTN_MOH_CODE] = ATTN__ROUTE_MOH_CODE,
                                             [ATTN_MOH_PAPER] = ATTN__ROUTE_MOH_PAPER,
                                             [ATTN_MOH_LLAMA] = ATTN__ROUTE_MOH_LLAMA};
    struct attn__map_route m = {.kind = kinds[(int)p->own[FORM]], .heads = 1, .loss_factor = 1};
    m.shared = (int64_t)p->own[SHARED];
    m.active = (int64_t)p->own[ACTIVE];
    m.routed = p->hout - m.shared;
    if (m.kind == ATTN__ROUTE_MOH_CODE)
        m.loss_factor = (double)m.routed;
    return m;
}

/* The gates are the router's. */
static const struct attn__setting settings[] = {{ATTN_PARAM_HEAD_GATE, ATTN__FIXED, 1, 0}};

static int32_t stage(const struct attn__params *v, const struct attn__problem *whole, int32_t n,
                     const struct attn__mem *mem, struct attn__problem *p)
{
    (void)whole;
    (void)n;
    return attn__router_stage(v, mem, settings, 1, p);
}

static bool workspace(const struct attn__problem *p, const struct attn__machine *m, size_t *bytes)
{
    return attn__router_workspace(p, route_of(p), m, bytes);
}

static void run(const struct attn__recipe_run *r)
{
    struct attn__router x;
    attn__router_begin(r, &x);
    struct attn__call c = attn__one_attend_call(&x.r);
    attn__router_run(&x.r, route_of(r->call->p), &c);
    r->attend(&x.r, 0, &c);
}

static const struct attn__recipe recipe = {
    .n_stages = 1,
    .stage = stage,
    .workspace = workspace,
    .run = run,
};

static int32_t heads(const struct attn__params *v, const struct attn__problem *p)
{
    int64_t shared = attn__params_i64_or(v, ATTN_PARAM_MOH_SHARED, 0);
    int64_t active = attn__params_i64_or(v, ATTN_PARAM_MOH_ACTIVE, -1);
    if (active < 0)
        return attn__error_set(ATTN_ERR_UNSET, "moh needs moh_active (the routed heads that a "
                                               "token has), which was not set");
    if (shared > p->hout)
        return attn__error_set(ATTN_ERR_INVALID,
                               "moh_shared is %" PRId64 ", expected at most the %" PRId64 " heads",
                               shared, p->hout);
    if (active > p->hout - shared)
        return attn__error_set(ATTN_ERR_INVALID,
                               "moh_active is %" PRId64 ", expected at most the %" PRId64
                               " heads that are not shared",
                               active, p->hout - shared);
    if (shared + active == 0)
        return attn__error_set(ATTN_ERR_INVALID,
                               "moh_shared and moh_active are 0: no head is ever computed");
    return ATTN_OK;
}

/* Roles and extents of a router inside. */
static int32_t inside(const struct attn__params *v, struct attn__problem *p)
{
    int32_t status = heads(v, p);
    if (status != ATTN_OK)
        return status;
    p->own[FORM] = (double)attn__params_i64_or(v, ATTN_PARAM_MOH_FORM, ATTN_MOH_CODE);
    p->own[SHARED] = (double)attn__params_i64_or(v, ATTN_PARAM_MOH_SHARED, 0);
    p->own[ACTIVE] = (double)attn__params_i64_or(v, ATTN_PARAM_MOH_ACTIVE, 0);
    struct attn__map_route m = route_of(p);
    bool learned = m.kind != ATTN__ROUTE_MOH_LLAMA;
    int64_t channels = attn__params_i64_or(v, ATTN_PARAM_MOH_CHANNELS, p->hq * p->d);
    if (!learned && attn__params_i64_or(v, ATTN_PARAM_MOH_CHANNELS, 0) > 0)
        return attn__error_set(ATTN_ERR_INVALID,
                               "moh_channels is set, but moh_form=llama routes by the queries");
    if ((!learned || m.active == 0) && p->want & ATTN_WANT_AUX_LOSS)
        return attn__error_set(ATTN_ERR_INVALID,
                               "want has aux_loss, but %s has no balance loss",
                               learned ? "moh_active=0" : "moh_form=llama");
    p->recipe = &recipe;
    p->takes[ATTN__SLOT_GATE] = ATTN__TAKES_NOT;
    if (learned)
        attn__router_roles(p, m, channels);
    return ATTN_OK;
}

static int32_t outside(const struct attn__params *v, const struct attn__problem *p)
{
    static const int32_t router[] = {ATTN_PARAM_MOH_FORM, ATTN_PARAM_MOH_SHARED,
                                     ATTN_PARAM_MOH_ACTIVE, ATTN_PARAM_MOH_CHANNELS};
    return attn__router_none(v, router, sizeof router / sizeof router[0], "with moh_router=0",
                             p);
}

int32_t attn__mech_moh(const struct attn__params *params, const struct attn__mem *mem,
                       struct attn__problem *p)
{
    bool router = attn__params_i64_or(params, ATTN_PARAM_MOH_ROUTER, 1) != 0;
    int32_t status = attn__preset(params, mem, settings, 1, p);
    if (status != ATTN_OK)
        return status;
    status = router ? inside(params, p) : outside(params, p);
    if (status != ATTN_OK)
        attn__problem_free(p, mem);
    return status;
}
