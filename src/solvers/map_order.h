/* SPDX-License-Identifier: MIT */
/*
 * Rows of a head in another order, with their types as they are.
 */
#ifndef ATTN_SOLVERS_MAP_ORDER_H
#define ATTN_SOLVERS_MAP_ORDER_H

#include "problem/call.h"

/* Row n of `to`, dense, = row first + order[n] of `rows`, d wide, for n < count;
 * zeros where order[n] is not below `real`. */
void attn__order_rows(const struct attn__rows *rows, int64_t first, int64_t real,
                      const int32_t *order, int64_t count, int64_t d, void *to);

#endif /* ATTN_SOLVERS_MAP_ORDER_H */
