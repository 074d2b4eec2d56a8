/* SPDX-License-Identifier: MIT */
/* The four products against plain loops, with leading dimensions larger than the rows. */
#include "thread/blas.h"

#include <limits.h>

#include "unit.h"

enum { M = 5, N = 7, K = 11, LD = 13 };

#define PRODUCT_TEST(test, type, gemm, b_at)                                                      \
    START_TEST(test)                                                                              \
    {                                                                                             \
        type a[M * LD], b[LD * LD], c[M * LD], want[M * LD];                                      \
                                                                                                  \
        if (!attn__blas_available())                                                              \
            return;                                                                               \
        for (int i = 0; i < M * LD; i++) {                                                        \
            a[i] = (type)(i % 9 - 4);                                                             \
            c[i] = want[i] = (type)(i % 5);                                                       \
        }                                                                                         \
        for (int i = 0; i < LD * LD; i++)                                                         \
            b[i] = (type)(i % 7 - 3);                                                             \
        for (int i = 0; i < M; i++) {                                                             \
            for (int j = 0; j < N; j++) {                                                         \
                type sum = 0;                                                                     \
                for (int p = 0; p < K; p++)                                                       \
                    sum += a[i * LD + p] * b[b_at];                                               \
                want[i * LD + j] = 2 * sum + 3 * want[i * LD + j];                                \
            }                                                                                     \
        }                                                                                         \
        gemm(M, N, K, 2, a, LD, b, LD, 3, c, LD);                                                 \
        for (int i = 0; i < M * LD; i++)                                                          \
            ck_assert(c[i] == want[i]);                                                           \
    }                                                                                             \
    END_TEST

PRODUCT_TEST(sgemm_nt, float, attn__blas_sgemm_nt, j * LD + p)
PRODUCT_TEST(sgemm_nn, float, attn__blas_sgemm_nn, p * LD + j)
PRODUCT_TEST(dgemm_nt, double, attn__blas_dgemm_nt, j * LD + p)
PRODUCT_TEST(dgemm_nn, double, attn__blas_dgemm_nn, p * LD + j)

START_TEST(facts)
{
    ck_assert_ptr_nonnull(attn__blas_name());
    if (attn__blas_available())
        ck_assert_int_ne(attn__blas_threads(), 0);
    else
        ck_assert_int_eq(attn__blas_threads(), 0);
}
END_TEST

START_TEST(fits)
{
    ck_assert(attn__blas_fits(0));
    ck_assert(attn__blas_fits(INT_MAX));
    ck_assert(!attn__blas_fits((int64_t)INT_MAX + 1));
    ck_assert(!attn__blas_fits(INT64_MAX));
    ck_assert(!attn__blas_fits(-1));
}
END_TEST

UNIT_MAIN("blas", sgemm_nt, sgemm_nn, dgemm_nt, dgemm_nn, facts, fits)
