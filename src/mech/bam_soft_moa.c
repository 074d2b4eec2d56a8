/* SPDX-License-Identifier: MIT */
/*
 * bam_soft_moa: soft mixture of attention (BAM! Just Like That, Zhang et al.,
 * 2024). Experts are whole multi-head attentions; each token uses all of
 * them, weighted by a softmax over the experts. Query head e * H + h is head
 * h of expert e. Keys and values are the experts' own, or one set for all.
 */
#include <inttypes.h>

#include "base/error.h"
#include "mech/one_attend.h"
#include "mech/router.h"

/* Place in own. */
enum { EXPERTS };

static struct attn__map_route route_of(const struct attn__problem *p)
{
    int64_t experts = (int64_t)p->own[EXPERTS];
    return (struct attn__map_route){.kind = ATTN__ROUTE_SOFT, .heads = p->hout / experts,
                                    .routed = experts, .active = experts};
}

static const struct attn__setting settings[] = {
    {ATTN_PARAM_HEAD_GATE, ATTN__FIXED, 1, 0},
    {ATTN_PARAM_Q_HEAD, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_K_HEAD, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_V_HEAD, ATTN__REFUSED, 0, 0},
};

enum { N_SETTINGS = sizeof settings / sizeof settings[0] };

/* Sets the heads that query heads read: head h of every expert the same. */
static int32_t share(const struct attn__params *user, const struct attn__mem *mem,
                     struct attn__params *copy)
{
    int64_t hq = attn__params_i64_or(user, ATTN_PARAM_HQ, 0);
    int64_t hk = attn__params_i64_or(user, ATTN_PARAM_HK, hq), *map;
    int64_t heads = hq / attn__params_i64_or(user, ATTN_PARAM_BAM_EXPERTS, 1);
    if (hk > heads || heads % hk != 0)
        return attn__error_set(ATTN_ERR_INVALID,
                               "hk is %" PRId64 ", expected a divisor of the %" PRId64
                               " heads of an expert (bam_shared_kv)",
                               hk, heads);
    size_t bytes = (size_t)hq * sizeof *map;
    map = attn__mem_alloc(mem, bytes, 64);
    if (!map)
        return ATTN_ERR_NOMEM;
    for (int64_t h = 0; h < hq; h++)
        map[h] = h % heads / (heads / hk);
    int32_t status = attn__params_set_i64s(copy, ATTN_PARAM_KV_HEAD, map, (size_t)hq);
    attn__mem_free(mem, map, bytes);
    return status;
}

static int32_t map_heads(const struct attn__params *user, const struct attn__mem *mem,
                         struct attn__params *copy)
{
    bool shared = attn__params_i64_or(user, ATTN_PARAM_BAM_SHARED_KV, 0) != 0;
    return shared ? share(user, mem, copy) : ATTN_OK;
}

static int32_t stage(const struct attn__params *v, const struct attn__problem *whole, int32_t n,
                     const struct attn__mem *mem, struct attn__problem *p)
{
    struct attn__params copy;
    int32_t status = attn__one_attend_params(v, mem, settings, N_SETTINGS, &copy);
    (void)whole;
    (void)n;
    if (status == ATTN_OK)
        status = map_heads(v, mem, &copy);
    if (status == ATTN_OK)
        status = attn__mech_attend(&copy, &copy, mem, p);
    attn__params_destroy(&copy);
    return status;
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

static int32_t check_experts(const struct attn__params *v)
{
    int64_t experts = attn__params_i64_or(v, ATTN_PARAM_BAM_EXPERTS, 0);
    int64_t hq = attn__params_i64_or(v, ATTN_PARAM_HQ, 0);
    if (experts == 0)
        return attn__error_set(ATTN_ERR_UNSET, "bam_soft_moa needs bam_experts, which was not set");
    if (hq % experts != 0)
        return attn__error_set(ATTN_ERR_INVALID,
                               "bam_experts is %" PRId64 ", expected a divisor of the %" PRId64
                               " query heads of all experts",
                               experts, hq);
    return ATTN_OK;
}

int32_t attn__mech_bam_soft_moa(const struct attn__params *params, const struct attn__mem *mem,
                                struct attn__problem *p)
{
    struct attn__params copy;
    int32_t status = check_experts(params);
    if (status != ATTN_OK)
        return status;
    status = attn__preset_copy(params, mem, settings, N_SETTINGS, &copy);
    if (status == ATTN_OK)
        status = map_heads(params, mem, &copy);
    if (status == ATTN_OK)
        status = attn__mech_attend(&copy, params, mem, p);
    attn__params_destroy(&copy);
    if (status != ATTN_OK)
        return status;
    p->own[EXPERTS] = (double)attn__params_i64_or(params, ATTN_PARAM_BAM_EXPERTS, 1);
    struct attn__map_route m = route_of(p);
    p->recipe = &recipe;
    p->takes[ATTN__SLOT_GATE] = ATTN__TAKES_NOT;
    attn__router_roles(
        p, m, attn__params_i64_or(params, ATTN_PARAM_BAM_CHANNELS, m.heads * p->d));
    return ATTN_OK;
}
