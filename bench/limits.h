/* SPDX-License-Identifier: MIT */
/* What this machine can do at most, measured in the same run. */
#ifndef ATTN_BENCH_LIMITS_H
#define ATTN_BENCH_LIMITS_H

#include <attn/attn.h>

#include "bench_options.h"
#include "probe.h"

/* The share of theory from which on the peak is believed. */
#define BENCH_PEAK_REACHED 0.97

typedef struct bench_limits {
    int64_t threads;
    const bench_probe *probe;
    double clock;         /* GHz, with all threads busy */
    double peak;          /* GF/s of multiply-adds, the best of some */
    double fma_per_cycle; /* vectors on one thread, rounded to halves */
    double of_theory;     /* peak / (threads x 2 lanes x the two above) */
    double read[2];       /* GB/s from RAM with 4 KB pages, 2 MB pages */
    int streams[2];       /* side by side, of the best */
    double update;        /* GB/s, read and written, of changing RAM */
    int update_streams;
    float *kept;          /* what that changes: 2 MB pages, as states have them */
    size_t kept_bytes;
    bool huge;            /* which of the two bench_limits_read measures */
    float *data;          /* what it reads */
    size_t bytes;
    int64_t cache_bytes;
    bool cache_known;
    double sgemm; /* GF/s, NaN without BLAS */
    int64_t sgemm_size;
} bench_limits;

/*
 * Measures all of it. isa: the level that the context uses. 0, or
 * BENCH_FAILED after a message; to be freed in either case.
 */
int bench_limits_measure(const bench_options *options, int32_t isa,
                         int64_t threads, bench_limits *limits);
void bench_limits_free(bench_limits *limits);

/* GF/s of multiply-adds now: some milliseconds, the best of a few. */
double bench_limits_peak(const bench_limits *limits);

/* GB/s of reading RAM now, with the pages that K and V have. */
double bench_limits_read(const bench_limits *limits);

/* GB/s, read and written, of changing RAM in place now. */
double bench_limits_update(const bench_limits *limits);

#endif
