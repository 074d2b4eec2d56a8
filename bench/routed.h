/* SPDX-License-Identifier: MIT */
/* The suite `routed`: what is left out, against the same attention in full. */
#ifndef ATTN_BENCH_ROUTED_H
#define ATTN_BENCH_ROUTED_H

#include <stdio.h>

#include "bench_options.h"

/* Its name among the suites. */
#define BENCH_ROUTED "routed"

/*
 * Measures each pair in turns and prints its row: both times, their ratio and
 * the ratio over the share of the work that is left. 0, or BENCH_FAILED
 * after a message.
 */
int bench_routed(const bench_options *options, int64_t threads, FILE *table);

#endif
