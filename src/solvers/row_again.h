/* SPDX-License-Identifier: MIT */
/*
 * One row once more, with the bits that invariant=chunk promises. A solver
 * whose row came out non-finite cannot tell whether the row's own keys did it
 * or values that it only multiplied by zero; here those are left out.
 */
#ifndef ATTN_SOLVERS_ROW_AGAIN_H
#define ATTN_SOLVERS_ROW_AGAIN_H

#include "solvers/chunk_tree.h"
#include "solvers/row_pass.h"

/* A worker's memory. */
struct attn__row_again {
    struct attn__row_room room;
    struct attn__tree tree;
};

void attn__row_again_take(struct attn__scratch *s, const struct attn__problem *p,
                          struct attn__row_again *out);

/*
 * Row i of output head h into o[dv], with its maximum *m (base 2) and sum *l
 * after sink logits. False if it is not finite from its own keys: then the
 * exact path decides.
 */
bool attn__row_again(struct attn__row_again *w, const struct attn__call *c,
                     const struct attn__kernels *kern, const struct attn__seq *s, int64_t h,
                     int64_t i, float *o, float *m, float *l);

#endif /* ATTN_SOLVERS_ROW_AGAIN_H */
