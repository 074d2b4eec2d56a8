/* SPDX-License-Identifier: MIT */
/*
 * Estimates of hyper as lists of single queries, with keys counted as the caller
 * has them: blocks and drawn keys of all levels, and the exact segment.
 */
#ifndef ATTN_SOLVERS_HYPER_LISTS_H
#define ATTN_SOLVERS_HYPER_LISTS_H

#include "solvers/hyper_level.h"
#include "solvers/select_pooled.h"

/* Entries that a query has at most; as attn__pooled_per_row. */
bool attn__hyper_per_row(const struct attn__pooled_spec *spec, const struct attn__pooled_size *z,
                         int64_t *entries);

/* In the workspace. */
struct attn__hyper_lists {
    struct attn__select_writer *writer; /* [b][h][queries] */
    char *desks;
};

void attn__hyper_lists_take(struct attn__scratch *s, const struct attn__problem *p,
                            int64_t threads, struct attn__hyper_lists *lists);

/* Writes the lists, of one query and head each, of rows that are hashed. */
int32_t attn__hyper_lists_write(const struct attn__recipe_run *r,
                                const struct attn__hyper_levels *levels,
                                const struct attn__hyper_room *room,
                                const struct attn__hyper_lists *lists,
                                struct attn__select_rows *rows);

#endif /* ATTN_SOLVERS_HYPER_LISTS_H */
