/* SPDX-License-Identifier: MIT */
/* Tensors for a problem: everything that an execute of it may bind. */
#ifndef ATTN_BENCH_PROBLEM_DATA_H
#define ATTN_BENCH_PROBLEM_DATA_H

#include "problem_size.h"

enum { BENCH_MOST_ARGS = 24, BENCH_MOST_COPIES = 8 };

typedef struct bench_data {
    attn_tensor tensor[BENCH_MOST_ARGS];
    size_t bytes[BENCH_MOST_ARGS];
    /* K and V of decode are there several times unless the cache holds them
     * with ease, so that no execute finds what the one before has read. */
    int64_t copies;
    attn_tensor more[BENCH_MOST_COPIES][2];
    size_t n_args;
    attn_state *state; /* of a recurrence that goes on; NULL: none */
    int64_t *slot;     /* of every copy's sequences */
    attn_tensor slots[BENCH_MOST_COPIES];
    attn_arg args[BENCH_MOST_COPIES][BENCH_MOST_ARGS];
} bench_data;

/*
 * Makes what the plan requires and every output it declares, at the greatest
 * lengths: numbers of a standard normal distribution, one hidden pair in eight
 * where there is a mask, equal segments, for recurrences keys of length 1
 * and gates near 1. 0, or BENCH_FAILED after a message.
 * *data is to be freed in either case.
 */
int bench_data_make(const attn_plan *plan, const bench_size *size,
                    uint64_t seed, bool huge, bench_data *data);
void bench_data_free(bench_data *data);

/* The tensor of an input or output that the first copy binds; NULL: none. */
const attn_tensor *bench_data_tensor(const bench_data *data, int32_t role);

/* n numbers of a standard normal distribution. */
void bench_data_normal(float *to, int64_t n, uint64_t *state);

#endif
