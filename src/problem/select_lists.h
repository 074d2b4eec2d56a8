/* SPDX-License-Identifier: MIT */
/*
 * Index lists in plain arrays: which keys each block of queries attends to. Who
 * owns the memory, how lists are made and what a good one is: state/selection.h.
 */
#ifndef ATTN_PROBLEM_SELECT_LISTS_H
#define ATTN_PROBLEM_SELECT_LISTS_H

#include <stdbool.h>
#include <stdint.h>

#include <attn/selection.h>

/* Keys are counted within their sequence. */
struct attn__select_rows {
    /* Lists of one batch entry or of all (n_batch 1); of `head_group` output
     * heads, so sets = Hout / head_group; of q_block queries, the last of fewer. */
    int64_t n_batch, sets, head_group, q_block, n_queries;
    int64_t blocks; /* ceil(n_queries / q_block) */
    int64_t rows;   /* n_batch * sets * blocks; row (b * sets + s) * blocks + t */
    int64_t capacity, n; /* entries that there is room for, and that there are */
    int64_t per_row; /* while they are written, see state/selection.h */
    /* Row r is entries row_ptr[r] to row_ptr[r + 1] - 1, entry e keys start[e]
     * to start[e] + length[e] - 1; in one row they rise and do not overlap. */
    int64_t *row_ptr;
    int32_t *start, *length;
    /* Added to the scores of the entry, or with `replace` instead of their
     * log-sum-exp; NULL: all 0, none. */
    float *logit;
    uint8_t *replace;
};

/*
 * Groups of queries that attend to the same keys: group g is of output head
 * head[g] in batch entry batch[g], its queries are query[q_ptr[g]] to
 * query[q_ptr[g + 1] - 1], rising, and its keys row g of a struct
 * attn__select_rows that has a row for each group.
 */
struct attn__select_groups {
    int64_t n;
    int32_t combine; /* ATTN_SELECTION_EXCLUSIVE ...: what a query of several groups gets */
    double eps;      /* of MEAN */
    int32_t *batch, *head;
    int64_t *q_ptr;
    int32_t *query;
    /* Groups of head h in batch entry b: of[of_ptr[b * heads + h]] and on, rising. */
    int64_t *of_ptr, *of;
};

/* What the object of role SELECTION begins with. */
struct attn__select {
    uint64_t tag;   /* says that it is one */
    int32_t layout; /* ATTN_SELECTION_ROWS, ATTN_SELECTION_GROUPS */
    int64_t heads;  /* output heads */
    int64_t end_key; /* one past the last key of the lists */
    /* With GROUPS: n_batch, n_queries and the keys of each group. */
    struct attn__select_rows rows;
    struct attn__select_groups groups;
};

#define ATTN__SELECT_TAG UINT64_C(0x6174746e73656c65)

/* The row of query i of output head h in batch entry b. */
static inline int64_t attn__select_row(const struct attn__select_rows *s, int64_t b, int64_t h,
                                       int64_t i)
{
    int64_t set = (s->n_batch == 1 ? 0 : b) * s->sets + h / s->head_group;
    return set * s->blocks + i / s->q_block;
}

/* vis_rows.c: of entries at..end-1 of one row the first that ends behind key j,
 * or end. */
int64_t attn__select_find(const struct attn__select_rows *s, int64_t at, int64_t end, int64_t j);

#endif /* ATTN_PROBLEM_SELECT_LISTS_H */
