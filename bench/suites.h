/* SPDX-License-Identifier: MIT */
/* Named sets of problems. */
#ifndef ATTN_BENCH_SUITES_H
#define ATTN_BENCH_SUITES_H

#include <stdbool.h>
#include <stddef.h>

/* Name of suite number `index`, NULL past the last. */
const char *bench_suite_name(size_t index);

/* Problem number `index` of a suite, NULL past the last. */
const char *bench_suite_problem(const char *name, size_t index);

/* Its problems run at every number of threads: 1, 2, 4, ... */
bool bench_suite_all_threads(const char *name);

#endif
