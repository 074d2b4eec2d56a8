/* SPDX-License-Identifier: MIT */
/*
 * attn_plan_*: argument checks and hand-over.
 */
#include <inttypes.h>

#include <attn/attn.h>

#include "api/api_check.h"
#include "api/ctx_object.h"
#include "api/desc_object.h"
#include "mech/mech.h"
#include "plan/plan.h"
#include "problem/roles.h"

static void log_plan(const attn_plan *plan)
{
    const struct attn__problem *p = &plan->problem;
    int64_t k = p->k == ATTN_UNBOUNDED ? attn__problem_k_rep(ATTN__K_CLASSES - 1) : p->k;
    attn__log_line(&plan->ctx->log, ATTN_LOG_INFO, "plan: %s: solver %s, workspace %zu bytes",
                   p->text, attn_plan_solver(plan, p->q, k), plan->ws_bytes);
    const struct attn__solver *s;
    for (size_t n = 0; !p->recipe && (s = attn__planner_solver_at(n)) != NULL; n++) {
        char why[ATTN__WHY_MAX];
        if (!attn__planner_allows(plan, s, why))
            attn__log_line(&plan->ctx->log, ATTN_LOG_TRACE, "plan: not %s: %s", s->name, why);
    }
}

int32_t attn_plan_create(attn_ctx *ctx, const attn_desc *desc, attn_plan **plan)
{
    ATTN__CHECK_POINTER(plan);
    *plan = NULL;
    ATTN__CHECK_POINTER(ctx);
    ATTN__CHECK_POINTER(desc);
    struct attn__problem problem;
    struct attn__threads *threads;
    int32_t status = attn__mech_problem(&desc->params, &ctx->mem, &problem);
    if (status != ATTN_OK)
        return status;
    status = attn__ctx_object_threads(ctx, &threads);
    if (status == ATTN_OK)
        status = attn__plan_make(ctx, threads, attn__ctx_object_n_threads(ctx), &problem,
                                 &desc->params, plan);
    else
        attn__problem_free(&problem, &ctx->mem);
    if (status == ATTN_OK)
        log_plan(*plan);
    return status;
}

void attn_plan_destroy(attn_plan *plan)
{
    if (plan)
        attn__plan_free(plan);
}

int32_t attn_plan_workspace(const attn_plan *plan, size_t *bytes, size_t *align)
{
    ATTN__CHECK_POINTER(plan);
    if (bytes)
        *bytes = plan->ws_bytes;
    if (align)
        *align = ATTN__WS_ALIGN;
    return ATTN_OK;
}

int32_t attn_plan_execute(const attn_plan *plan, const attn_arg *args, size_t n_args,
                          void *workspace, size_t workspace_bytes)
{
    struct attn__call call;
    ATTN__CHECK_POINTER(plan);
    if (n_args > 0)
        ATTN__CHECK_POINTER(args);
    if (workspace && (uintptr_t)workspace % ATTN__WS_ALIGN != 0)
        return attn__error_set(ATTN_ERR_ALIGN, "workspace is %p, expected a multiple of %d",
                               workspace, ATTN__WS_ALIGN);
    if (workspace && workspace_bytes < plan->ws_bytes)
        return attn__error_set(ATTN_ERR_WORKSPACE,
                               "workspace_bytes is %zu, the plan needs %zu", workspace_bytes,
                               plan->ws_bytes);
    if (!workspace && workspace_bytes != 0)
        return attn__error_set(ATTN_ERR_NULL, "workspace is NULL, but workspace_bytes is %zu",
                               workspace_bytes);
    int32_t status = attn__bind(plan->rules, args, n_args, &call);
    return status == ATTN_OK ? attn__plan_run(plan, &call, workspace) : status;
}

static bool in_range(const attn_plan *plan, int64_t q, int64_t k)
{
    const struct attn__problem *p = &plan->problem;
    return q >= 0 && k >= 0 && q <= p->q && (p->k == ATTN_UNBOUNDED || k <= p->k);
}

int32_t attn_plan_describe(const attn_plan *plan, int64_t q, int64_t k, char *buf, size_t len,
                           size_t *needed)
{
    ATTN__CHECK_POINTER(plan);
    if (len > 0)
        ATTN__CHECK_POINTER(buf);
    if (!in_range(plan, q, k))
        return attn__error_set(ATTN_ERR_INVALID,
                               "q=%" PRId64 " k=%" PRId64 " is outside of what was planned: %s", q,
                               k, plan->problem.text);
    struct attn__textout out;
    attn__textout_start(&out, buf, len);
    attn__describe(plan, q, k, &out);
    attn__textout_finish(&out, needed);
    return ATTN_OK;
}

const char *attn_plan_solver(const attn_plan *plan, int64_t q, int64_t k)
{
    if (!plan || !in_range(plan, q, k))
        return NULL;
    if (plan->problem.recipe)
        return "stages";
    return plan->choice[attn__problem_q_class(q)][attn__problem_k_class(k)].solver->name;
}

const char *attn_solver_at(size_t index)
{
    const struct attn__solver *s = attn__planner_solver_at(index);
    return s ? s->name : NULL;
}

int32_t attn_plan_role_at(const attn_plan *plan, size_t index, int32_t *required)
{
    if (!plan || index >= (size_t)plan->rules->n)
        return 0;
    if (required)
        *required = plan->rules->rule[index].must;
    return attn__role_table[plan->rules->rule[index].slot].number;
}

int32_t attn_plan_shape(const attn_plan *plan, const attn_arg *args, size_t n_args, int32_t role,
                        attn_tensor *shape)
{
    ATTN__CHECK_POINTER(plan);
    ATTN__CHECK_POINTER(shape);
    if (n_args > 0)
        ATTN__CHECK_POINTER(args);
    const struct attn__role *r = attn__role_by_number(role);
    if (!r)
        return attn__error_set(ATTN_ERR_ROLE, "role is %d, which is no role", (int)role);
    enum attn__slot slot = (enum attn__slot)(r - attn__role_table);
    if (plan->problem.takes[slot] == ATTN__TAKES_NOT)
        return attn__error_set(ATTN_ERR_ROLE,
                               "role %s was not declared in the descriptor of this plan", r->name);
    attn_tensor t;
    int32_t status = attn__bind_role(plan->rules, args, n_args, slot, &t);
    if (status == ATTN_OK)
        *shape = t;
    return status;
}
