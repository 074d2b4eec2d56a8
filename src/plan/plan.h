/* SPDX-License-Identifier: MIT */
/*
 * The plan object: a problem, the machine it was planned for and a choice
 * for every class of lengths. Immutable once made, but for the flags of its
 * own workspaces.
 */
#ifndef ATTN_PLAN_PLAN_H
#define ATTN_PLAN_PLAN_H

#include <stdatomic.h>

#include "base/ctx.h"
#include "base/textout.h"
#include "plan/bind.h"
#include "problem/recipe.h"
#include "problem/solver.h"

enum { ATTN__SOLVERS_MAX = 16 };

struct attn__executor {
    _Atomic int32_t busy;
    char *ws;
};

/* Who works on an execute. */
struct attn__team {
    const struct attn__machine *machine; /* as they see it */
    struct attn__threads *threads;       /* NULL: the calling thread alone */
};

struct attn_plan {
    struct attn_ctx *ctx; /* a reference */
    struct attn__mem mem;
    struct attn__problem problem;
    struct attn__rules *rules;
    struct attn__machine machine, alone; /* as all threads see it, or one */
    struct attn__threads *threads;
    struct attn__choice choice[ATTN__Q_CLASSES][ATTN__K_CLASSES];
    bool wise[ATTN__Q_CLASSES][ATTN__K_CLASSES]; /* chosen by wisdom */
    /* The solvers that some class chose, in order of preference. */
    const struct attn__solver *used[ATTN__SOLVERS_MAX];
    int32_t n_used;
    size_t ws_bytes, alone_bytes; /* for all threads, for one */
    size_t table_bytes; /* of those, in front: tables made of arguments */
    struct attn__executor *executor; /* [problem.executors] */
    /* With a recipe: the plans of its stages and where their workspace
     * begins; `choice` is not used then. */
    struct attn_plan **stage;
    size_t stage_ws;
    /* Of a packed batch whose sequences are run by themselves: what one is, how
     * many are run at the same time, and what is between their rooms. */
    struct attn__problem one;
    int64_t n_teams;
    size_t room_bytes, stage_bytes;
};

enum { ATTN__WS_ALIGN = 64 };

/* Takes the problem over (also on failure) and a reference of ctx. params: what
 * a recipe makes its stages from; NULL where the problem has none. */
int32_t attn__plan_make(struct attn_ctx *ctx, struct attn__threads *threads, int64_t n_threads,
                        struct attn__problem *problem, const struct attn__params *params,
                        struct attn_plan **plan);
void attn__plan_free(struct attn_plan *plan);
int32_t attn__plan_run(const struct attn_plan *plan, const struct attn__call *call, char *ws);

/* Runs a plan in a workspace that is there, adding to *did (NULL: not). */
void attn__plan_solve(const struct attn_plan *plan, const struct attn__team *team,
                      const struct attn__call *call, char *ws, struct attn__did *did);

/* staged.c: the same for plans whose problem has a recipe. */
int32_t attn__staged_make(struct attn_plan *plan, const struct attn__params *params);
void attn__staged_free(struct attn_plan *plan);
/* In front of it: the part that may fail; nothing without a recipe. */
int32_t attn__staged_select(const struct attn_plan *plan, const struct attn__call *call, char *ws);
void attn__staged_run(const struct attn_plan *plan, const struct attn__call *call, char *ws,
                      struct attn__did *did);

/* staged_each.c: the same where sequences are run by themselves. */
bool attn__staged_is_each(const struct attn_plan *plan);
/* How many may be at work at the same time; its stages are there. */
int64_t attn__staged_each_teams(const struct attn_plan *plan);
int32_t attn__staged_each_select(const struct attn_plan *plan, const struct attn__call *call,
                                 char *ws);
void attn__staged_each_run(const struct attn_plan *plan, const struct attn__call *call, char *ws,
                           struct attn__did *did);
/* A run with a room at `ws` and another for its stages. */
struct attn__recipe_run attn__staged_run_of(const struct attn_plan *plan,
                                            const struct attn__team *team,
                                            const struct attn__call *call, char *ws,
                                            char *stage_ws, struct attn__did *did);

/* The longest lengths of each class that the problem has; -1 if none. */
int32_t attn__plan_last_q_class(const struct attn__problem *p);
int32_t attn__plan_last_k_class(const struct attn__problem *p);
/* The lengths that a class of this problem is priced at. */
int64_t attn__plan_q_price(const struct attn__problem *p, int32_t q_class);
int64_t attn__plan_k_price(const struct attn__problem *p, int32_t k_class);

/* planner.c: fills plan->choice, or says why it cannot. */
int32_t attn__planner_choose(struct attn_plan *plan);

/*
 * Why solver s is out of the question for the plan, in why; or NULL and true.
 * A solver that was asked for by name only has to be able to.
 */
bool attn__planner_allows(const struct attn_plan *plan, const struct attn__solver *s,
                          char why[ATTN__WHY_MAX]);

/* All tiles of a solver for sequences of q rows and k keys, those of the
 * estimate first; returns how many. */
int32_t attn__planner_tiles(const struct attn__solver *s, const struct attn__problem *p,
                            const struct attn__machine *m, int64_t q, int64_t k,
                            struct attn__tiles out[1 + ATTN__MORE_TILES]);
bool attn__planner_same_tiles(const struct attn__tiles *a, const struct attn__tiles *b);

/* Is this a choice that the plan could have come to by itself? */
bool attn__planner_can_take(const struct attn_plan *plan, const struct attn__choice *choice,
                            int64_t q, int64_t k);

/* Solver number `index` in order of preference, NULL past the last. */
const struct attn__solver *attn__planner_solver_at(size_t index);

/* learn.c: replaces choices by what is known or measured. */
int32_t attn__learn(struct attn_plan *plan);

/* describe.c */
void attn__describe(const struct attn_plan *plan, int64_t q, int64_t k,
                    struct attn__textout *out);

#endif /* ATTN_PLAN_PLAN_H */
