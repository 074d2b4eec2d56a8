/* SPDX-License-Identifier: MIT */
/*
 * Classes of tiles as solvers see them, for one head by itself.
 */
#include "plan/tiles.h"

#include <inttypes.h>

#include "base/error.h"
#include "solvers/epilogue.h"

static int32_t out_of_range(const char *what, int64_t found, int64_t n)
{
    return attn__error_set(ATTN_ERR_RANGE, "%s is %" PRId64 ", expected 0 to %" PRId64, what,
                           found, n - 1);
}

static int64_t tiles_of(int64_t n, int64_t tile)
{
    return n / tile + (n % tile != 0);
}

int32_t attn__tiles_measure(const struct attn__call *c, struct attn__tile_grid *g)
{
    if (g->seq < 0 || g->seq >= c->n_seq)
        return out_of_range("seq", g->seq, c->n_seq);
    if (g->head < 0 || g->head >= c->p->hout)
        return out_of_range("head", g->head, c->p->hout);
    struct attn__seq s = attn__call_seq(c, g->seq);
    g->rows = tiles_of(s.nq, g->q_tile);
    g->columns = tiles_of(s.nk, g->k_tile);
    return ATTN_OK;
}

/* Of rows i0..i1-1: none, some or all are computed. */
static enum attn__tile active(const struct attn__call *c, const struct attn__seq *s, int64_t h,
                              int64_t i0, int64_t i1)
{
    int64_t n = 0;
    for (int64_t i = i0; i < i1; i++)
        n += attn__epilogue_active(c, s, h, i);
    return n == 0 ? ATTN__TILE_EMPTY : n < i1 - i0 ? ATTN__TILE_PARTIAL : ATTN__TILE_FULL;
}

/* A single pair is visible or not. */
static enum attn__tile of_pair(const struct attn__vis *v, int64_t i, int64_t j)
{
    uint64_t bits = 0;
    attn__vis_bits(v, i, i + 1, j, j + 1, &bits);
    return bits & 1 ? ATTN__TILE_FULL : ATTN__TILE_EMPTY;
}

void attn__tiles_classify(const struct attn__call *c, const struct attn__tile_grid *g,
                          uint8_t *classes)
{
    static const uint8_t number[] = {[ATTN__TILE_EMPTY] = ATTN_TILE_EMPTY,
                                     [ATTN__TILE_PARTIAL] = ATTN_TILE_PARTIAL,
                                     [ATTN__TILE_FULL] = ATTN_TILE_FULL};
    struct attn__seq s = attn__call_seq(c, g->seq);
    struct attn__vis v = attn__call_vis(c, &s, g->head, 1);
    bool gates = c->p->epilogue.head_gate || c->p->epilogue.head_factor;
    for (int64_t t = 0; t < g->rows; t++) {
        int64_t i0 = t * g->q_tile, i1 = attn__min_i64(i0 + g->q_tile, s.nq);
        enum attn__tile rows = gates ? active(c, &s, g->head, i0, i1) : ATTN__TILE_FULL;
        for (int64_t u = 0; u < g->columns; u++) {
            int64_t j0 = u * g->k_tile, j1 = attn__min_i64(j0 + g->k_tile, s.nk);
            enum attn__tile class = rows;
            if (rows != ATTN__TILE_EMPTY)
                class = attn__vis_tile(&v, i0, i1, j0, j1);
            if (class == ATTN__TILE_PARTIAL && i1 - i0 == 1 && j1 - j0 == 1)
                class = of_pair(&v, i0, j0);
            if (class == ATTN__TILE_FULL)
                class = rows;
            classes[t * g->columns + u] = number[class];
        }
    }
}
