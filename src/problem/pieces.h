/* SPDX-License-Identifier: MIT */
/*
 * From parameters to the visibility pieces of a problem: causal, window,
 * sink_tokens and prefix are expanded, then the added pieces follow.
 */
#ifndef ATTN_PROBLEM_PIECES_H
#define ATTN_PROBLEM_PIECES_H

#include "problem/params.h"
#include "problem/problem.h"

/* Numbers that attn__pieces_fill needs room for. */
size_t attn__pieces_room(const struct attn__params *v);

/* Fills what p says of visibility; its hout and dtype are known, `room` belongs
 * to the problem. ATTN_ERR_INVALID, ATTN_ERR_UNSUPPORTED. */
int32_t attn__pieces_fill(const struct attn__params *v,
                          struct attn__problem *p, int64_t *room);

/* Works out what follows from all pieces together, after some were changed. */
void attn__pieces_settle(struct attn__problem *p);

/* The roles that they declare, into p->takes. */
void attn__pieces_roles(struct attn__problem *p);

#endif /* ATTN_PROBLEM_PIECES_H */
