/* SPDX-License-Identifier: MIT */
/*
 * Plans of mechanisms with several stages: a plan for every ATTEND stage,
 * one workspace for all of them behind that of the recipe.
 */
#include "base/checked.h"
#include "base/error.h"
#include "plan/plan.h"

static int32_t make_stages(struct attn_plan *plan, const struct attn__params *params)
{
    const struct attn__recipe *recipe = plan->problem.recipe;
    for (int32_t n = 0; n < recipe->n_stages; n++) {
        struct attn__problem p;
        int32_t status = recipe->stage(params, &plan->problem, n, &plan->mem, &p);
        if (status != ATTN_OK)
            return status;
        p.executors = 0; /* the whole plan has the workspace */
        status = attn__plan_make(plan->ctx, plan->threads, plan->machine.threads, &p, NULL,
                                 &plan->stage[n]);
        if (status != ATTN_OK)
            return status;
    }
    return ATTN_OK;
}

/* Stages run one after another, so that one room serves them all. */
static int32_t size_workspace(struct attn_plan *plan)
{
    const struct attn__recipe *recipe = plan->problem.recipe;
    size_t bytes, most = 0;
    for (int32_t n = 0; n < recipe->n_stages; n++)
        most = plan->stage[n]->ws_bytes > most ? plan->stage[n]->ws_bytes : most;
    if (!recipe->workspace(&plan->problem, &plan->machine, &bytes) ||
        !attn__align_up(bytes, ATTN__WS_ALIGN, &plan->stage_ws) ||
        !attn__add_size(plan->stage_ws, most, &plan->ws_bytes))
        return attn__error_set(ATTN_ERR_OVERFLOW, "the workspace of %s does not fit in 64 bits",
                               plan->problem.text);
    return ATTN_OK;
}

int32_t attn__staged_make(struct attn_plan *plan, const struct attn__params *params)
{
    int32_t status;
    size_t bytes = (size_t)plan->problem.recipe->n_stages * sizeof *plan->stage;
    plan->stage = attn__mem_alloc(&plan->mem, bytes, 64);
    if (!plan->stage)
        return ATTN_ERR_NOMEM;
    status = make_stages(plan, params);
    return status == ATTN_OK ? size_workspace(plan) : status;
}

void attn__staged_free(struct attn_plan *plan)
{
    if (!plan->stage)
        return;
    for (int32_t n = 0; n < plan->problem.recipe->n_stages; n++)
        if (plan->stage[n])
            attn__plan_free(plan->stage[n]);
    attn__mem_free(&plan->mem, plan->stage,
                   (size_t)plan->problem.recipe->n_stages * sizeof *plan->stage);
}

static void attend(const struct attn__recipe_run *r, int32_t n, struct attn__call *call)
{
    const struct attn_plan *plan = r->plan;
    call->p = &plan->stage[n]->problem;
    attn__plan_solve(plan->stage[n], call, r->ws + plan->stage_ws, r->did);
}

static struct attn__recipe_run run_of(const struct attn_plan *plan, const struct attn__call *call,
                                      char *ws, struct attn__did *did)
{
    return (struct attn__recipe_run){
        .call = call,
        .machine = &plan->machine,
        .threads = plan->threads,
        .ws = ws,
        .attend = attend,
        .plan = plan,
        .did = did,
    };
}

int32_t attn__staged_select(const struct attn_plan *plan, const struct attn__call *call, char *ws)
{
    const struct attn__recipe_run r = run_of(plan, call, ws, NULL);
    const struct attn__recipe *recipe = plan->problem.recipe;
    return recipe && recipe->select ? recipe->select(&r) : ATTN_OK;
}

void attn__staged_run(const struct attn_plan *plan, const struct attn__call *call, char *ws,
                      struct attn__did *did)
{
    const struct attn__recipe_run r = run_of(plan, call, ws, did);
    if (plan->problem.recipe->run)
        plan->problem.recipe->run(&r);
}
