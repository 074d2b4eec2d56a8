/* SPDX-License-Identifier: MIT */
/*
 * Normalisers in the solvers that see a row in parts: which kernel makes the
 * weights, and what the row's sum means in the end.
 *
 * The state (m, l, o) of a row is that of the softmax where weights are powers
 * of e. Else m is 0 once the row has seen a key, so that joining states adds
 * them up; o is the sum of unfinished weights times values, and l what their
 * kernel sums (kernels/weights.h): not 0 unless the row has seen nothing or
 * nothing but weights that are 0 in f32.
 */
#ifndef ATTN_SOLVERS_NORM_PASS_H
#define ATTN_SOLVERS_NORM_PASS_H

#include "problem/call.h"
#include "problem/norm.h"

/* The kind of weights of a sequence. */
struct attn__norm_pass {
    int32_t kind; /* ATTN__WEIGHTS_*; -1: powers of e, by the softmax */
    float shift;  /* the kernel's argument a */
};

/* Gives a reason if no kernel makes the weights of the normaliser. */
void attn__norm_pass_serves(const struct attn__norm *n, const char **reason);

struct attn__norm_pass attn__norm_pass_of(const struct attn__problem *p,
                                          const struct attn__seq *s);

/* What scores are multiplied by for the kernel: log2 e or 1. */
static inline double attn__norm_pass_base(const struct attn__problem *p)
{
    return attn__norm_traits(p->norm.kind)->base2 ? M_LOG2E : 1;
}

/*
 * The factor that makes o the result of row (h, i), 0 for an empty one; m and l
 * are final. `visible`, if not NULL, is how many keys the row sees.
 */
float attn__norm_pass_factor(const struct attn__problem *p, const struct attn__seq *s, float m,
                             float l, const int64_t *visible);

/* True if l is too small to divide by: the row must be done again in double. */
static inline bool attn__norm_pass_lost(const struct attn__problem *p, float l)
{
    return l < 0x1p-80f && attn__norm_traits(p->norm.kind)->summed;
}

/* What a weight costs besides that of the softmax, in multiply-adds of a
 * lane. */
double attn__norm_pass_cost(const struct attn__norm *n);

#endif /* ATTN_SOLVERS_NORM_PASS_H */
