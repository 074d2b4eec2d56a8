/* SPDX-License-Identifier: MIT */
/*
 * Tools of the kernel checks: random numbers, buffers that end or begin at a
 * protected page, and comparisons that count.
 */
#ifndef ATTN_TESTS_CHECKKERN_H
#define ATTN_TESTS_CHECKKERN_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernels/kernels.h"

struct ck {
    const struct attn__kernels *ref; /* the portable C table */
    const struct attn__kernels *k;   /* the table under test */
    const char *kernel;              /* the one being checked */
    uint64_t rng;
    long passed;
    long failed;
};

/* kinds of input */
enum { CK_RANDOM, CK_EQUAL, CK_HUGE, CK_DENORMAL, CK_NAN, CK_MINUS_INF,
    CK_KINDS };

uint64_t ck_u64(struct ck *);
int64_t ck_range(struct ck *, int64_t lo, int64_t hi); /* both included */
float ck_float(struct ck *);                           /* in -1..1 */

/* n floats of one kind; NaN and -inf are single elements among random ones */
void ck_fill(struct ck *, float *p, size_t n, int kind);

/* Rows of any place, and rows that are read next or none: those are only asked
 * for, so that any memory will do. */
struct attn__source ck_source(struct ck *, const void *then);

/*
 * Memory of n * size bytes in slot 0..11, valid until the slot is asked for
 * again. A protected page touches its end, or its beginning, by chance.
 */
void *ck_memory(struct ck *, int slot, size_t n, size_t size);
float *ck_floats(struct ck *, int slot, size_t n);

/* counts one comparison; says what differs when |got - want| > tol */
void ck_close(struct ck *, const char *what, int64_t i, int64_t j, float got,
              double want,
              double tol);

/* the bytes are equal; NaN of any kind are equal when `nan_alike` */
void ck_same(struct ck *, const char *what, const float *a, const float *b,
             size_t n,
             bool nan_alike);

void ck_true(struct ck *, const char *what, bool ok);

/* times the kernels of one table against the limits of the machine */
void ck_bench(const struct attn__kernels *k, const char *filter);

#define KERNEL(ret, name, args) void check_##name(struct ck *);
#include "kernels/kernels.def"

#endif
