/* SPDX-License-Identifier: MIT */
/*
 * Making, running and freeing plans.
 */
#include "plan/plan.h"

#include "base/checked.h"
#include "base/error.h"
#include "solvers/observe.h"
#include "solvers/score_steps.h"
#include "solvers/skip_bound.h"
#include "thread/blas.h"

static bool is_used(const struct attn_plan *plan, const struct attn__solver *s)
{
    for (int32_t qc = 0; qc <= attn__plan_last_q_class(&plan->problem); qc++)
        for (int32_t kc = 0; kc <= attn__plan_last_k_class(&plan->problem); kc++)
            if (plan->choice[qc][kc].solver == s)
                return true;
    return false;
}

static void find_used(struct attn_plan *plan)
{
    const struct attn__solver *s;
    for (size_t n = 0; (s = attn__planner_solver_at(n)) != NULL; n++)
        if (is_used(plan, s))
            plan->used[plan->n_used++] = s;
}

/* Enough for each of the solvers: they run one after another. */
static int32_t size_workspace(struct attn_plan *plan, const struct attn__machine *m,
                              size_t *ws_bytes)
{
    const struct attn__problem *p = &plan->problem;
    *ws_bytes = 0;
    for (int32_t n = 0; n < plan->n_used; n++) {
        size_t bytes;
        if (!plan->used[n]->workspace(p, m, &bytes))
            return attn__error_set(ATTN_ERR_OVERFLOW,
                                   "the workspace of solver %s does not fit in 64 bits",
                                   plan->used[n]->name);
        if (bytes > *ws_bytes)
            *ws_bytes = bytes;
    }
    struct attn__scratch s = {.ok = true};
    struct attn__score_tables tables;
    attn__score_tables_take(&s, p, &tables);
    plan->table_bytes = s.used;
    /* what comes after the solvers has their room, behind the tables */
    struct attn__scratch after = {.ok = true};
    struct attn__skip_room skip;
    attn__skip_bound_take(&after, p, m->threads, &skip);
    (void)attn__observe_take(&after, p, m->threads);
    if (*ws_bytes < after.used)
        *ws_bytes = after.used;
    s.ok = s.ok && after.ok && attn__add_size(*ws_bytes, s.used, ws_bytes);
    if (!s.ok)
        return attn__error_set(ATTN_ERR_OVERFLOW, "the workspace does not fit in 64 bits");
    return ATTN_OK;
}

static int32_t choose(struct attn_plan *plan)
{
    int32_t status = attn__planner_choose(plan);
    if (status != ATTN_OK)
        return status;
    find_used(plan);
    status = size_workspace(plan, &plan->machine, &plan->ws_bytes);
    return status == ATTN_OK ? size_workspace(plan, &plan->alone, &plan->alone_bytes) : status;
}

static int32_t make_executors(struct attn_plan *plan)
{
    size_t n = (size_t)plan->problem.executors;
    if (n == 0)
        return ATTN_OK;
    plan->executor = attn__mem_alloc(&plan->mem, n * sizeof *plan->executor, 64);
    if (!plan->executor)
        return ATTN_ERR_NOMEM;
    for (size_t i = 0; i < n; i++) {
        atomic_init(&plan->executor[i].busy, 0);
        plan->executor[i].ws = attn__mem_alloc(&plan->mem, plan->ws_bytes, ATTN__WS_ALIGN);
        if (!plan->executor[i].ws)
            return ATTN_ERR_NOMEM;
    }
    return ATTN_OK;
}

int32_t attn__plan_make(struct attn_ctx *ctx, struct attn__threads *threads, int64_t n_threads,
                        struct attn__problem *problem, const struct attn__params *params,
                        struct attn_plan **out)
{
    struct attn_plan *plan = attn__mem_alloc(&ctx->mem, sizeof *plan, 64);
    if (!plan) {
        attn__problem_free(problem, &ctx->mem);
        return ATTN_ERR_NOMEM;
    }
    attn__ctx_retain(ctx);
    plan->ctx = ctx;
    plan->mem = ctx->mem;
    plan->problem = *problem;
    plan->threads = threads;
    plan->machine = (struct attn__machine){
        .kern = ctx->kernels,
        .threads = n_threads,
        .blas_threads = attn__blas_threads(),
    };
    plan->alone = plan->machine;
    plan->alone.threads = 1;
    int32_t status = attn__rules_make(&plan->problem, &plan->mem, &plan->rules);
    if (status == ATTN_OK)
        status = plan->problem.recipe ? attn__staged_make(plan, params) : choose(plan);
    if (status == ATTN_OK)
        status = make_executors(plan);
    if (status != ATTN_OK) {
        attn__plan_free(plan);
        return status;
    }
    *out = plan;
    return ATTN_OK;
}

void attn__plan_free(struct attn_plan *plan)
{
    struct attn__mem mem = plan->mem;
    size_t n = (size_t)plan->problem.executors;
    for (size_t i = 0; plan->executor && i < n; i++)
        attn__mem_free(&mem, plan->executor[i].ws, plan->ws_bytes);
    attn__mem_free(&mem, plan->executor, n * sizeof *plan->executor);
    attn__staged_free(plan);
    attn__rules_free(plan->rules, &mem);
    attn__problem_free(&plan->problem, &mem);
    attn__ctx_release(plan->ctx);
    attn__mem_free(&mem, plan, sizeof *plan);
}

static bool has_work_for(const struct attn__exec *x)
{
    for (int64_t n = 0; n < x->call->n_seq; n++) {
        struct attn__seq s = attn__call_seq(x->call, n);
        if (attn__exec_mine(x, &s))
            return true;
    }
    return false;
}

