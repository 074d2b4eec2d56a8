/* SPDX-License-Identifier: MIT */
/*
 * What happens to a finished row before it is stored, in this order: RMS norm
 * and a factor (out_norm, out_scale), an elementwise gate (out_gate), a mix
 * with a target (head_mix), a factor of the head (head_factor), a factor of
 * the head and row (head_gate). lse and the outputs made from scores stay as they
 * are. Heads of factor 0, and rows whose gate is 0, are not computed: their
 * rows are those of nobody.
 */
#ifndef ATTN_SOLVERS_EPILOGUE_H
#define ATTN_SOLVERS_EPILOGUE_H

#include "kernels/kernels.h"
#include "problem/call.h"
#include "solvers/scratch.h"

/* Room of one worker: [dv] if the problem has anything of this, else none. */
float *attn__epilogue_take(struct attn__scratch *s, const struct attn__problem *p);

/* Query i of output head h: o [dv] finite, in place. */
void attn__epilogue_row(const struct attn__call *c, const struct attn__kernels *kern,
                        const struct attn__seq *s, int64_t h, int64_t i, float *room, float *o);

/* The same in double. */
void attn__epilogue_f64(const struct attn__call *c, const struct attn__seq *s, int64_t h,
                        int64_t i, double *o);

/* Are output heads h to h + n - 1 of a sequence all of factor 0? */
bool attn__epilogue_skips(const struct attn__call *c, const struct attn__seq *s, int64_t h,
                          int64_t n);

/* Is query i of output head h to be computed? */
bool attn__epilogue_active(const struct attn__call *c, const struct attn__seq *s, int64_t h,
                           int64_t i);

#endif /* ATTN_SOLVERS_EPILOGUE_H */
