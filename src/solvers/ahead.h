/* SPDX-License-Identifier: MIT */
/*
 * Fetching rows into the cache ahead of their use, a few at a time between
 * other work, so that the memory is never waited for and never flooded.
 */
#ifndef ATTN_SOLVERS_AHEAD_H
#define ATTN_SOLVERS_AHEAD_H

#include "problem/call.h"

/* Runs of rows that will be wanted soon, in that order; those that find no room
 * are not fetched. */
enum { ATTN__AHEAD_RUNS = 8 };

struct attn__ahead {
    struct {
        const char *at;
        int64_t step, bytes, rows; /* of a row; rows left */
    } run[ATTN__AHEAD_RUNS];
    int64_t runs, now; /* how many there are, the first that is not done */
};

/* Rows in one form. Keys of kivi are not asked for: there are few bytes of them
 * beside what is done with each. */
static inline void attn__ahead_alike(struct attn__ahead *a, const struct attn__rows *r, int64_t i0,
                                     int64_t n, int64_t width)
{
    int64_t step = attn__dtype_step(r->dtype), bytes = (int64_t)attn__dtype_row(r->dtype, width);
    if (attn__dtype_kivi_keys(r->dtype))
        return;
    if (r->col != 1 || n <= 0 || a->runs == ATTN__AHEAD_RUNS || bytes == 0)
        return;
    for (int64_t i = 0, run; i < n && a->runs < ATTN__AHEAD_RUNS; i += run) {
        char *at;
        run = attn__rows_run(r, i0 + i, n - i, &at);
        if (!at)
            continue;
        a->run[a->runs].at = at;
        a->run[a->runs].step = r->row * step;
        a->run[a->runs].bytes = bytes;
        a->run[a->runs++].rows = run;
    }
}

/* Adds rows i0..i0+n-1 of `width` elements; scattered elements are left out. */
static inline void attn__ahead_add(struct attn__ahead *a, const struct attn__rows *r, int64_t i0,
                                   int64_t n, int64_t width)
{
    for (int64_t i = 0, alike; i < n; i += alike) {
        struct attn__rows some;
        alike = attn__rows_alike(r, i0 + i, n - i, &some);
        attn__ahead_alike(a, &some, i0 + i, alike, width);
    }
}

static inline int64_t attn__ahead_rows(const struct attn__ahead *a)
{
    int64_t n = 0;
    for (int64_t i = a->now; i < a->runs; i++)
        n += a->run[i].rows;
    return n;
}

/* Asks for the next n rows. */
static inline void attn__ahead_fetch(struct attn__ahead *a, int64_t n)
{
    for (; n > 0 && a->now < a->runs; n--) {
        for (int64_t b = 0; b < a->run[a->now].bytes; b += 64)
            __builtin_prefetch(a->run[a->now].at + b, 0, 2);
        a->run[a->now].at += a->run[a->now].step;
        if (--a->run[a->now].rows == 0)
            a->now++;
    }
}

#endif /* ATTN_SOLVERS_AHEAD_H */
