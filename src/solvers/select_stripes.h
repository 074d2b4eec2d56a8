/* SPDX-License-Identifier: MIT */
/*
 * Columns and diagonals of attention, as the last queries of a sequence show
 * them, as lists.
 */
#ifndef ATTN_SOLVERS_SELECT_STRIPES_H
#define ATTN_SOLVERS_SELECT_STRIPES_H

#include "solvers/select_pooled.h"

/* Places of one worker that statistics are made in: [columns] each. */
struct attn__stripes {
    double *column; /* mean over the last queries of what key j gets */
    double *slash;  /* likewise of the diagonal that meets key j in the last query */
    char *q, *s;    /* rows of queries, their scores */
    float *piece;
    double *rep; /* of select_reps.h */
};

void attn__stripes_take(struct attn__scratch *s, const struct attn__pooled_size *z,
                        struct attn__stripes *t);

/*
 * Fills column and slash from the last n queries of head h, n at most those
 * there are; causal, with as many keys as queries. False if a score is NaN or
 * inf.
 */
bool attn__stripes_make(const struct attn__recipe_run *r, const struct attn__pooled *m,
                        const struct attn__pooled_size *z, const struct attn__seq *s, int64_t h,
                        int64_t n, const struct attn__stripes *t);

/* The heads of m in sequence s: rows of q, of k. */
struct attn__rows attn__stripes_q(const struct attn__pooled *m, const struct attn__seq *s,
                                  int64_t h);
struct attn__rows attn__stripes_k(const struct attn__pooled *m, const struct attn__seq *s,
                                  int64_t h);

/* s[j] = q . k_j for lo <= j < hi of n rows q, whose scores lie ld apart: floats,
 * or doubles if z->exact. piece: [ATTN__POOLED_PIECE][d]. */
void attn__stripes_products(const struct attn__recipe_run *r, const struct attn__pooled_size *z,
                            const void *q, int64_t n, const struct attn__rows *k, int64_t hi,
                            void *s, int64_t ld, float *piece);

/* row[j] becomes e to (scale row[j] - the largest of them), j < n, floats or
 * doubles; times *factor their sum is 1. False for NaN or inf. */
bool attn__stripes_softmax(const struct attn__kernels *kern, double scale, bool exact, void *row,
                           int64_t n, double *factor);

/* As the functions of select_pooled.h. */
bool attn__stripes_per_row(const struct attn__pooled_spec *spec,
                           const struct attn__pooled_size *z, int64_t *entries);
void *attn__stripes_room(struct attn__scratch *s, const struct attn__pooled_spec *spec,
                         const struct attn__pooled_size *z, int64_t threads);
int32_t attn__stripes_run(const struct attn__recipe_run *r, const struct attn__pooled *m,
                          const struct attn__pooled_size *z, struct attn__select_rows *rows,
                          int64_t per_row, void *room);

#endif /* ATTN_SOLVERS_SELECT_STRIPES_H */
