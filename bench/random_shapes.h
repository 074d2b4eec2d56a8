/* SPDX-License-Identifier: MIT */
/* Problems of random shape, to see whether the planner chooses well. */
#ifndef ATTN_BENCH_RANDOM_SHAPES_H
#define ATTN_BENCH_RANDOM_SHAPES_H

#include <stddef.h>
#include <stdint.h>

enum { BENCH_SHAPE_MAX = 160 };

/*
 * Problem number `index` of a seed: sizes spread evenly over their orders of
 * magnitude, so much work at most that a run takes a fraction of a second.
 */
void bench_random_shape(uint64_t seed, uint64_t index,
                        char text[BENCH_SHAPE_MAX]);

#endif
