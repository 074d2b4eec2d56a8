/* SPDX-License-Identifier: MIT */
/*
 * Rows of a head in another order, with their types as they are, and orders that
 * follow from a code of each row.
 */
#ifndef ATTN_SOLVERS_MAP_ORDER_H
#define ATTN_SOLVERS_MAP_ORDER_H

#include "problem/call.h"

/* Row n of `to`, dense, = row first + order[n] of `rows`, d wide, for n < count;
 * zeros where order[n] is not below `real`. */
void attn__order_rows(const struct attn__rows *rows, int64_t first, int64_t real,
                      const int32_t *order, int64_t count, int64_t d, void *to);

/* Sorts n numbers i by the lowest `bits` of code[i], as an unsigned number, which is
 * 0 from `real` on, or with code NULL by themselves; equal ones stay in their order.
 * spare: n numbers. */
void attn__order_sort(const int32_t *code, int64_t real, int64_t bits, int32_t *order, int64_t n,
                      int32_t *spare);

#endif /* ATTN_SOLVERS_MAP_ORDER_H */
