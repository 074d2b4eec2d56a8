/* SPDX-License-Identifier: MIT */
/*
 * ROWMAX and ARGMAX of rows whose scores come in parts: the largest score so
 * far and the first key that has it. Parts may be joined in any order.
 */
#ifndef ATTN_SOLVERS_ROW_TOPS_H
#define ATTN_SOLVERS_ROW_TOPS_H

#include "kernels/kernels.h"
#include "problem/call.h"
#include "solvers/scratch.h"

struct attn__row_tops {
    float *top;   /* [rows]; NULL: nobody wants to know */
    int64_t *key; /* [rows]; -1: none above -inf */
};

/* Nothing is taken if the problem wants neither. */
void attn__row_tops_take(struct attn__scratch *s, const struct attn__problem *p, int64_t rows,
                         struct attn__row_tops *t);

void attn__row_tops_clear(const struct attn__row_tops *t, int64_t rows);

/* Row r has the scores s[j] of keys j0 + j, j < n. */
void attn__row_tops_see(const struct attn__row_tops *t, const struct attn__kernels *kern, int64_t r,
                        const float *s, int64_t j0, int64_t n);

void attn__row_tops_join(const struct attn__row_tops *t, const struct attn__row_tops *other,
                         int64_t rows);

/* Writes the outputs of rows r0 to r0 + rows - 1 as v counts them; of those
 * the first is row 0 here. base: what scores were multiplied by. */
void attn__row_tops_store(const struct attn__row_tops *t, const struct attn__call *c,
                          const struct attn__seq *s, const struct attn__vis *v, int64_t r0,
                          int64_t rows, double base);

#endif /* ATTN_SOLVERS_ROW_TOPS_H */
