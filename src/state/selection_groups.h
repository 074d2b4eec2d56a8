/* SPDX-License-Identifier: MIT */
/*
 * Groups of queries that attend to the same keys (problem/select_lists.h): their
 * memory, and what good ones are.
 */
#ifndef ATTN_STATE_SELECTION_GROUPS_H
#define ATTN_STATE_SELECTION_GROUPS_H

#include <stddef.h>

#include "problem/select_lists.h"

/*
 * Bytes of the arrays of g->n groups with so many queries in all, for `lists`
 * heads of batch entries; false: overflow. memory NULL only measures, else the
 * arrays are put there (64-byte aligned).
 */
bool attn__select_groups_place(struct attn__select_groups *g, int64_t lists, int64_t queries,
                               void *memory, size_t *bytes);

/* Is batch, head, q_ptr and query what it must be? `queries`: there are so many
 * in all. ATTN_ERR_RANGE with the place of what is wrong. */
int32_t attn__select_groups_check(const struct attn__select *s, int64_t queries);

/* Fills of_ptr and of. */
void attn__select_groups_sort(struct attn__select *s);

/* Is no query in two groups of a head? seen: n_queries bits, all 0.
 * ATTN_ERR_RANGE with the query and its group. */
int32_t attn__select_groups_check_exclusive(const struct attn__select *s, uint8_t *seen);

/* What a group is, for messages: its number, batch entry and head. */
enum { ATTN__GROUP_WHERE = 96 };
void attn__select_groups_where(const struct attn__select_groups *g, int64_t group,
                               char text[ATTN__GROUP_WHERE]);

/* Do results of several groups have a log-sum-exp together? */
static inline bool attn__select_groups_have_lse(const struct attn__select_groups *g)
{
    return g->combine == ATTN_SELECTION_EXCLUSIVE || g->combine == ATTN_SELECTION_LSE;
}

#endif /* ATTN_STATE_SELECTION_GROUPS_H */
