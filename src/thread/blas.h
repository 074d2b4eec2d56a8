/* SPDX-License-Identifier: MIT */
/*
 * Whole-matrix products by the BLAS this library was built with. All
 * matrices are row major. BLAS takes int sizes: callers check every size and
 * leading dimension with attn__blas_fits first. Its threads are process-wide
 * and are never changed here; call it only while no run of ours is under way.
 */
#ifndef ATTN_THREAD_BLAS_H
#define ATTN_THREAD_BLAS_H

#include <stdbool.h>
#include <stdint.h>

/* False in a build without BLAS; the products must not be used then. */
bool attn__blas_available(void);

/* Threads BLAS may use for one product, 0 without BLAS, -1 if unknown. */
int64_t attn__blas_threads(void);

/* Name and build of the BLAS, or "none". */
const char *attn__blas_name(void);

bool attn__blas_fits(int64_t size);

/* nt: C[m,n] = alpha * A[m,k] * B[n,k]^T + beta * C
 * nn: C[m,n] = alpha * A[m,k] * B[k,n]   + beta * C */
#define ATTN__BLAS_DECLARE(name, type)                                        \
    void name(int64_t m, int64_t n, int64_t k, type alpha, const type *a,     \
              int64_t lda, const type *b, int64_t ldb, type beta, type *c,    \
              int64_t ldc);
ATTN__BLAS_DECLARE(attn__blas_sgemm_nt, float)
ATTN__BLAS_DECLARE(attn__blas_sgemm_nn, float)
ATTN__BLAS_DECLARE(attn__blas_dgemm_nt, double)
ATTN__BLAS_DECLARE(attn__blas_dgemm_nn, double)
#undef ATTN__BLAS_DECLARE

#endif
