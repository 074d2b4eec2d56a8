/* SPDX-License-Identifier: MIT */
/*
 * The planner: for every class of lengths the cheapest solver that can serve
 * the problem. A pure function of problem, machine and wisdom.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "plan/plan.h"
#include "problem/nearest.h"
#include "solvers/solvers.h"

static const struct attn__solver *const solvers[] = {
#define ATTN__SOLVER_ENTRY(name) &attn__solver_##name,
    ATTN__SOLVER_LIST(ATTN__SOLVER_ENTRY)
#undef ATTN__SOLVER_ENTRY
};

enum { N_SOLVERS = sizeof solvers / sizeof solvers[0] };

_Static_assert((int)N_SOLVERS <= (int)ATTN__SOLVERS_MAX, "a plan has room for all that it uses");

const struct attn__solver *attn__planner_solver_at(size_t index)
{
    return index < N_SOLVERS ? solvers[index] : NULL;
}

bool attn__planner_allows(const struct attn_plan *plan, const struct attn__solver *s,
                          char why[ATTN__WHY_MAX])
{
    const struct attn__problem *p = &plan->problem;
    if (p->solver && strcmp(p->solver, s->name) != 0) {
        snprintf(why, ATTN__WHY_MAX, "solver=%s was asked for", p->solver);
        return false;
    }
    if (s->verb != p->verb) {
        snprintf(why, ATTN__WHY_MAX, "it is for %s", s->verb == ATTN__VERB_SCAN ? "recurrences"
                                                                                  : "attention");
        return false;
    }
    if (p->verb == ATTN__VERB_SCAN && s->form != p->scan.form) {
        snprintf(why, ATTN__WHY_MAX, "it is for another kind of recurrence");
        return false;
    }
    if (p->view.is && !s->reads_pages) {
        snprintf(why, ATTN__WHY_MAX, "reads K and V from tensors, and the plan has a view");
        return false;
    }
    if (s->for_groups != (p->select.layout == ATTN_SELECTION_GROUPS)) {
        snprintf(why, ATTN__WHY_MAX, "it is for %s",
                 s->for_groups ? "groups of queries" : "queries that are not in groups");
        return false;
    }
    if (!s->applicable(p, why))
        return false;
    if (s->calls_blas && !p->solver) {
        int64_t blas = plan->machine.blas_threads;
        if (blas < 0) {
            snprintf(why, ATTN__WHY_MAX, "the number of threads BLAS uses is not known");
            return false;
        }
        if (blas > plan->machine.threads) {
            snprintf(why, ATTN__WHY_MAX,
                     "BLAS would use %" PRId64 " threads, the context has %" PRId64, blas,
                     plan->machine.threads);
            return false;
        }
    }
    return true;
}

/* Those of the estimate. */
static struct attn__tiles first_tiles(const struct attn__solver *s, const struct attn__problem *p,
                                      const struct attn__machine *m, int64_t q, int64_t k)
{
    return s->tiles ? s->tiles(p, m, q, k) : (struct attn__tiles){0};
}

int32_t attn__planner_tiles(const struct attn__solver *s, const struct attn__problem *p,
                            const struct attn__machine *m, int64_t q, int64_t k,
                            struct attn__tiles out[1 + ATTN__MORE_TILES])
{
    out[0] = first_tiles(s, p, m, q, k);
    return 1 + (s->more_tiles ? s->more_tiles(p, m, q, k, out + 1) : 0);
}

bool attn__planner_same_tiles(const struct attn__tiles *a, const struct attn__tiles *b)
{
    return a->rows == b->rows && a->keys == b->keys && a->chunk == b->chunk && a->pass == b->pass;
}

bool attn__planner_can_take(const struct attn_plan *plan, const struct attn__choice *choice,
                            int64_t q, int64_t k)
{
    struct attn__tiles tiles[1 + ATTN__MORE_TILES];
    char why[ATTN__WHY_MAX];
    if (!attn__planner_allows(plan, choice->solver, why))
        return false;
    int32_t n = attn__planner_tiles(choice->solver, &plan->problem, &plan->machine, q, k, tiles);
    while (n > 0 && !attn__planner_same_tiles(&tiles[n - 1], &choice->tiles))
        n--;
    return n > 0;
}

static int32_t check_name(const char *name)
{
    struct attn__nearest near;
    attn__nearest_start(&near, name, strlen(name));
    for (size_t n = 0; n < N_SOLVERS; n++) {
        if (strcmp(solvers[n]->name, name) == 0)
            return ATTN_OK;
        attn__nearest_offer(&near, solvers[n]->name);
    }
    return attn__error_set(ATTN_ERR_UNKNOWN_SOLVER,
                           "solver=%s is no solver of this build; the nearest is '%s'", name,
                           near.best ? near.best : solvers[0]->name);
}

int32_t attn__plan_last_q_class(const struct attn__problem *p)
{
    return attn__problem_q_class(p->q);
}

int32_t attn__plan_last_k_class(const struct attn__problem *p)
{
    return p->k == ATTN_UNBOUNDED ? ATTN__K_CLASSES - 1 : attn__problem_k_class(p->k);
}

int64_t attn__plan_q_price(const struct attn__problem *p, int32_t q_class)
{
    return attn__min_i64(attn__problem_q_rep(q_class), attn__max_i64(p->q, 1));
}

int64_t attn__plan_k_price(const struct attn__problem *p, int32_t k_class)
{
    int64_t rep = attn__problem_k_rep(k_class);
    return p->k == ATTN_UNBOUNDED ? rep : attn__min_i64(rep, attn__max_i64(p->k, 1));
}

int32_t attn__planner_choose(struct attn_plan *plan)
{
    const struct attn__problem *p = &plan->problem;
    char why[ATTN__WHY_MAX];
    bool allowed[N_SOLVERS], any = false, others = false;
    if (p->solver) {
        int32_t status = check_name(p->solver);
        if (status != ATTN_OK)
            return status;
    }
    for (size_t n = 0; n < N_SOLVERS; n++) {
        allowed[n] = attn__planner_allows(plan, solvers[n], why);
        any |= allowed[n];
        others |= allowed[n] && !solvers[n]->last;
        if (p->solver && strcmp(p->solver, solvers[n]->name) == 0 && !allowed[n])
            return attn__error_set(ATTN_ERR_UNSUPPORTED, "solver=%s cannot serve this problem: %s",
                                   p->solver, why);
    }
    if (!any)
        return attn__error_set(ATTN_ERR_UNSUPPORTED, "no solver can serve this problem");
    for (int32_t qc = 0; qc <= attn__plan_last_q_class(p); qc++) {
        for (int32_t kc = 0; kc <= attn__plan_last_k_class(p); kc++) {
            struct attn__choice *choice = &plan->choice[qc][kc];
            int64_t q = attn__plan_q_price(p, qc), k = attn__plan_k_price(p, kc);
            double best = 0;
            for (size_t n = 0; n < N_SOLVERS; n++) {
                if (!allowed[n] || (solvers[n]->last && others))
                    continue;
                double cost = solvers[n]->cost(p, &plan->machine, q, k);
                if (!choice->solver || cost < best) {
                    choice->solver = solvers[n];
                    best = cost;
                }
            }
            choice->tiles = first_tiles(choice->solver, p, &plan->machine, q, k);
        }
    }
    return attn__learn(plan);
}
