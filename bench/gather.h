/* SPDX-License-Identifier: MIT */
/* The second part of the suite `routed`: lists of single tokens. */
#ifndef ATTN_BENCH_GATHER_H
#define ATTN_BENCH_GATHER_H

#include <stdio.h>

#include "bench_options.h"

/*
 * Measures attention along lists of scattered tokens in turns with the same in
 * full and with a loop that only reads the listed rows: the limit `gather`. 0,
 * or BENCH_FAILED after a message.
 */
int bench_gather(const bench_options *options, int64_t threads, FILE *table);

#endif
