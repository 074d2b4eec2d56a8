/* SPDX-License-Identifier: MIT */
/*
 * Mechanisms that are a router and one ATTEND with gates: what their recipes
 * share. The roles are ROUTER_X [B,Nq,C], the tokens, and weights of routed
 * heads, of shared heads and of the mix of the two.
 */
#ifndef ATTN_MECH_ROUTER_H
#define ATTN_MECH_ROUTER_H

#include "mech/preset.h"
#include "solvers/map_route.h"

/* The place of the number of channels in `own`. */
enum { ATTN__ROUTER_CHANNELS = 3 };

/* The stage: the whole's attention, with everything it gives out but AUX_LOSS. */
int32_t attn__router_stage(const struct attn__params *user, const struct attn__mem *mem,
                           const struct attn__setting *settings, size_t n,
                           struct attn__problem *p);

/* Where the gates are the caller's there is an ATTEND and nothing else: refuses
 * the `n` parameters of a router, and AUX_LOSS. `why`: what made it so. */
int32_t attn__router_none(const struct attn__params *user, const int32_t *params, size_t n,
                          const char *why, const struct attn__problem *p);

/* Adds the extents and roles of a learned router, and the check of its data. */
void attn__router_roles(struct attn__problem *p, struct attn__map_route m, int64_t channels);

/* The check that it sets: of what check=data looks at. */
int32_t attn__router_check(const struct attn__call *c);

bool attn__router_workspace(const struct attn__problem *p, struct attn__map_route m,
                            const struct attn__machine *machine, size_t *bytes);

/* What a recipe goes on with instead of its run: see attn__recipe_rebase. */
struct attn__router {
    struct attn__call call;
    struct attn__recipe_run r; /* of that call */
};

void attn__router_begin(const struct attn__recipe_run *r, struct attn__router *x);

/* Of a run that has begun so: makes the gates, gives them to the stage's call
 * and writes AUX_LOSS. Returns the experts of slots [B,Hout,N], i64. */
attn_tensor attn__router_run(const struct attn__recipe_run *r, struct attn__map_route m,
                             struct attn__call *stage);

#endif /* ATTN_MECH_ROUTER_H */
