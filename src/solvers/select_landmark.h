/* SPDX-License-Identifier: MIT */
/*
 * Sections of keys, each closed by a landmark, that stand for their tokens: which
 * ones a query has, and with what logits.
 */
#ifndef ATTN_SOLVERS_SELECT_LANDMARK_H
#define ATTN_SOLVERS_SELECT_LANDMARK_H

#include "solvers/select_pooled.h"

/* As the functions of select_pooled.h. */
bool attn__landmark_per_row(const struct attn__pooled_spec *spec, const struct attn__pooled_size *z,
                        int64_t *entries);
void *attn__landmark_room(struct attn__scratch *s, const struct attn__pooled_spec *spec,
                      const struct attn__pooled_size *z, int64_t threads);
int32_t attn__landmark_run(const struct attn__recipe_run *r, const struct attn__pooled *m,
                       const struct attn__pooled_size *z, struct attn__select_rows *rows,
                       int64_t per_row, void *room);

#endif /* ATTN_SOLVERS_SELECT_LANDMARK_H */
