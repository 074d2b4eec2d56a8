/* SPDX-License-Identifier: MIT */
/*
 * moa_heads: mixture of attention heads (Zhang et al., 2022). A token's query
 * heads are those of its chosen experts, slot by slot; all share one head of
 * keys and values, and the weights of the slots are gates. Router and
 * projections by experts are the caller's, or inside the plan: then a router
 * chooses, and the token is multiplied with the matrices of its experts.
 */
#include <inttypes.h>

#include "base/error.h"
#include "mech/one_attend.h"
#include "mech/router.h"
#include "solvers/map_experts.h"

/* Places in own. */
enum { EXPERTS, FORM };

static const struct attn__setting settings[] = {
    {ATTN_PARAM_HK, ATTN__FIXED, 1, 0},
    {ATTN_PARAM_HV, ATTN__FIXED, 1, 0},
    {ATTN_PARAM_HEAD_GATE, ATTN__FIXED, 1, 0},
};

enum { N_SETTINGS = sizeof settings / sizeof settings[0] };

static struct attn__map_route route_of(const struct attn__problem *p)
{
    struct attn__map_route m = {.heads = 1, .active = p->hout};
    m.kind = p->own[FORM] == ATTN_MOA_PAPER ? ATTN__ROUTE_SLOTS_SUM1 : ATTN__ROUTE_SLOTS;
    m.routed = (int64_t)p->own[EXPERTS];
    m.loss_factor = (double)m.routed / (double)m.active;
    return m;
}

static int32_t stage(const struct attn__params *v, const struct attn__problem *whole, int32_t n,
                     const struct attn__mem *mem, struct attn__problem *p)
{
    (void)whole;
    (void)n;
    return attn__router_stage(v, mem, settings, N_SETTINGS, p);
}

struct arrays {
    void *q; /* [B,Hout,N,D], f32 or f64 */
    struct attn__map_experts_room experts;
};

static int64_t widest(const struct attn__problem *p)
{
    return attn__max_i64((int64_t)p->own[ATTN__ROUTER_CHANNELS], p->d);
}

/* Behind what the router needs. */
static bool carve(struct attn__scratch *s, const struct attn__problem *p,
                  const struct attn__machine *m, struct arrays *a)
{
    int64_t rows = 0, all = 0;
    s->ok = attn__router_workspace(p, route_of(p), m, &s->used) &&
            attn__mul_i64(p->b, p->q, &rows) && attn__mul_i64(rows, p->hout, &rows) &&
            attn__mul_i64(rows, p->d, &all);
    a->q = attn__scratch_take(s, all, attn__dtype_size(attn__problem_row_dtype(p)));
    attn__map_experts_take(s, (int64_t)p->own[EXPERTS], rows, widest(p), m->threads, &a->experts);
    return s->ok;
}

static bool workspace(const struct attn__problem *p, const struct attn__machine *m, size_t *bytes)
{
    struct attn__scratch s = {.ok = true};
    struct arrays a;
    bool ok = carve(&s, p, m, &a);
    *bytes = s.used;
    return ok;
}

static void run(const struct attn__recipe_run *r)
{
    const struct attn__problem *p = r->call->p;
    struct attn__scratch s = {.base = r->ws, .ok = true};
    struct arrays a;
    struct attn__router x;
    carve(&s, p, r->machine, &a);
    attn__router_begin(r, &x);
    struct attn__call c = attn__one_attend_call(&x.r);
    const attn_tensor *t = x.call.t, *out = &t[ATTN__SLOT_OUT];
    attn_tensor experts = attn__router_run(&x.r, route_of(p), &c);
    attn_tensor q = attn__recipe_view(a.q, attn__problem_row_dtype(p), out->shape[0], p->hout,
                                      out->shape[2], p->d);
    const struct attn__map_experts m = {&t[ATTN__SLOT_ROUTER_X], &t[ATTN__SLOT_EXPERT_W],
                                        &experts, &q};
    attn__map_experts(&x.r, &m, widest(p), &a.experts);
    if (x.call.has[ATTN__SLOT_EXPERTS])
        attn__map_experts_tell(&x.r, &experts, &t[ATTN__SLOT_EXPERTS]);
    c.has[ATTN__SLOT_EXPERTS] = false;
    attn__recipe_give(&c, ATTN__SLOT_Q, &q);
    r->attend(&x.r, 0, &c);
}

static const struct attn__recipe recipe = {
    .n_stages = 1,
    .stage = stage,
    .workspace = workspace,
    .run = run,
};

/* Roles and extents of a router inside. */
static int32_t inside(const struct attn__params *v, int64_t experts, struct attn__problem *p)
{
    if (experts < p->hout)
        return attn__error_set(ATTN_ERR_INVALID,
                               "moa_experts is %" PRId64 ", expected at least the %" PRId64
                               " heads, which are a token's experts",
                               experts, p->hout);
    bool mapped = false;
    if (attn__params_is_set(v, ATTN_PARAM_Q_HEAD, &mapped) == ATTN_OK && mapped)
        return attn__error_set(ATTN_ERR_INVALID,
                               "q_head is set, but with moa_experts the queries are made here");
    p->own[EXPERTS] = (double)experts;
    p->own[FORM] = (double)attn__params_i64_or(v, ATTN_PARAM_MOA_FORM, ATTN_MOA_PAPER);
    p->recipe = &recipe;
    p->takes[ATTN__SLOT_GATE] = p->takes[ATTN__SLOT_Q] = ATTN__TAKES_NOT;
    p->takes[ATTN__SLOT_EXPERT_W] = ATTN__TAKES_MUST;
    p->takes[ATTN__SLOT_EXPERTS] = ATTN__TAKES_MAY;
    attn__router_roles(p, route_of(p),
                       attn__params_i64_or(v, ATTN_PARAM_MOA_CHANNELS, p->hq * p->d));
    return ATTN_OK;
}

static int32_t outside(const struct attn__params *v, const struct attn__problem *p)
{
    static const int32_t router[] = {ATTN_PARAM_MOA_FORM, ATTN_PARAM_MOA_CHANNELS};
    return attn__router_none(v, router, sizeof router / sizeof router[0], "without moa_experts",
                             p);
}

int32_t attn__mech_moa_heads(const struct attn__params *params, const struct attn__mem *mem,
                             struct attn__problem *p)
{
    int64_t experts = attn__params_i64_or(params, ATTN_PARAM_MOA_EXPERTS, 0);
    int32_t status = attn__preset(params, mem, settings, N_SETTINGS, p);
    if (status != ATTN_OK)
        return status;
    status = experts > 0 ? inside(params, experts, p) : outside(params, p);
    if (status != ATTN_OK)
        attn__problem_free(p, mem);
    return status;
}
