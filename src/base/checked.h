/* SPDX-License-Identifier: MIT */
/*
 * Integer arithmetic that reports overflow. Every product of sizes that comes
 * from a caller goes through here; the result is written only on success.
 */
#ifndef ATTN_BASE_CHECKED_H
#define ATTN_BASE_CHECKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ATTN__CHECKED(name, type, builtin)                                    \
    static inline bool name(type a, type b, type *out)                        \
    {                                                                         \
        type r;                                                               \
        if (builtin(a, b, &r))                                                \
            return false;                                                     \
        *out = r;                                                             \
        return true;                                                          \
    }

ATTN__CHECKED(attn__mul_i64, int64_t, __builtin_mul_overflow)
ATTN__CHECKED(attn__add_i64, int64_t, __builtin_add_overflow)
ATTN__CHECKED(attn__sub_i64, int64_t, __builtin_sub_overflow)
ATTN__CHECKED(attn__mul_size, size_t, __builtin_mul_overflow)
ATTN__CHECKED(attn__add_size, size_t, __builtin_add_overflow)

#undef ATTN__CHECKED

/* Rounds bytes up to a multiple of align, a power of two. */
static inline bool attn__align_up(size_t bytes, size_t align, size_t *out)
{
    size_t sum;

    if (!attn__add_size(bytes, align - 1, &sum))
        return false;
    *out = sum & ~(align - 1);
    return true;
}

static inline int64_t attn__min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t attn__max_i64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

#endif
