/* SPDX-License-Identifier: MIT */
/*
 * Plans of mechanisms with several stages: a plan for every ATTEND stage,
 * one workspace for all of them behind that of the recipe.
 */
#include "base/checked.h"
#include "base/error.h"
#include "plan/plan.h"
#include "problem/sequences.h"

/* What the recipe is run with. */
static const struct attn__problem *problem_of(const struct attn_plan *plan)
{
    return attn__staged_is_each(plan) ? &plan->one : &plan->problem;
}

static size_t max_size(size_t a, size_t b)
{
    return a > b ? a : b;
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

/* What the recipe and its stages need if all threads run them, or one. Stages
 * run one after another, so that one room serves them all. */
static bool sizes_of(const struct attn_plan *plan, bool alone, size_t *room, size_t *stages)
{
    const struct attn__recipe *recipe = plan->problem.recipe;
    size_t bytes, most = 0;
    for (int32_t n = 0; n < recipe->n_stages; n++)
        most = max_size(most, alone ? plan->stage[n]->alone_bytes : plan->stage[n]->ws_bytes);
    return recipe->workspace(problem_of(plan), alone ? &plan->alone : &plan->machine, &bytes) &&
           attn__align_up(bytes, ATTN__WS_ALIGN, room) &&
           attn__align_up(most, ATTN__WS_ALIGN, stages);
}

/* Rooms for one run by all threads or, in the same place, for one by each of
 * them; where all select before the first goes on, each has a room to keep. */
static bool lay_out(struct attn_plan *plan)
{
    bool each = attn__staged_is_each(plan), keep = each && plan->problem.recipe->select;
    size_t room, stages, rooms, more_stages;
    plan->n_teams = each ? attn__staged_each_teams(plan) : 1;
    if (!sizes_of(plan, false, &room, &stages) ||
        !sizes_of(plan, true, &plan->room_bytes, &plan->stage_bytes))
        return false;
    if (keep)
        plan->room_bytes = max_size(room, plan->room_bytes);
    if (!attn__mul_size((size_t)(keep ? plan->problem.b : plan->n_teams), plan->room_bytes,
                        &rooms) ||
        !attn__mul_size((size_t)plan->n_teams, plan->stage_bytes, &more_stages))
        return false;
    plan->stage_ws = max_size(room, rooms);
    return attn__add_size(plan->stage_ws, max_size(stages, more_stages), &plan->ws_bytes);
}

/* The parameters that stages are made from. */
static int32_t copy_params(struct attn_plan *plan, const struct attn__params *params,
                           struct attn__params *copy)
{
    int32_t status = attn__params_copy(copy, &plan->mem, params);
    if (!attn__staged_is_each(plan))
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
    if (status == ATTN_OK && !lay_out(plan))
        status = attn__error_set(ATTN_ERR_OVERFLOW, "the workspace of %s does not fit in 64 bits",
                                 plan->problem.text);
    return status;
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
    const struct attn__team team = {r->machine, r->threads};
    call->p = &plan->stage[n]->problem;
    attn__plan_solve(plan->stage[n], &team, call, r->stage_ws, r->did);
}

struct attn__recipe_run attn__staged_run_of(const struct attn_plan *plan,
                                            const struct attn__team *team,
                                            const struct attn__call *call, char *ws,
                                            char *stage_ws, struct attn__did *did)
{
    return (struct attn__recipe_run){
        .call = call,
        .machine = team->machine,
        .threads = team->threads,
        .ws = ws,
        .stage_ws = stage_ws,
        .attend = attend,
        .plan = plan,
        .did = did,
    };
}

/* Everything at once, by all threads. */
static struct attn__recipe_run run_of(const struct attn_plan *plan, const struct attn__call *call,
                                      char *ws, struct attn__did *did)
{
    const struct attn__team all = {&plan->machine, plan->threads};
    return attn__staged_run_of(plan, &all, call, ws, ws + plan->stage_ws, did);
}

int32_t attn__staged_select(const struct attn_plan *plan, const struct attn__call *call, char *ws)
{
    const struct attn__recipe *recipe = plan->problem.recipe;
    if (!recipe || !recipe->select)
        return ATTN_OK;
    if (attn__staged_is_each(plan))
        return attn__staged_each_select(plan, call, ws);
    const struct attn__recipe_run r = run_of(plan, call, ws, NULL);
    return recipe->select(&r);
}

void attn__staged_run(const struct attn_plan *plan, const struct attn__call *call, char *ws,
                      struct attn__did *did)
{
    const struct attn__recipe *recipe = plan->problem.recipe;
    if (!recipe->run)
        return;
    if (attn__staged_is_each(plan)) {
        attn__staged_each_run(plan, call, ws, did);
        return;
    }
    const struct attn__recipe_run r = run_of(plan, call, ws, did);
    recipe->run(&r);
}
