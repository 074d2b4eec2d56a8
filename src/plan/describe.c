/* SPDX-License-Identifier: MIT */
/*
 * What a plan does with a sequence, in words: the same decisions as the
 * planner's, taken again with their reasons.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/checked.h"
#include "plan/plan.h"

static void put_range(struct attn__textout *out, const char *name, int64_t lo, int64_t hi)
{
    if (hi == INT64_MAX)
        attn__textout_printf(out, "%s %" PRId64 " and more", name, lo);
    else if (lo == hi)
        attn__textout_printf(out, "%s %" PRId64, name, lo);
    else
        attn__textout_printf(out, "%s %" PRId64 " to %" PRId64, name, lo, hi);
}

static void put_tiles(struct attn__textout *out, const struct attn__tiles *t)
{
    if (t->rows > 0)
        attn__textout_printf(out, ", %d rows", t->rows);
    if (t->keys > 0)
        attn__textout_printf(out, " x %d keys a tile", t->keys);
    if (t->pass > 1)
        attn__textout_printf(out, ", %d tiles a pass", t->pass);
    if (t->chunk > 0)
        attn__textout_printf(out, ", %d keys a unit", t->chunk);
}

static void describe_attend(const struct attn_plan *plan, int64_t q, int64_t k,
                            struct attn__textout *out)
{
    const struct attn__problem *p = &plan->problem;
    int32_t qc = attn__problem_q_class(q), kc = attn__problem_k_class(k);
    const struct attn__choice *choice = &plan->choice[qc][kc];
    int64_t pq = attn__plan_q_price(p, qc), pk = attn__plan_k_price(p, kc);
    int64_t q0 = qc == 0 ? 0 : attn__problem_q_top(qc - 1) + 1;
    int64_t k0 = kc == 0 ? 0 : attn__problem_k_top(kc - 1) + 1;
    double best = choice->solver->cost(p, &plan->machine, pq, pk);

    attn__textout_put(out, "problem: ", 9);
    attn__textout_put(out, p->text, strlen(p->text));
    attn__textout_put(out, "\nclass: ", 8);
    put_range(out, "q", q0, attn__problem_q_top(qc));
    put_range(out, ", k", k0, attn__problem_k_top(kc));
    attn__textout_printf(out, "\nsolver: %s", choice->solver->name);
    put_tiles(out, &choice->tiles);
    attn__textout_printf(out, "\nchosen: by %s", plan->wise[qc][kc] ? "wisdom" : "estimate");
    attn__textout_printf(out, "\nisa: %s, %" PRId64 " thread%s\n", plan->machine.kern->isa_name,
                         plan->machine.threads, plan->machine.threads == 1 ? "" : "s");
    if (p->verb == ATTN__VERB_ATTEND)
        attn__textout_printf(out, "pairs visible: %.3g %% by position\n",
                             100 * attn__vis_share(p, attn__max_i64(q, 1), attn__max_i64(k, 1)));
    if (p->select.layout)
        attn__textout_printf(out, "lists: what they leave out is known at execute; want=counts "
                                  "tells\n");
    if (choice->solver->calls_blas)
        attn__textout_printf(out, "bits: same for any threads and batch as far as BLAS keeps "
                                  "them\n");
    else
        attn__textout_printf(out, "bits: same for any threads and batch\n");
    const struct attn__solver *s;
    for (size_t n = 0; (s = attn__planner_solver_at(n)) != NULL; n++) {
        char why[ATTN__WHY_MAX];
        if (s == choice->solver)
            continue;
        if (!attn__planner_allows(plan, s, why))
            attn__textout_printf(out, "not %s: %s\n", s->name, why);
        else if (s->last)
            attn__textout_printf(out, "not %s: only where no other solver serves\n", s->name);
        else
            attn__textout_printf(out, "not %s: estimated at %.2f times the cost\n", s->name,
                                 s->cost(p, &plan->machine, pq, pk) / best);
    }
    attn__textout_printf(out, "workspace: %zu bytes\n", plan->ws_bytes);
}

/* Selecting beside attending, as far as it is known without data. */
static void describe_selecting(const struct attn__problem *p, int64_t q, int64_t k,
                               struct attn__textout *out)
{
    struct attn__select_price price;
    p->recipe->price(p, q, k, &price);
    attn__textout_printf(out, "selecting: %.3g operations, %.3g bytes compared, at most %.3g "
                              "entries\n",
                         price.operations, price.bytes, price.entries);
    if (p->recipe->n_stages > 0)
        attn__textout_printf(out, "attending: at most %.3g operations along them, %.3g %% of all "
                                  "pairs\n",
                             2 * price.pairs * (double)(p->d + p->dv),
                             100 * price.pairs /
                                 fmax((double)p->hout * (double)q * (double)k, 1));
}

/* Stages may be made for other lengths than the whole. */
static void describe_stages(const struct attn_plan *plan, int64_t q, int64_t k,
                            struct attn__textout *out)
{
    const struct attn__problem *p = &plan->problem;
    attn__textout_printf(out, "problem: %s\n", p->text);
    if (p->recipe->n_stages == 0)
        attn__textout_printf(out, "stages: none, keys are selected and not attended to\n");
    else
        attn__textout_printf(out, "stages: %d, each for its longest sequences up to q %" PRId64
                                  " and k %" PRId64 "\n",
                             (int)p->recipe->n_stages, q, k);
    if (p->recipe->price)
        describe_selecting(p, q, k, out);
    for (int32_t n = 0; n < p->recipe->n_stages; n++) {
        const struct attn__problem *s = &plan->stage[n]->problem;
        attn__textout_printf(out, "stage %d\n", (int)n + 1);
        attn__describe(plan->stage[n], attn__min_i64(q, s->q),
                       s->k == ATTN_UNBOUNDED ? k : attn__min_i64(k, s->k), out);
    }
    attn__textout_printf(out, "workspace: %zu bytes\n", plan->ws_bytes);
}

void attn__describe(const struct attn_plan *plan, int64_t q, int64_t k, struct attn__textout *out)
{
    if (plan->problem.recipe)
        describe_stages(plan, q, k, out);
    else
        describe_attend(plan, q, k, out);
}
