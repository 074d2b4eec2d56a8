/* SPDX-License-Identifier: MIT */
/*
 * The planner's questions to flash.
 */
#ifndef ATTN_SOLVERS_FLASH_COST_H
#define ATTN_SOLVERS_FLASH_COST_H

#include "problem/solver.h"

/* Query rows of a unit at most. */
enum { ATTN__FLASH_ROWS = 128 };

/* As in struct attn__solver: `rows` is one or two vectors, `pass` the tiles of
 * a unit. */
struct attn__tiles attn__flash_tiles(const struct attn__problem *p, const struct attn__machine *m,
                                     int64_t q, int64_t k);
double attn__flash_cost(const struct attn__problem *p, const struct attn__machine *m, int64_t q,
                        int64_t k);

/* The other width, longer or shorter passes, and both. */
int32_t attn__flash_more_tiles(const struct attn__problem *p, const struct attn__machine *m,
                               int64_t q, int64_t k, struct attn__tiles out[ATTN__MORE_TILES]);

#endif /* ATTN_SOLVERS_FLASH_COST_H */
