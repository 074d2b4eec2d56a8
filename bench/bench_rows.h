/* SPDX-License-Identifier: MIT */
/* The results: one row a problem, or a problem and solver. */
#ifndef ATTN_BENCH_ROWS_H
#define ATTN_BENCH_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct bench_row {
    char *problem;      /* canonical; to be freed */
    const char *solver; /* static strings of the library */
    const char *isa;
    int64_t threads;
    int64_t samples;
    bool chosen; /* by the planner, not forced */
    bool cached; /* what is read of K and V fits in the last-level cache */
    double ns_median, ns_min;
    double gflops, gbps;
    double of_peak, of_bandwidth, of_sgemm, of_materialised; /* NaN: none */
    double skipped;
    double speedup; /* times as fast as what it is compared with; NaN: with nothing */
    double of_best; /* the fastest solver's time over this one's */
} bench_row;

typedef struct bench_rows {
    size_t n, room;
    bench_row *row;
} bench_rows;

/* Adds a copy of *row, whose problem it takes over. 0 or BENCH_FAILED. */
int bench_rows_add(bench_rows *rows, const bench_row *row);

void bench_rows_free(bench_rows *rows);

#endif
