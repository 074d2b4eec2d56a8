/* SPDX-License-Identifier: MIT */
/*
 * Recipes run once for each sequence of a packed batch. A sequence that is much
 * of the work has all threads, one after another; then every thread takes a
 * sequence at a time by itself, so that short ones do not pay for handing work
 * around. Who runs a sequence changes no bit of it.
 */
#include <stdatomic.h>

#include "base/checked.h"
#include "plan/plan.h"
#include "problem/sequences.h"

/* Multiply-adds that are worth a second thread: some tenths of a millisecond. */
#define WORTH_SHARING 0x1p23

/* A sequence is large if it is more than this part of a thread's share, and
 * then the last one at work keeps the others waiting for so long at most. */
#define PART_OF_SHARE 0.25

enum pass { SELECT, RUN };

struct job {
    const struct attn_plan *plan;
    const struct attn__call *call;
    char *ws;
    struct attn__did *did;
    enum pass pass;
    double large; /* from here on a sequence has all threads */
    _Atomic int64_t next;
    _Atomic int64_t failed; /* the first sequence whose selection failed; n_seq: none */
};

bool attn__staged_is_each(const struct attn_plan *plan)
{
    return attn__sequences_are(&plan->problem);
}

static bool calls_blas(const struct attn_plan *stage)
{
    for (int32_t n = 0; n < stage->n_used; n++)
        if (stage->used[n]->calls_blas)
            return true;
    return false;
}

/* BLAS has threads of its own, so beside it sequences come one by one. */
int64_t attn__staged_each_teams(const struct attn_plan *plan)
{
    for (int32_t n = 0; n < plan->problem.recipe->n_stages; n++)
        if (calls_blas(plan->stage[n]))
            return 1;
    return attn__max_i64(attn__min_i64(plan->machine.threads, plan->problem.b), 1);
}

/* Multiply-adds of plain attention, or somewhat more. */
static double work_of(const struct attn__call *c, int64_t n)
{
    const struct attn__problem *p = c->p;
    struct attn__seq s = attn__call_seq(c, n);
    return (double)p->hout * (double)(p->d + p->dv) * (double)(s.q_all + 1) *
           (double)(s.k_all + 1);
}

/* COUNTS are added up sequence by sequence. */
static double large_of(const struct attn_plan *plan, const struct attn__call *call)
{
    double all = 0, threads = (double)plan->machine.threads;
    if (plan->n_teams == 1 || call->has[ATTN__SLOT_COUNTS])
        return 0;
    for (int64_t n = 0; n < call->n_seq; n++)
        all += work_of(call, n);
    double share = PART_OF_SHARE * all / threads;
    return share > WORTH_SHARING ? share : WORTH_SHARING;
}

/* One sequence by a team, with the rooms of team number `number`. What it
 * selected is kept in a room of its own. */
static int32_t run_one(const struct job *j, const struct attn__team *team, int64_t number,
                       int64_t n)
{
    const struct attn_plan *plan = j->plan;
    const struct attn__recipe *recipe = plan->problem.recipe;
    struct attn__call one;
    int64_t room = recipe->select ? n : number;
    attn__sequences_call(j->call, &plan->one, n, &one);
    const struct attn__recipe_run r = attn__staged_run_of(
        plan, team, &one, j->ws + (size_t)room * plan->room_bytes,
        j->ws + plan->stage_ws + (size_t)number * plan->stage_bytes, j->did);
    if (j->pass == SELECT)
        return recipe->select(&r);
    recipe->run(&r);
    return ATTN_OK;
}

static bool is_large(const struct job *j, int64_t n)
{
    return work_of(j->call, n) >= j->large;
}

static void take_small(void *arg, int64_t number)
{
    struct job *j = arg;
    const struct attn__team alone = {&j->plan->alone, NULL};
    int64_t n;
    while ((n = atomic_fetch_add_explicit(&j->next, 1, memory_order_relaxed)) < j->call->n_seq) {
        int64_t first = atomic_load(&j->failed);
        if (is_large(j, n) || run_one(j, &alone, number, n) == ATTN_OK)
            continue;
        while (n < first && !atomic_compare_exchange_weak(&j->failed, &first, n))
            continue;
    }
}

/* All sequences; which one failed first, or n_seq. */
static int64_t run_all(const struct attn_plan *plan, const struct attn__call *call, char *ws,
                       struct attn__did *did, enum pass pass)
{
    const struct attn__team all = {&plan->machine, plan->threads};
    struct job j = {.plan = plan, .call = call, .ws = ws, .did = did, .pass = pass,
                    .large = large_of(plan, call)};
    int64_t failed = call->n_seq;
    for (int64_t n = 0; n < failed; n++)
        if (is_large(&j, n) && run_one(&j, &all, 0, n) != ATTN_OK)
            failed = n;
    atomic_init(&j.next, 0);
    atomic_init(&j.failed, failed);
    if (plan->n_teams > 1)
        attn__threads_run(plan->threads, plan->n_teams, take_small, &j);
    return atomic_load(&j.failed);
}

/* A thread's error text is its own, so the failing one is selected again here. */
int32_t attn__staged_each_select(const struct attn_plan *plan, const struct attn__call *call,
                                 char *ws)
{
    const struct attn__team alone = {&plan->alone, NULL};
    int64_t failed = run_all(plan, call, ws, NULL, SELECT);
    if (failed == call->n_seq)
        return ATTN_OK;
    const struct job j = {.plan = plan, .call = call, .ws = ws, .pass = SELECT};
    return attn__sequences_error(run_one(&j, &alone, 0, failed), failed);
}

void attn__staged_each_run(const struct attn_plan *plan, const struct attn__call *call, char *ws,
                           struct attn__did *did)
{
    (void)run_all(plan, call, ws, did, RUN);
}
