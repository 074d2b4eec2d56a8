/* SPDX-License-Identifier: MIT */
/*
 * Regions of an image whose tokens come line by line (BiFormer).
 */
#ifndef ATTN_SOLVERS_SELECT_REGIONS_H
#define ATTN_SOLVERS_SELECT_REGIONS_H

#include "solvers/select_pooled.h"

/* As the functions of select_pooled.h. */
bool attn__regions_per_row(const struct attn__pooled_spec *spec, const struct attn__pooled_size *z,
                           int64_t *entries);
void *attn__regions_room(struct attn__scratch *s, const struct attn__pooled_spec *spec,
                         const struct attn__pooled_size *z, int64_t threads);
int32_t attn__regions_run(const struct attn__recipe_run *r, const struct attn__pooled *m,
                          const struct attn__pooled_size *z, struct attn__select_rows *rows,
                          int64_t per_row, void *room);

/* Regions of an image with so many tokens; those at its right and lower edge may be
 * smaller. */
int64_t attn__regions_count(const struct attn__regions_spec *spec, int64_t tokens);

#endif /* ATTN_SOLVERS_SELECT_REGIONS_H */
