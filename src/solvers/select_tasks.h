/* SPDX-License-Identifier: MIT */
/*
 * What selectors share that are no settings of the pooled one: tasks on all
 * threads, each worker at a desk of its own, and rows in one of two types.
 */
#ifndef ATTN_SOLVERS_SELECT_TASKS_H
#define ATTN_SOLVERS_SELECT_TASKS_H

#include "kernels/kernels.h"
#include "solvers/select_pooled.h"

struct attn__select_tasks {
    const struct attn__recipe_run *r;
    const struct attn__pooled *m;
    const struct attn__pooled_size *z;
    struct attn__select_rows *rows;
    const void *made; /* by the selector, for all tasks */
    char *desks;
    size_t desk_bytes;
};

/* Units at to at + n - 1 of one of the heads of a sequence. */
struct attn__select_part {
    struct attn__seq s;
    int64_t h, at, n;
};

typedef void attn__select_task_fn(const struct attn__select_tasks *x,
                                  const struct attn__select_part *part, char *desk);

/* Room for the desks; NULL while measuring. `one` has measured a desk. */
char *attn__select_desks(struct attn__scratch *s, const struct attn__scratch *one,
                         int64_t threads);

/* A part of the scratch that is taken as one piece: what is taken of the scratch
 * returned, until the end, which returns where it is (NULL while measuring). */
struct attn__scratch attn__select_part_begin(const struct attn__scratch *s);
void *attn__select_part_end(struct attn__scratch *s, const struct attn__scratch *part);

/* Calls fn for every sequence and head, `cut` of the `units` at a time. Which
 * parts there are does not hang on the number of threads. */
void attn__select_tasks_run(const struct attn__select_tasks *x, int64_t heads, int64_t units,
                            int64_t cut, attn__select_task_fn *fn);

/* Rows i0 to i0 + n - 1, dense: floats, or doubles if `exact`. */
void attn__select_load(const struct attn__kernels *kern, const struct attn__rows *rows, int64_t i0,
                       int64_t n, int64_t d, bool exact, void *to);

static inline size_t attn__select_size(bool exact)
{
    return exact ? sizeof(double) : sizeof(float);
}

/* Element i of an array of the one type or the other. */
static inline double attn__select_at(bool exact, const void *x, int64_t i)
{
    return exact ? ((const double *)x)[i] : (double)((const float *)x)[i];
}

/* A dense array as rows of width d. */
static inline struct attn__rows attn__select_dense(bool exact, const void *x, int64_t d)
{
    return (struct attn__rows){.base = (char *)(uintptr_t)x, .row = d, .col = 1,
                               .dtype = exact ? ATTN_DTYPE_F64 : ATTN_DTYPE_F32};
}

/* The row of query block t of head h; sets of lists are heads. */
static inline int64_t attn__select_row_of(const struct attn__select_tasks *x,
                                          const struct attn__select_part *part, int64_t h,
                                          int64_t t)
{
    return (part->s.index * x->rows->sets + h) * x->rows->blocks + t;
}

/* Says that there is no answer for a row, as a score is NaN. */
void attn__select_row_nan(struct attn__select_rows *rows, int64_t row);

#endif /* ATTN_SOLVERS_SELECT_TASKS_H */
