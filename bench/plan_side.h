/* SPDX-License-Identifier: MIT */
/* One of two plans that take turns, with all that its executes bind. */
#ifndef ATTN_BENCH_PLAN_SIDE_H
#define ATTN_BENCH_PLAN_SIDE_H

#include "bench_options.h"
#include "problem_data.h"

typedef struct bench_plan_side {
    const char *problem; /* for messages */
    attn_plan *plan;
    bench_size size;
    bench_data data;
    int64_t turn;
} bench_plan_side;

/*
 * The plan of a description, and its data. 0, or BENCH_FAILED after a message.
 * *side begins as zeros and is to be freed in either case.
 */
int bench_plan_side_make(attn_ctx *ctx, const bench_options *options, const char *problem,
                         const attn_desc *desc, bench_plan_side *side);
/* The same of the problem string alone. */
int bench_plan_side_parse(attn_ctx *ctx, const bench_options *options, const char *problem,
                          bench_plan_side *side);

/* One execute of a bench_plan_side, for bench_in_turns. */
int bench_plan_side_run(void *side);

void bench_plan_side_free(bench_plan_side *side);

#endif
