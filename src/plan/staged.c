/* SPDX-License-Identifier: MIT */
/*
 * Plans of mechanisms with several stages: a plan for every ATTEND stage,
 * one workspace for all of them behind that of the recipe.
 */
#include "base/checked.h"
#include "base/error.h"
#include "plan/plan.h"
#include "problem/sequences.h"

/* Does the plan run the recipe once for each sequence of a packed batch? */
static bool by_sequence(const struct attn_plan *plan)
{
    return attn__sequences_are(&plan->problem);
}

/* What the recipe is run with. */
static const struct attn__problem *problem_of(const struct attn_plan *plan)
{
    return by_sequence(plan) ? &plan->one : &plan->problem;
}

static int32_t make_stages(struct attn_plan *plan, const struct attn__params *params)
{
    const struct attn__recipe *recipe = plan->problem.recipe;
    for (int32_t n = 0; n < recipe->n_stages; n++) {
        struct attn__problem p;
        int32_t status = recipe->stage(params, problem_of(plan), n, &plan->mem, &p);
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

/* Stages run one after another, so that one room serves them all; so do
 * sequences, but that all of them select before the first one goes on. */
static int32_t size_workspace(struct attn_plan *plan)
{
    const struct attn__recipe *recipe = plan->problem.recipe;
    size_t bytes, most = 0;
    for (int32_t n = 0; n < recipe->n_stages; n++)
        most = plan->stage[n]->ws_bytes > most ? plan->stage[n]->ws_bytes : most;
    plan->n_rooms = by_sequence(plan) && recipe->select ? plan->problem.b : 1;
    if (!recipe->workspace(problem_of(plan), &plan->machine, &bytes) ||
        !attn__align_up(bytes, ATTN__WS_ALIGN, &plan->room_bytes) ||
        !attn__mul_size((size_t)plan->n_rooms, plan->room_bytes, &plan->stage_ws) ||
        !attn__add_size(plan->stage_ws, most, &plan->ws_bytes))
        return attn__error_set(ATTN_ERR_OVERFLOW, "the workspace of %s does not fit in 64 bits",
                               plan->problem.text);
    return ATTN_OK;
}

/* The parameters that stages are made from. */
static int32_t copy_params(struct attn_plan *plan, const struct attn__params *params,
                           struct attn__params *copy)
{
    int32_t status = attn__params_copy(copy, &plan->mem, params);
    if (!by_sequence(plan))
        return status;
    attn__sequences_problem(&plan->problem, &plan->one);
    if (status == ATTN_OK)
        status = attn__params_unset(copy, ATTN_PARAM_PACKED);
    return status == ATTN_OK ? attn__params_set_i64(copy, ATTN_PARAM_B, 1) : status;
}

int32_t attn__staged_make(struct attn_plan *plan, const struct attn__params *params)
{
    struct attn__params copy;
    size_t bytes = (size_t)plan->problem.recipe->n_stages * sizeof *plan->stage;
    plan->stage = attn__mem_alloc(&plan->mem, bytes, 64);
    if (!plan->stage)
        return ATTN_ERR_NOMEM;
    int32_t status = copy_params(plan, params, &copy);
    if (status == ATTN_OK)
        status = make_stages(plan, &copy);
    attn__params_destroy(&copy);
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
    attn__plan_solve(plan->stage[n], call, r->stage_ws, r->did);
}

/* A run in room n of the workspace. */
static struct attn__recipe_run run_of(const struct attn_plan *plan, const struct attn__call *call,
                                      char *ws, int64_t n, struct attn__did *did)
{
    return (struct attn__recipe_run){
        .call = call,
        .machine = &plan->machine,
        .threads = plan->threads,
        .ws = ws + (size_t)n * plan->room_bytes,
        .stage_ws = ws + plan->stage_ws,
        .attend = attend,
        .plan = plan,
        .did = did,
    };
}

static int32_t select_each(const struct attn_plan *plan, const struct attn__call *call, char *ws)
{
    for (int64_t n = 0; n < call->n_seq; n++) {
        struct attn__call one;
        attn__sequences_call(call, &plan->one, n, &one);
        const struct attn__recipe_run r = run_of(plan, &one, ws, n, NULL);
        int32_t status = plan->problem.recipe->select(&r);
        if (status != ATTN_OK)
            return attn__sequences_error(status, n);
    }
    return ATTN_OK;
}

int32_t attn__staged_select(const struct attn_plan *plan, const struct attn__call *call, char *ws)
{
    const struct attn__recipe *recipe = plan->problem.recipe;
    if (!recipe || !recipe->select)
        return ATTN_OK;
    if (by_sequence(plan))
        return select_each(plan, call, ws);
    const struct attn__recipe_run r = run_of(plan, call, ws, 0, NULL);
    return recipe->select(&r);
}

static void run_each(const struct attn_plan *plan, const struct attn__call *call, char *ws,
                     struct attn__did *did)
{
    for (int64_t n = 0; n < call->n_seq; n++) {
        struct attn__call one;
        attn__sequences_call(call, &plan->one, n, &one);
        const struct attn__recipe_run r =
            run_of(plan, &one, ws, plan->n_rooms > 1 ? n : 0, did);
        plan->problem.recipe->run(&r);
    }
}

void attn__staged_run(const struct attn_plan *plan, const struct attn__call *call, char *ws,
                      struct attn__did *did)
{
    const struct attn__recipe *recipe = plan->problem.recipe;
    if (!recipe->run)
        return;
    if (by_sequence(plan)) {
        run_each(plan, call, ws, did);
        return;
    }
    const struct attn__recipe_run r = run_of(plan, call, ws, 0, did);
    recipe->run(&r);
}
