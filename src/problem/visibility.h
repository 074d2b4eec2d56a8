/* SPDX-License-Identifier: MIT */
/*
 * Which pairs of a sequence are visible: the static pieces of the problem
 * with the sequence's lengths, segments and mask. Keys are counted within the
 * sequence; row r is query r / group of head h0 + r % group, so that the heads
 * that share K and V can be taken together.
 */
#ifndef ATTN_PROBLEM_VISIBILITY_H
#define ATTN_PROBLEM_VISIBILITY_H

#include "problem/problem.h"

/* Numbers that execute brought, one for each query or key of the sequence. */
struct attn__vis_ids {
    const void *data; /* NULL: none */
    int32_t dtype;
    int64_t at, stride; /* elements */
};

struct attn__vis {
    const struct attn__problem *p;
    int64_t nk, off;
    int64_t h0, group; /* heads whose rows alternate */
    struct attn__vis_ids seg_q, seg_k;
    const uint8_t *mask; /* NULL: no mask */
    int64_t mask_head, mask_row, mask_col;
};

enum attn__tile { ATTN__TILE_EMPTY, ATTN__TILE_PARTIAL, ATTN__TILE_FULL };

/* Class of the tile of rows r0..r1-1 and keys j0..j1-1 (neither empty, both
 * inside the sequence). PARTIAL may be said of a tile that is not. */
enum attn__tile attn__vis_tile(const struct attn__vis *v, int64_t r0, int64_t r1, int64_t j0,
                               int64_t j1);

/* Keys outside *j0..*j1-1 are invisible to all rows r0..r1-1. */
void attn__vis_hull(const struct attn__vis *v, int64_t r0, int64_t r1, int64_t *j0, int64_t *j1);

/* bits[j - j0], bit r - r0: does row r see key j; at most 64 rows. */
void attn__vis_bits(const struct attn__vis *v, int64_t r0, int64_t r1, int64_t j0, int64_t j1,
                    uint64_t *bits);

/* The scores s[j - j0] of row r that are not visible become -inf. */
void attn__vis_hide(const struct attn__vis *v, int64_t r, int64_t j0, int64_t j1, float *s);

/* The share of all pairs that the static pieces leave visible, estimated from
 * some of the rows: for costs. What execute brings is taken as visible. */
double attn__vis_share(const struct attn__problem *p, int64_t nq, int64_t nk);

#endif /* ATTN_PROBLEM_VISIBILITY_H */
