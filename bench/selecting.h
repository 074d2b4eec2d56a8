/* SPDX-License-Identifier: MIT */
/* The third part of the suite `routed`: mechanisms that select keys by content. */
#ifndef ATTN_BENCH_SELECTING_H
#define ATTN_BENCH_SELECTING_H

#include <stdio.h>

#include "bench_options.h"

/*
 * Measures each mechanism in turns with dense attention and prints its rows:
 * dense, the whole, selecting alone, attending along what was selected, and
 * the ratio of whole and dense. 0, or BENCH_FAILED after a message.
 */
int bench_selecting(const bench_options *options, int64_t threads, FILE *table);

#endif
