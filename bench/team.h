/* SPDX-License-Identifier: MIT */
/* One function on several threads that start together, and the clock. */
#ifndef ATTN_BENCH_TEAM_H
#define ATTN_BENCH_TEAM_H

#include <stdint.h>

/* Nanoseconds of a clock that only goes forward. */
int64_t bench_now(void);

/* CPUs that this process may run on. */
int64_t bench_cpus(void);

/*
 * Runs fn(arg, i) for 0 <= i < n, each on a thread of its own (the last on
 * the caller's). Returns the nanoseconds from the common start to the end of
 * the last; -1 if a thread could not be started.
 */
int64_t bench_team(int64_t n, void (*fn)(void *arg, int64_t i), void *arg);

#endif
