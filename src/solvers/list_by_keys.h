/* SPDX-License-Identifier: MIT */
/*
 * Many short lists over their keys, for the solver lists: not each list by itself
 * but key after key, where all lines that look at the same keys fill tiles
 * together, whichever list they have.
 */
#ifndef ATTN_SOLVERS_LIST_BY_KEYS_H
#define ATTN_SOLVERS_LIST_BY_KEYS_H

#include "solvers/list_pass.h"

/* Lines of a unit at most, and of a pass: so many that some hundreds of them
 * look at a block of which each looks at one in ten. */
enum { ATTN__BY_KEYS_ROWS = 2048 };

/* Memory of a worker. Lines and lists are counted within the unit. */
struct attn__by_keys_room {
    float *q; /* [lines][d] */
    struct attn__list_sums sum; /* as rows */
    int64_t *line;    /* [lines], as vis counts them */
    int64_t *first;   /* [lists + 1]: the first line of each */
    int64_t *entry;   /* [lists]: which one is next */
    int64_t *end_key; /* [lists]: no line sees it or what comes behind it */
    int32_t *waiting; /* [k]: the last list that waits for the key, or NOBODY */
    int32_t *before;  /* [lists]: who waits for the same key */
    uint64_t *here;   /* bits of lists */
    int64_t *at;      /* [lines of a pass] */
};

/* Can lists of the problem be gone over by keys? */
bool attn__by_keys_serves(const struct attn__problem *p);

/* Nothing unless they can. */
void attn__by_keys_take(struct attn__scratch *s, const struct attn__problem *p,
                        struct attn__by_keys_room *room);

/* Is it worth while for `n` lists from `row` on, of so many lines each? As a few of
 * their entries have it. */
bool attn__by_keys_pays(const struct attn__select_rows *l, int64_t row, int64_t n, int64_t lines,
                        int64_t lanes);

/*
 * Computes and writes all lines of lists number b0..b1-1 of ps, whose lists of
 * keys are in row `row` of the selection and those behind it. ps has begun with
 * room->lines; of at most `most` lines at once.
 */
void attn__by_keys_run(struct attn__list_pass *ps, const struct attn__by_keys_room *room,
                       int64_t row, int64_t b0, int64_t b1, int64_t most);

#endif /* ATTN_SOLVERS_LIST_BY_KEYS_H */
