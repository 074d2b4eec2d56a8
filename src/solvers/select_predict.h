/* SPDX-License-Identifier: MIT */
/*
 * Tokens by scores that are not those of the attention: of low rank, predicted from
 * queries and keys (Sparsifiner), or the caller's.
 */
#ifndef ATTN_SOLVERS_SELECT_PREDICT_H
#define ATTN_SOLVERS_SELECT_PREDICT_H

#include "solvers/select_pooled.h"

/* As the functions of select_pooled.h. */
bool attn__predict_per_row(const struct attn__pooled_spec *spec, const struct attn__pooled_size *z,
                        int64_t *entries);
void *attn__predict_room(struct attn__scratch *s, const struct attn__pooled_spec *spec,
                      const struct attn__pooled_size *z, int64_t threads);
int32_t attn__predict_run(const struct attn__recipe_run *r, const struct attn__pooled *m,
                       const struct attn__pooled_size *z, struct attn__select_rows *rows,
                       int64_t per_row, void *room);

#endif /* ATTN_SOLVERS_SELECT_PREDICT_H */
