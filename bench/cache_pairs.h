/* SPDX-License-Identifier: MIT */
/* The suite `cache`: attention from an attn_cache, against something near it. */
#ifndef ATTN_BENCH_CACHE_PAIRS_H
#define ATTN_BENCH_CACHE_PAIRS_H

#include <stdio.h>

#include "bench_rows.h"
#include "limits.h"

/* Its name among the suites. */
#define BENCH_CACHE "cache"

/*
 * Measures each pair in turns, prints it and adds a row for either side, the
 * base first. 0, or BENCH_FAILED after a message.
 */
int bench_cache_pairs(const bench_options *options, const bench_limits *limits, FILE *table,
                      bench_rows *rows);

#endif
