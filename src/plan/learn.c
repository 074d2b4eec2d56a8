/* SPDX-License-Identifier: MIT */
/*
 * Experience in place of estimates: for each class of lengths what the
 * context's wisdom says, and what is measured now if it says nothing and the
 * problem asks for that. What was measured is used by way of the wisdom, so
 * that two plans that measured at the same time come out alike.
 */
#include "base/checked.h"
#include "base/error.h"
#include "plan/trial.h"
#include "plan/wisdom.h"
#include "problem/text.h"

/* The problem's name in wisdom, with room to write it for any class. */
struct name {
    struct attn__params params;
    char *text;
    size_t bytes;
};

/* True if solvers that call BLAS take part, see attn__planner_allows. */
static bool blas_takes_part(const struct attn_plan *plan)
{
    int64_t blas = plan->machine.blas_threads;
    return plan->problem.solver || (blas > 0 && blas <= plan->machine.threads);
}

/* *known is false for a problem that no string can name: one with callbacks. */
static int32_t start_name(const struct attn_plan *plan, struct name *name, bool *known)
{
    struct attn__textout out;
    int32_t status = attn__text_parse(&name->params, &plan->mem, plan->problem.text);
    *known = status == ATTN_OK;
    if (status == ATTN_ERR_NOMEM)
        return status;
    if (!*known) {
        attn__error_clear();
        return ATTN_OK;
    }
    attn__wisdom_name_start(&name->params);
    if (!blas_takes_part(plan))
        attn__params_set_i64(&name->params, ATTN_PARAM_BLAS, ATTN_BLAS_NEVER);
    attn__textout_start(&out, NULL, 0);
    attn__text_print(&name->params, &out);
    attn__textout_finish(&out, &name->bytes);
    name->bytes += 64; /* for longer numbers */
    name->text = attn__mem_alloc(&plan->mem, name->bytes, 1);
    if (name->text)
        return ATTN_OK;
    attn__params_destroy(&name->params);
    return ATTN_ERR_NOMEM;
}

static struct attn__wisdom_key key_of(const struct attn_plan *plan, struct name *name, int64_t q,
                                      int64_t k)
{
    struct attn__textout out;
    attn__textout_start(&out, name->text, name->bytes);
    attn__wisdom_name_print(&name->params, q, k, &out);
    attn__textout_finish(&out, NULL);
    return (struct attn__wisdom_key){name->text, plan->machine.kern->isa, q, k};
}

static int32_t learn_class(struct attn_plan *plan, struct name *name,
                           const struct attn__effort *effort, int32_t qc, int32_t kc)
{
    int64_t q = attn__plan_q_price(&plan->problem, qc), k = attn__plan_k_price(&plan->problem, kc);
    struct attn__wisdom_key key = key_of(plan, name, q, k);
    struct attn__choice choice = plan->choice[qc][kc];
    int32_t status = ATTN_OK;
    bool known = attn__wisdom_find(plan->ctx, &key, &choice);
    if (!known && effort) {
        status = attn__trial_class(plan, effort, q, k, &choice, &known);
        if (status == ATTN_OK && known)
            status = attn__wisdom_put(plan->ctx, &key, false, &choice);
    }
    if (status == ATTN_OK && known && attn__planner_can_take(plan, &choice, q, k)) {
        plan->choice[qc][kc] = choice;
        plan->wise[qc][kc] = true;
    }
    return status;
}

/* The n-th class to be seen to: first the longest, then one row, then more. */
static int32_t q_class_at(const struct attn__problem *p, int32_t n)
{
    return n == 0 ? attn__plan_last_q_class(p) : n - 1;
}

int32_t attn__learn(struct attn_plan *plan)
{
    const struct attn__problem *p = &plan->problem;
    const struct attn__effort *effort = attn__trial_effort(p->effort);
    struct name name = {0};
    bool known;
    if (!effort && attn__wisdom_is_empty(plan->ctx))
        return ATTN_OK;
    int32_t status = start_name(plan, &name, &known);
    if (status != ATTN_OK || !known)
        return status;
    double end = effort ? attn__trial_now() + effort->all_ns : 0;
    for (int32_t n = 0; n <= attn__plan_last_q_class(p) && status == ATTN_OK; n++)
        for (int32_t kc = attn__plan_last_k_class(p); kc >= 0 && status == ATTN_OK; kc--) {
            bool time_left = effort && attn__trial_now() < end;
            status = learn_class(plan, &name, time_left ? effort : NULL, q_class_at(p, n), kc);
        }
    attn__params_destroy(&name.params);
    attn__mem_free(&plan->mem, name.text, name.bytes);
    return status;
}
