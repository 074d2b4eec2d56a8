/* SPDX-License-Identifier: MIT */
/*
 * How many keys rows see, for normalisers that divide by it.
 */
#ifndef ATTN_PROBLEM_VIS_COUNT_H
#define ATTN_PROBLEM_VIS_COUNT_H

#include "problem/visibility.h"

/* count[r - r0]: the visible keys of row r; at most 64 rows. */
void attn__vis_count(const struct attn__vis *v, int64_t r0, int64_t r1, int64_t *count);

#endif /* ATTN_PROBLEM_VIS_COUNT_H */
