/* SPDX-License-Identifier: MIT */
/*
 * Recipes that know one sequence at a time, on packed batches: each sequence is
 * run as a batch of one. Averages over rows, rows in the workspace and rooms for
 * pairs are then those of that sequence, and its bits are those that it has
 * alone, because the same steps are done with the same tensors.
 */
#ifndef ATTN_PROBLEM_SEQUENCES_H
#define ATTN_PROBLEM_SEQUENCES_H

#include "problem/call.h"

/* Is the problem a packed batch whose sequences are run one after another? */
bool attn__sequences_are(const struct attn__problem *p);

/* The problem of one of them; arrays stay those of `packed`. */
void attn__sequences_problem(const struct attn__problem *packed, struct attn__problem *one);

/* The call of sequence n, with views of its part of every tensor. */
void attn__sequences_call(const struct attn__call *packed, const struct attn__problem *one,
                          int64_t n, struct attn__call *c);

/* Puts in front of this thread's error text which sequence it is about. */
int32_t attn__sequences_error(int32_t status, int64_t n);

/* What the mechanism checks of an execute, for each of them. */
int32_t attn__sequences_check(const struct attn__call *packed);

/* ATTN_ERR_UNSUPPORTED where a role that the problem takes cannot be told apart
 * by sequences. */
int32_t attn__sequences_allowed(const struct attn__problem *p);

#endif /* ATTN_PROBLEM_SEQUENCES_H */
