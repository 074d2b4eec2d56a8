/* SPDX-License-Identifier: MIT */
/*
 * What stands for blocks of keys and rows of queries when a selector compares
 * them: means, bounds, strides.
 */
#ifndef ATTN_SOLVERS_SELECT_REPS_H
#define ATTN_SOLVERS_SELECT_REPS_H

#include "kernels/kernels.h"
#include "problem/call.h"
#include "problem/pooled_spec.h"

/* Numbers that stand for one row or block of rows d wide. */
int64_t attn__reps_width(const struct attn__pooled_spec *spec, int64_t d);

/* Doubles of room that each of these functions needs for rows d wide. */
static inline int64_t attn__reps_room(int64_t d)
{
    return 2 * d;
}

/*
 * Of rows lo to hi - 1 of one head (there is one at least): writes `width`
 * numbers from place `at` of `to` on, which is floats, or doubles if `exact`. For
 * STRIDES there may be fewer rows than `stride`, and 0 follows.
 */
void attn__reps_block(const struct attn__kernels *kern, const struct attn__pooled_spec *spec,
                      const struct attn__rows *r, int64_t d, int64_t lo, int64_t hi, bool exact,
                      void *to, int64_t at, double *room);
void attn__reps_row(const struct attn__kernels *kern, const struct attn__pooled_spec *spec,
                    const struct attn__rows *r, int64_t d, int64_t lo, int64_t hi, bool exact,
                    void *to, int64_t at, double *room);

/* The same of means over several heads: sums head by head in `room`, the first
 * one with `first`, then the number of all rows and of those of one head. */
void attn__reps_sum(const struct attn__kernels *kern, const struct attn__rows *r, int64_t d,
                    int64_t lo, int64_t hi, bool first, double *room);
void attn__reps_mean(const struct attn__pooled_spec *spec, int64_t d, int64_t heads, int64_t rows,
                     bool exact, void *to, int64_t at, const double *room);

#endif /* ATTN_SOLVERS_SELECT_REPS_H */