static void count_all(const struct attn__call *c, struct attn__did *did)
{
    int64_t pairs;
    for (int64_t n = 0; n < c->n_seq; n++) {
        struct attn__seq s = attn__call_seq(c, n);
        if (!attn__mul_i64(s.nq, s.nk, &pairs) || !attn__mul_i64(pairs, c->p->hout, &pairs) ||
            !attn__add_i64(did->all_pairs, pairs, &did->all_pairs))
            did->all_pairs = INT64_MAX;
    }
}

/* Selects, solves and writes COUNTS. */
static int32_t solve_and_count(const struct attn_plan *plan, const struct attn__call *call,
                               char *ws)
{
    int32_t status = attn__staged_select(plan, call, ws);
    if (status != ATTN_OK)
        return status;
    struct attn__did did = {.all_pairs = 0};
    const attn_tensor *t = &call->t[ATTN__SLOT_COUNTS];
    bool wanted = call->has[ATTN__SLOT_COUNTS];
    atomic_init(&did.pairs, 0);
    atomic_init(&did.tiles, 0);
    atomic_init(&did.all_tiles, 0);
    const struct attn__team all = {&plan->machine, plan->threads};
    attn__plan_solve(plan, &all, call, ws, wanted ? &did : NULL);
    const int64_t counts[] = {atomic_load(&did.pairs), did.all_pairs, atomic_load(&did.tiles),
                              atomic_load(&did.all_tiles)};
    for (int n = 0; n < 4 && wanted; n++)
        attn__store_i64(t->data, n * t->stride[0], t->dtype, counts[n]);
    return ATTN_OK;
}

/* The tables at the beginning of the workspace. */
static struct attn__score_tables tables_of(const struct attn_plan *plan, char *ws)
{
    struct attn__scratch s = {.base = ws, .ok = true};
    struct attn__score_tables tables;
    attn__score_tables_take(&s, &plan->problem, &tables);
    return tables;
}

static void run_solvers(const struct attn_plan *plan, const struct attn__team *team,
                        const struct attn__call *call, char *ws, struct attn__did *did)
{
    struct attn__call with_tables;
    struct attn__exec x = {
        .call = plan->table_bytes > 0 ? &with_tables : call,
        .machine = team->machine,
        .threads = team->threads,
        .choice = plan->choice,
        .ws = ws + plan->table_bytes,
        .did = did,
    };
    if (did)
        count_all(call, did);
    if (plan->table_bytes > 0) {
        with_tables = *call;
        with_tables.tables = tables_of(plan, ws);
        attn__score_tables_make(call, &with_tables.tables);
    }
    for (int32_t n = 0; n < plan->n_used; n++) {
        x.self = plan->used[n];
        if (has_work_for(&x))
            x.self->run(&x);
    }
}

/* SKIP_BOUND is made of LSE, whose place it takes if the caller has none. */
static void run_and_bound(const struct attn_plan *plan, const struct attn__team *team,
                          const struct attn__call *call, char *ws, struct attn__did *did)
{
    struct attn__scratch s = {.base = ws + plan->table_bytes, .ok = true};
    struct attn__skip_room room;
    struct attn__call own = *call;
    if (!own.has[ATTN__SLOT_LSE])
        own.t[ATTN__SLOT_LSE] = own.t[ATTN__SLOT_SKIP_BOUND];
    own.has[ATTN__SLOT_LSE] = true;
    run_solvers(plan, team, &own, ws, did);
    own.tables = tables_of(plan, ws); /* as they were left */
    attn__skip_bound_take(&s, &plan->problem, team->machine->threads, &room);
    attn__skip_bound(&own, team->machine, team->threads, &room);
}

static void run_and_observe(const struct attn_plan *plan, const struct attn__team *team,
                            const struct attn__call *call, char *ws, struct attn__did *did)
{
    struct attn__scratch s = {.base = ws, .ok = true};
    run_solvers(plan, team, call, ws, did);
    attn__observe(call, team->machine, team->threads,
                  attn__observe_take(&s, &plan->problem, team->machine->threads));
}

void attn__plan_solve(const struct attn_plan *plan, const struct attn__team *team,
                      const struct attn__call *call, char *ws, struct attn__did *did)
{
    if (plan->problem.recipe)
        attn__staged_run(plan, call, ws, did);
    else if (call->has[ATTN__SLOT_SKIP_BOUND])
        run_and_bound(plan, team, call, ws, did);
    else if (plan->problem.view.observe)
        run_and_observe(plan, team, call, ws, did);
    else
        run_solvers(plan, team, call, ws, did);
}

int32_t attn__plan_run(const struct attn_plan *plan, const struct attn__call *call, char *ws)
{
    if (ws)
        return solve_and_count(plan, call, ws);
    for (int64_t n = 0; n < plan->problem.executors; n++) {
        struct attn__executor *e = &plan->executor[n];
        int32_t idle = 0;
        if (!atomic_compare_exchange_strong_explicit(&e->busy, &idle, 1, memory_order_acquire,
                                                     memory_order_relaxed))
            continue;
        int32_t status = solve_and_count(plan, call, e->ws);
        atomic_store_explicit(&e->busy, 0, memory_order_release);
        return status;
    }
    return attn__error_set(ATTN_ERR_BUSY,
                           "all %lld workspaces of the plan are in use (executors=%lld)",
                           (long long)plan->problem.executors,
                           (long long)plan->problem.executors);
}
