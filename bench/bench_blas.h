/* SPDX-License-Identifier: MIT */
/* The BLAS that the library uses, called directly. */
#ifndef ATTN_BENCH_BLAS_H
#define ATTN_BENCH_BLAS_H

#include <stdint.h>

/*
 * Tells BLAS how many threads it may use. It reads that from the environment
 * before main starts, so this starts the program anew if the environment says
 * something else. Returns where it does not, or cannot.
 */
void bench_blas_pin(int64_t threads, char **argv);

/* The same within a run, where BLAS can be told. */
void bench_blas_use(int64_t threads);

/*
 * GF/s of a square sgemm, and its size: doubled until one takes `seconds`.
 * NaN without BLAS.
 */
double bench_blas_sgemm(double seconds, int64_t *size);

/*
 * Lets BLAS's own threads go to sleep: after a product they look for more
 * work for some milliseconds, on the processors that are to be measured.
 */
void bench_blas_rest(int64_t threads);

#endif
