/* SPDX-License-Identifier: MIT */
/* The command line of attn-bench, and its messages. */
#ifndef ATTN_BENCH_OPTIONS_H
#define ATTN_BENCH_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Exit codes: something could not be measured; the command line is wrong. */
enum { BENCH_FAILED = 1, BENCH_USAGE = 2 };

typedef struct bench_options {
    int64_t threads; /* as typed: 0 all CPUs, -1 not given */
    int64_t k;       /* keys where a problem says k=inf; 0: not given */
    int64_t random;  /* how many random shapes; 0: none */
    uint64_t seed;
    bool seed_given;
    double seconds; /* least time spent on a row */
    int32_t isa;    /* the highest level to be used; -1: no cap */
    bool all_solvers, huge;
    const char *json, *plot;
    const char *effort; /* of the planner's choice; NULL: as the problem says */
    size_t n_suites, n_problems;
    const char **suites, **problems; /* of argc entries each */
} bench_options;

/*
 * Reads the command line. 0, or an exit code after a message; *done: help
 * was asked for and printed.
 */
int bench_options_parse(int argc, char **argv, bench_options *options,
                        bool *done);
void bench_options_free(bench_options *options);

/* Prints "attn-bench: MESSAGE" to stderr; returns BENCH_FAILED. */
int bench_failed(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
