/* SPDX-License-Identifier: MIT */
/*
 * A third prefill, a third decode, a third in between (a few rows on a long
 * cache). Every problem has a generator of its own, so that one of them can be
 * had again without those before it.
 */
#include "random_shapes.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

static uint64_t next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static int64_t below(uint64_t *state, int64_t n)
{
    return (int64_t)((next(state) >> 16) % (uint64_t)n);
}

/* low..high, each order of magnitude as likely as the others. */
static int64_t spread(uint64_t *state, int64_t low, int64_t high)
{
    double u = (double)(next(state) >> 11) * 0x1p-53;
    return (int64_t)floor(exp2(log2((double)low) + u * log2((double)(high + 1) / (double)low)));
}

void bench_random_shape(uint64_t seed, uint64_t index, char text[BENCH_SHAPE_MAX])
{
    static const int64_t widths[] = {32, 40, 64, 64, 80, 96, 128, 128, 256};
    static const char *const types[] = {"", "", "", " kv_dtype=f16", " dtype=bf16"};
    static const double most_work = 4e9; /* multiply-adds */
    static const int64_t most_kv = 128 << 20; /* elements of K and V */
    uint64_t s = (seed + 1) * 0x9e3779b97f4a7c15u + index * 0xbf58476d1ce4e5b9u;
    int64_t b, groups, hk, q, k, d;
    int kind;
    s = s ? s : 1;
    for (int i = 0; i < 8; i++)
        next(&s);
    do {
        kind = (int)below(&s, 3);
        b = spread(&s, 1, 16);
        hk = spread(&s, 1, 16);
        groups = spread(&s, 1, 8);
        d = widths[below(&s, sizeof widths / sizeof widths[0])];
        k = spread(&s, 8, kind == 0 ? 4096 : 65536);
        q = kind == 0 ? k : kind == 1 ? 1 : spread(&s, 2, k < 256 ? k : 256);
    } while (2.0 * (double)(b * hk * groups) * (double)q * (double)k * (double)d > most_work ||
             2 * b * hk * k * d > most_kv);

    int n = snprintf(text, BENCH_SHAPE_MAX,
                     "softmax b=%" PRId64 " h=%" PRId64 "/%" PRId64 " q=%" PRId64 " k=%" PRId64
                     " d=%" PRId64, b, hk * groups, hk, q, k, d);
    if (below(&s, 2) == 0)
        n += snprintf(text + n, (size_t)(BENCH_SHAPE_MAX - n), " causal");
    if (below(&s, 6) == 0)
        n += snprintf(text + n, (size_t)(BENCH_SHAPE_MAX - n), " window=%" PRId64 ",0",
                      spread(&s, 16, k));
    snprintf(text + n, (size_t)(BENCH_SHAPE_MAX - n), "%s",
             types[below(&s, sizeof types / sizeof types[0])]);
}
