/* SPDX-License-Identifier: MIT */
/* What is particular about problems of the linear family. */
#ifndef ATTN_BENCH_RECURRENCE_H
#define ATTN_BENCH_RECURRENCE_H

#include "problem_data.h"

/* Is the descriptor's mechanism a recurrence, which has no pairs to count? */
bool bench_recurrence_is(const attn_desc *desc);

/*
 * Completes the size of a recurrence by what its states are, which the plan
 * knows. 0, or BENCH_FAILED after a message.
 */
int bench_recurrence_size(attn_ctx *ctx, const attn_plan *plan,
                          const attn_desc *desc, bench_size *size);

/*
 * Problems of few tokens continue a state: adds its slots, in so many copies
 * that all of them together exceed the cache by far, and which of them an
 * execute uses. 0, or BENCH_FAILED after a message.
 */
int bench_recurrence_states(attn_ctx *ctx, const attn_plan *plan,
                            const bench_size *size, bench_data *data);
void bench_recurrence_free(bench_data *data);

#endif
