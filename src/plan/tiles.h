/* SPDX-License-Identifier: MIT */
/*
 * Which tiles of a head an execute would compute: the classes that solvers
 * skip by, for whoever wants to look at them.
 */
#ifndef ATTN_PLAN_TILES_H
#define ATTN_PLAN_TILES_H

#include "problem/call.h"

/* A grid of tiles over the rows and keys of a sequence. */
struct attn__tile_grid {
    int64_t seq, head;
    int64_t q_tile, k_tile;
    int64_t rows, columns; /* tiles; attn__tiles_measure fills them */
};

/* ATTN_ERR_RANGE for a sequence or head that there is not. */
int32_t attn__tiles_measure(const struct attn__call *c, struct attn__tile_grid *g);

/* classes [rows][columns], ATTN_TILE_*. */
void attn__tiles_classify(const struct attn__call *c, const struct attn__tile_grid *g,
                          uint8_t *classes);

#endif /* ATTN_PLAN_TILES_H */
