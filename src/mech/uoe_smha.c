/* SPDX-License-Identifier: MIT */
/*
 * uoe_smha: selective multi-head attention (Union of Experts, Yang et al.,
 * 2025). A token joins its best few heads, and a head is attention among its
 * own tokens alone: queries, keys and values. Those are gathered head by head
 * into one packed batch, whose rows go back where they came from.
 */
#include <inttypes.h>

#include "base/error.h"
#include "mech/router.h"
#include "solvers/map_members.h"

/* Place in own. */
enum { ACTIVE, PAD };

static struct attn__map_route route_of(const struct attn__problem *p)
{
    return (struct attn__map_route){.kind = ATTN__ROUTE_TOP, .heads = 1, .routed = p->hout,
                                    .active = (int64_t)p->own[ACTIVE]};
}

static int32_t stage(const struct attn__params *v, const struct attn__problem *whole, int32_t n,
                     const struct attn__mem *mem, struct attn__problem *p)
{
    struct attn__params copy;
    int64_t sequences = 0;
    bool fits = attn__mul_i64(whole->b, whole->hout, &sequences);
    const struct {
        int32_t param;
        int64_t value;
    } set[] = {
        {ATTN_PARAM_PACKED, 1}, {ATTN_PARAM_B, sequences}, {ATTN_PARAM_HQ, 1},
        {ATTN_PARAM_HK, 1},     {ATTN_PARAM_HV, 1},        {ATTN_PARAM_K, whole->q},
    };
    int32_t status = attn__preset_stage(v, mem, &copy);
    (void)n;
    if (status == ATTN_OK && !fits)
        status = attn__error_set(ATTN_ERR_OVERFLOW, "b * h does not fit in 64 bits");
    for (size_t i = 0; i < sizeof set / sizeof set[0] && status == ATTN_OK; i++)
        status = attn__params_set_i64(&copy, set[i].param, set[i].value);
    if (status == ATTN_OK)
        status = attn__mech_attend(&copy, &copy, mem, p);
    attn__params_destroy(&copy);
    return status;
}

/* Heads of a token at most. */
static int64_t heads_of(const struct attn__problem *p)
{
    return p->own[PAD] > 0 ? p->hout : (int64_t)p->own[ACTIVE];
}

static bool workspace(const struct attn__problem *p, const struct attn__machine *m, size_t *bytes)
{
    struct attn__scratch s = {.ok = true};
    struct attn__members members;
    s.ok = attn__router_workspace(p, route_of(p), m, &s.used);
    attn__members_take(&s, p, heads_of(p), &members);
    *bytes = s.used;
    return s.ok;
}

static void run(const struct attn__recipe_run *r)
{
    const struct attn__problem *p = r->call->p;
    struct attn__scratch s = {.base = r->ws, .ok = true};
    struct attn__members members;
    struct attn__router x;
    attn__router_begin(r, &x);
    struct attn__call c; /* of members, not of the caller's sequences */
    attn__call_begin(&c, NULL);
    attn__router_workspace(p, route_of(p), r->machine, &s.used);
    attn__members_take(&s, p, heads_of(p), &members);
    attn__router_run(&x.r, route_of(p), &c);
    attn_tensor gates = c.t[ATTN__SLOT_GATE];
    c.has[ATTN__SLOT_GATE] = false;
    attn__members_gather(&x.r, &gates, p->own[PAD] > 0, &members, &c);
    r->attend(&x.r, 0, &c);
    attn__members_scatter(&x.r, &gates, &members);
}

static const struct attn__recipe recipe = {
    .n_stages = 1,
    .stage = stage,
    .workspace = workspace,
    .run = run,
};

/* The tokens of queries and keys are the same. */
static int32_t check_call(const struct attn__call *c)
{
    for (int64_t n = 0; n < c->n_seq; n++) {
        struct attn__seq s = attn__call_seq(c, n);
        if (s.nq != s.nk)
            return attn__error_set(ATTN_ERR_SHAPE,
                                   "k has %" PRId64 " tokens in sequence %" PRId64
                                   ", expected the %" PRId64 " of q",
                                   s.nk, n, s.nq);
    }
    return attn__router_check(c);
}

static int32_t settle(const struct attn__params *v, struct attn__problem *p)
{
    int64_t active = attn__params_i64_or(v, ATTN_PARAM_UOE_ACTIVE, p->hout / 2);
    if (p->hk != p->hq || p->hv != p->hq)
        return attn__error_set(ATTN_ERR_INVALID,
                               "h=%" PRId64 "/%" PRId64 "/%" PRId64
                               ": expected as many key and value heads as query heads",
                               p->hq, p->hk, p->hv);
    if (active < 1 || active > p->hout)
        return attn__error_set(ATTN_ERR_INVALID,
                               "uoe_active is %" PRId64 ", expected 1 to the %" PRId64 " heads",
                               active, p->hout);
    if (p->q != p->k)
        return attn__error_set(ATTN_ERR_INVALID,
                               "q and k differ: uoe_smha has the same tokens as queries and keys");
    p->own[ACTIVE] = (double)active;
    p->own[PAD] = (double)attn__params_i64_or(v, ATTN_PARAM_UOE_PAD, 0);
    p->recipe = &recipe;
    attn__router_roles(p, route_of(p),
                       attn__params_i64_or(v, ATTN_PARAM_UOE_CHANNELS, p->hq * p->d));
    p->takes[ATTN__SLOT_ROUTER_B] = ATTN__TAKES_MUST;
    p->check_call = check_call;
    return ATTN_OK;
}

int32_t attn__mech_uoe_smha(const struct attn__params *params, const struct attn__mem *mem,
                            struct attn__problem *p)
{
    static const int32_t also[] = {ATTN_PARAM_CAUSAL, ATTN_PARAM_SCALE, ATTN_PARAM_SOFTCAP,
                                   ATTN_PARAM_PACKED};
    int32_t status = attn__preset_only(params, also, sizeof also / sizeof also[0]);
    if (status == ATTN_OK)
        status = attn__mech_attend(params, params, mem, p);
    if (status != ATTN_OK)
        return status;
    status = settle(params, p);
    if (status != ATTN_OK)
        attn__problem_free(p, mem);
    return status;
}
