/* SPDX-License-Identifier: MIT */
/*
 * FlexPrefill's choice of blocks: by columns and diagonals that the last queries
 * show or, where pooled blocks tell the same as those, by a cover of these.
 */
#ifndef ATTN_SOLVERS_SELECT_FLEX_H
#define ATTN_SOLVERS_SELECT_FLEX_H

#include "solvers/select_pooled.h"

/* As the functions of select_pooled.h. */
bool attn__flex_per_row(const struct attn__pooled_spec *spec, const struct attn__pooled_size *z,
                        int64_t *entries);
void *attn__flex_room(struct attn__scratch *s, const struct attn__pooled_spec *spec,
                      const struct attn__pooled_size *z, int64_t threads);
int32_t attn__flex_run(const struct attn__recipe_run *r, const struct attn__pooled *m,
                       const struct attn__pooled_size *z, struct attn__select_rows *rows,
                       int64_t per_row, void *room);

#endif /* ATTN_SOLVERS_SELECT_FLEX_H */
