/* SPDX-License-Identifier: MIT */
/*
 * Unrolling by the preprocessor. Accumulators live in small arrays, and they
 * become registers only if every index is a constant; writing the copies out
 * makes that certain with every compiler. M gets its index first and passes
 * the rest through. A macro cannot expand inside itself, hence two families.
 */
#ifndef ATTN__KERNELS_UNROLL_H
#define ATTN__KERNELS_UNROLL_H

#define ATTN__UNROLL4(M, ...)                                                  \
    M(0, __VA_ARGS__) M(1, __VA_ARGS__) M(2, __VA_ARGS__) M(3, __VA_ARGS__)
#define ATTN__UNROLL8(M, ...)                                                  \
    ATTN__UNROLL4(M, __VA_ARGS__)                                              \
    M(4, __VA_ARGS__) M(5, __VA_ARGS__) M(6, __VA_ARGS__) M(7, __VA_ARGS__)
#define ATTN__UNROLL16(M, ...)                                                 \
    ATTN__UNROLL8(M, __VA_ARGS__)                                              \
    M(8, __VA_ARGS__) M(9, __VA_ARGS__) M(10, __VA_ARGS__)                     \
    M(11, __VA_ARGS__) M(12, __VA_ARGS__) M(13, __VA_ARGS__)                   \
    M(14, __VA_ARGS__) M(15, __VA_ARGS__)

#define ATTN__INNER4(M, ...)                                                   \
    M(0, __VA_ARGS__) M(1, __VA_ARGS__) M(2, __VA_ARGS__) M(3, __VA_ARGS__)
#define ATTN__INNER8(M, ...)                                                   \
    ATTN__INNER4(M, __VA_ARGS__)                                               \
    M(4, __VA_ARGS__) M(5, __VA_ARGS__) M(6, __VA_ARGS__) M(7, __VA_ARGS__)

#endif
