/* SPDX-License-Identifier: MIT */
/*
 * The only file that knows which BLAS there is, or that there is one. Without it the products
 * are empty: no solver that calls them applies when attn__blas_available is false.
 */
#include "thread/blas.h"

#include <limits.h>

#include "config.h"

bool attn__blas_fits(int64_t size)
{
    return size >= 0 && size <= INT_MAX;
}

#if ATTN_HAVE_BLAS

#include <cblas.h>

#if ATTN_HAVE_OPENBLAS_THREADS
/* Debian's libblas headers lack these although the library behind them may be OpenBLAS. */
extern int openblas_get_num_threads(void);
extern char *openblas_get_config(void);
#endif

bool attn__blas_available(void)
{
    return true;
}

int64_t attn__blas_threads(void)
{
#if ATTN_HAVE_OPENBLAS_THREADS
    return openblas_get_num_threads();
#else
    return -1;
#endif
}

const char *attn__blas_name(void)
{
#if ATTN_HAVE_OPENBLAS_THREADS
    return openblas_get_config();
#else
    return "cblas";
#endif
}

#define GEMM(name, type, cblas, trans)                                                            \
    void name(int64_t m, int64_t n, int64_t k, type alpha, const type *a, int64_t lda,            \
              const type *b, int64_t ldb, type beta, type *c, int64_t ldc)                        \
    {                                                                                             \
        cblas(CblasRowMajor, CblasNoTrans, trans, (int)m, (int)n, (int)k, alpha, a, (int)lda, b,  \
              (int)ldb, beta, c, (int)ldc);                                                       \
    }

#else

bool attn__blas_available(void)
{
    return false;
}

int64_t attn__blas_threads(void)
{
    return 0;
}

const char *attn__blas_name(void)
{
    return "none";
}

#define GEMM(name, type, cblas, trans)                                                            \
    void name(int64_t m, int64_t n, int64_t k, type alpha, const type *a, int64_t lda,            \
              const type *b, int64_t ldb, type beta, type *c, int64_t ldc)                        \
    {                                                                                             \
        (void)m, (void)n, (void)k, (void)alpha, (void)a, (void)lda;                               \
        (void)b, (void)ldb, (void)beta, (void)c, (void)ldc;                                       \
    }

#endif

GEMM(attn__blas_sgemm_nt, float, cblas_sgemm, CblasTrans)
GEMM(attn__blas_sgemm_nn, float, cblas_sgemm, CblasNoTrans)
GEMM(attn__blas_dgemm_nt, double, cblas_dgemm, CblasTrans)
GEMM(attn__blas_dgemm_nn, double, cblas_dgemm, CblasNoTrans)
