/* SPDX-License-Identifier: MIT */
/*
 * Random numbers of the tests: splitmix64, so that a seed gives the same
 * problems on every machine.
 */
#ifndef ATTN_MECH_RNG_H
#define ATTN_MECH_RNG_H

#include <stdbool.h>
#include <stdint.h>

struct rng {
    uint64_t state;
};

static inline uint64_t rng_next(struct rng *r)
{
    uint64_t z = r->state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

/* lo to hi, both included */
static inline int64_t rng_int(struct rng *r, int64_t lo, int64_t hi)
{
    return lo + (int64_t)(rng_next(r) % (uint64_t)(hi - lo + 1));
}

static inline bool rng_percent(struct rng *r, int percent)
{
    return rng_int(r, 0, 99) < percent;
}

/* 0 to 1 */
static inline double rng_unit(struct rng *r)
{
    return (double)(rng_next(r) >> 11) * 0x1p-53;
}

/* mean 0, deviation 1, within 6 */
static inline double rng_normal(struct rng *r)
{
    double sum = 0;
    for (int i = 0; i < 12; i++)
        sum += rng_unit(r);
    return sum - 6;
}

#endif /* ATTN_MECH_RNG_H */
