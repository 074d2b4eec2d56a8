/* SPDX-License-Identifier: MIT */
/*
 * One pair, one piece.
 */
#include "oracle_pieces.h"

static int64_t floor_of(int64_t a, int64_t unit)
{
    int64_t q = a / unit;
    return q * unit > a ? q - 1 : q;
}

static bool within(int64_t x, int64_t lo, int64_t hi)
{
    return x >= lo && (hi == ATTN_UNBOUNDED || x < hi);
}

bool oracle_piece_shows(const struct oracle_piece *e, const struct oracle_pair *x)
{
    static const int64_t width[] = {
        [ATTN_PIECE_BAND] = 4, [ATTN_PIECE_RECT] = 4, [ATTN_PIECE_PREFIX] = 1,
        [ATTN_PIECE_STRIDE] = 3};
    int64_t w = width[e->kind], distance;
    const int64_t *v = e->n > w ? e->v + x->h * w : e->v;

    switch (e->kind) {
    case ATTN_PIECE_BAND:
        distance = floor_of(x->at_k, v[3]) - floor_of(x->at_q + v[2], v[3]);
        return (v[0] == ATTN_UNBOUNDED || distance >= -v[0]) &&
               (v[1] == ATTN_UNBOUNDED || distance <= v[1]);
    case ATTN_PIECE_RECT:
        return within(x->i, v[0], v[1]) && within(x->j, v[2], v[3]);
    case ATTN_PIECE_PREFIX:
        return x->j < v[0];
    default:
        return (floor_of(x->at_k, v[0]) + v[2]) % v[1] == 0;
    }
}
