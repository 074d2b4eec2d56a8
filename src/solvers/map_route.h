/* SPDX-License-Identifier: MIT */
/*
 * Router steps of routed heads: from the logits of a token to the gates of
 * its heads.
 */
#ifndef ATTN_SOLVERS_MAP_ROUTE_H
#define ATTN_SOLVERS_MAP_ROUTE_H

#include "problem/recipe.h"
#include "solvers/scratch.h"

/* Which gates follow; docs/mechanisms has the formulas. */
enum attn__route {
    ATTN__ROUTE_MOH_CODE,
    ATTN__ROUTE_MOH_PAPER,
    ATTN__ROUTE_MOH_LLAMA, /* 1 or 0 by the norms of the queries */
    ATTN__ROUTE_SOFT,      /* the softmax itself */
    ATTN__ROUTE_TOP,       /* 1 or 0 by the logits */
    ATTN__ROUTE_SLOTS,     /* slot a of a token: its a-th expert's share */
    ATTN__ROUTE_SLOTS_SUM1 /* the same over their sum */
};

struct attn__map_route {
    enum attn__route kind;
    int64_t shared, routed, active; /* heads, shared ones first */
    int64_t heads;                  /* of OUT that share a gate, one after the other */
    /* [B,1,N,...]: routed logits, those of the shared heads if there are more
     * than one, two of the mix if there are both; not for LLAMA. */
    const attn_tensor *logits;
    const attn_tensor *bias; /* of the routed logits [routed]; NULL: none */
    const attn_tensor *q; /* for LLAMA: [B,Hq,N,D] */
    attn_tensor *gates;   /* [B,Hout,N], f32 or f64 */
    /* Of SLOTS, whose gates are [B,active,N]: which expert it is, [B,active,N]
     * i64; -1 where the token has NaN or does not count. */
    attn_tensor *experts;
    /* Of the balance loss: [1], or NULL. The probabilities' means times the
     * shares of tokens that chose them, summed, times loss_factor. */
    const attn_tensor *loss;
    double loss_factor;
};

/* Whether gates are by slots of a token, each with an expert. */
static inline bool attn__map_route_has_slots(const struct attn__map_route *m)
{
    return m->kind == ATTN__ROUTE_SLOTS || m->kind == ATTN__ROUTE_SLOTS_SUM1;
}

/* How many logits a token has. */
int64_t attn__map_route_logits(const struct attn__map_route *m);

/* Room for b batches of n tokens; NULL while measuring. `loss`: with the sums
 * for it. */
void *attn__map_route_take(struct attn__scratch *s, const struct attn__map_route *m, int64_t b,
                           int64_t n, int64_t threads, bool loss);

/*
 * Of a packed batch: rows and offsets as attn__recipe_rebase gives them.
 * Logits and norms are compared as they are; among equal ones the lower head
 * wins. A token with NaN among them gets NaN for all of its gates. Sums are
 * the same for any number of threads.
 */
void attn__map_route(const struct attn__recipe_run *r, const struct attn__map_route *m,
                     void *room);

#endif /* ATTN_SOLVERS_MAP_ROUTE_H */
