/* SPDX-License-Identifier: MIT */
/* The suite `callbacks`: built-in steps against the same as functions. */
#ifndef ATTN_BENCH_CALLBACKS_H
#define ATTN_BENCH_CALLBACKS_H

#include <stdio.h>

#include "bench_options.h"

/* Its name among the suites. */
#define BENCH_CALLBACKS "callbacks"

/*
 * Measures each pair in turns and prints its row: both times and their ratio.
 * 0, or BENCH_FAILED after a message.
 */
int bench_callbacks(const bench_options *options, int64_t threads, FILE *table);

#endif
