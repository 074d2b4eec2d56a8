/* SPDX-License-Identifier: MIT */
/* One problem: every solver that was asked for, in turns. */
#ifndef ATTN_BENCH_MEASURE_H
#define ATTN_BENCH_MEASURE_H

#include "bench_options.h"
#include "bench_rows.h"
#include "limits.h"

/* The median of n numbers, which are sorted for it; NAN of none. */
double bench_median(double *v, size_t n);

/*
 * Measures a problem with limits->threads threads and adds its rows: the
 * planner's choice first, then, if `all`, the others. 0, or BENCH_FAILED
 * after a message.
 */
int bench_measure(const bench_options *options, const bench_limits *limits,
                  const char *problem, bool all, bench_rows *rows);

#endif
