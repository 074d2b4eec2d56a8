/* SPDX-License-Identifier: MIT */
/*
 * Trying solvers out. What is timed is one sequence on one thread, with as
 * many groups of heads as the limits allow, because what is chosen may depend
 * neither on the batch nor on the threads.
 */
#ifndef ATTN_PLAN_TRIAL_H
#define ATTN_PLAN_TRIAL_H

#include "plan/plan.h"

/* What an effort may spend. */
struct attn__effort {
    double all_ns;     /* for a plan: no class is begun after that */
    double class_ns;   /* for each candidate of a class */
    double run_ns;     /* for one run, as estimated: longer ones use less heads */
    size_t bytes;      /* of made-up data, or twice L3 if that is more */
    int32_t rounds;    /* every candidate has at least so many turns */
    int32_t max_tiles; /* tiles of a solver that are tried */
    double hopeless;   /* times the best estimate: more is not tried */
};

/* NULL for ATTN_EFFORT_ESTIMATE. */
const struct attn__effort *attn__trial_effort(int32_t effort);

/*
 * Times the candidates for sequences of q queries and k keys. choice comes in
 * as what the estimate would take; *measured: the fastest is in it. There is
 * nothing to measure if there is only one candidate, if the limits do not
 * allow a run, or if arguments cannot be made up. ATTN_ERR_NOMEM.
 */
int32_t attn__trial_class(const struct attn_plan *plan, const struct attn__effort *effort,
                            int64_t q, int64_t k, struct attn__choice *choice, bool *measured);

/* Nanoseconds of some steady clock. */
double attn__trial_now(void);

#endif /* ATTN_PLAN_TRIAL_H */
