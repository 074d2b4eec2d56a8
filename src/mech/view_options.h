/* SPDX-License-Identifier: MIT */
/*
 * Plans that read keys and values from a cache.
 */
#ifndef ATTN_MECH_VIEW_OPTIONS_H
#define ATTN_MECH_VIEW_OPTIONS_H

#include "problem/params.h"
#include "problem/problem.h"

/* Numbers that attn__view_fill needs room for; 0 without a view. */
size_t attn__view_room(const struct attn__params *v, const struct attn__problem *p);

/* What the descriptor says of the cache, and what does not go with one. Sizes,
 * maps and pieces are there. ATTN_ERR_INVALID, ATTN_ERR_UNSUPPORTED. */
int32_t attn__view_fill(const struct attn__params *v, struct attn__problem *p, int64_t *room);

/* VIEW and LAYER in place of K and V. */
void attn__view_roles(struct attn__problem *p);

#endif /* ATTN_MECH_VIEW_OPTIONS_H */
