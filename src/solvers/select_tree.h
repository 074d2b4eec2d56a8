/* SPDX-License-Identifier: MIT */
/*
 * Blocks of keys that a search from coarse to fine finds (HiP).
 */
#ifndef ATTN_SOLVERS_SELECT_TREE_H
#define ATTN_SOLVERS_SELECT_TREE_H

#include "solvers/select_pooled.h"

/* As the functions of select_pooled.h. */
bool attn__tree_per_row(const struct attn__pooled_spec *spec, const struct attn__pooled_size *z,
                        int64_t *entries);
void *attn__tree_room(struct attn__scratch *s, const struct attn__pooled_spec *spec,
                      const struct attn__pooled_size *z, int64_t threads);
int32_t attn__tree_run(const struct attn__recipe_run *r, const struct attn__pooled *m,
                       const struct attn__pooled_size *z, struct attn__select_rows *rows,
                       int64_t per_row, void *room);

#endif /* ATTN_SOLVERS_SELECT_TREE_H */
