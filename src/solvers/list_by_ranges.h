/* SPDX-License-Identifier: MIT */
/*
 * Many lists of scattered keys over ranges of keys, for the solver lists: what all of
 * them have in a range is read while the range is in L2.
 */
#ifndef ATTN_SOLVERS_LIST_BY_RANGES_H
#define ATTN_SOLVERS_LIST_BY_RANGES_H

#include "solvers/list_pass.h"

/* Lists that go over the ranges together, at most. */
enum { ATTN__BY_RANGES_ROWS = 512 };

/* A list of a pass, with the line that has it. */
struct attn__by_ranges_list {
    int64_t row, line; /* of the selection; as vis counts it */
    const int32_t *key;
    int64_t keys, next; /* next: the first that no range has had */
    float *s;   /* [keys]: scores, then weights */
    bool plain; /* products are scores */
};

/* Keys from..from+n-1 of a list. */
struct attn__by_ranges_visit {
    int64_t list, from, n;
};

/* Memory of a worker. */
struct attn__by_ranges_room {
    float *q; /* [lists][d], scaled */
    struct attn__list_sums sum; /* as rows */
    float *s;     /* of all lists */
    int32_t *key; /* of lists that are not single keys in the selection */
    struct attn__by_ranges_list *list;   /* [lists] */
    struct attn__by_ranges_visit *visit; /* some, one behind the other, and where */
    const void **place;                  /* their rows of K or V are */
};

/* Nothing if lists of the problem cannot be gone over by ranges. */
void attn__by_ranges_take(struct attn__scratch *s, const struct attn__problem *p,
                          struct attn__by_ranges_room *room);

/* Is it worth while for `n` lists of a sequence from `row` on, of a line each, with the keys
 * of output head h? As some of them have it. */
bool attn__by_ranges_pays(const struct attn__call *c, const struct attn__seq *s, int64_t h,
                          const struct attn__select_rows *l, int64_t row, int64_t n);

/*
 * Computes and writes lines r0..r1-1 of ps, whose lists are in row `row` of the selection
 * and those behind it; `most` lines are finished at once. What a line gets hangs on its
 * list alone.
 */
void attn__by_ranges_run(struct attn__list_pass *ps, const struct attn__by_ranges_room *room,
                         int64_t row, int64_t r0, int64_t r1, int64_t most);

#endif /* ATTN_SOLVERS_LIST_BY_RANGES_H */
