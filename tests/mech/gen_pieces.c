/* SPDX-License-Identifier: MIT */
/*
 * Pieces of every kind, for all heads or for each, in sizes where tiles are
 * seen in part.
 */
#include "gen_parts.h"

#include <inttypes.h>

static void say_number(struct gen_problem *p, const char *before, int64_t x)
{
    if (x == ATTN_UNBOUNDED)
        gen_say(p, "%sinf", before);
    else
        gen_say(p, "%s%" PRId64, before, x);
}

static int64_t seldom_inf(struct rng *r, int percent, int64_t x)
{
    return rng_percent(r, percent) ? ATTN_UNBOUNDED : x;
}

static int64_t values_of(struct rng *r, int32_t kind, int64_t queries, int64_t keys, int64_t *v)
{
    switch (kind) {
    case ATTN_PIECE_BAND:
        v[3] = rng_percent(r, 50) ? 1 : rng_int(r, 2, 20);
        v[0] = seldom_inf(r, 30, rng_int(r, -3, 80) / v[3]);
        v[1] = seldom_inf(r, 20, rng_percent(r, 40) ? 0 : rng_int(r, -3, 40) / v[3]);
        v[2] = rng_percent(r, 60) ? 0 : rng_int(r, -30, 30);
        if (rng_percent(r, 2))
            v[0] = INT64_MAX;
        if (rng_percent(r, 2))
            v[1] = rng_percent(r, 50) ? INT64_MAX : -INT64_MAX;
        return 4;
    case ATTN_PIECE_RECT:
        v[0] = rng_percent(r, 40) ? 0 : rng_int(r, 0, queries);
        v[1] = seldom_inf(r, 30, rng_int(r, v[0], queries + 5 > v[0] ? queries + 5 : v[0]));
        v[2] = rng_percent(r, 40) ? 0 : rng_int(r, 0, keys);
        v[3] = seldom_inf(r, 20, rng_int(r, v[2], keys + 5 > v[2] ? keys + 5 : v[2]));
        return 4;
    case ATTN_PIECE_PREFIX:
        v[0] = rng_int(r, 0, 40);
        return 1;
    default:
        v[0] = rng_percent(r, 40) ? 1 : rng_int(r, 2, 80);
        v[1] = rng_int(r, 1, 6);
        v[2] = rng_int(r, -9, 9);
        return 3;
    }
}

void gen_pieces(struct maker *m)
{
    static const int32_t kinds[] = {ATTN_PIECE_BAND, ATTN_PIECE_BAND, ATTN_PIECE_RECT,
                                    ATTN_PIECE_PREFIX, ATTN_PIECE_STRIDE};
    struct gen_problem *p = m->p;
    struct rng *r = &m->rng;
    int64_t pieces = rng_percent(r, 25) ? rng_int(r, 1, GEN_PIECES) : 0;

    p->options.pieces = p->piece;
    p->options.n_pieces = pieces;
    for (int64_t i = 0; i < pieces; i++) {
        struct oracle_piece *e = &p->piece[i];
        bool heads = rng_percent(r, 25);
        e->kind = kinds[rng_int(r, 0, 4)];
        e->any = rng_percent(r, 60);
        e->v = p->piece_value[i];
        for (int64_t h = 0; h < (heads ? p->options.hout : 1); h++)
            e->n += values_of(r, e->kind, m->longest_q, m->longest_k,
                              p->piece_value[i] + e->n);
        gen_say(p, " %s=%s[", e->any ? "any" : "must", attn_piece_name(e->kind));
        for (int64_t n = 0; n < e->n; n++)
            say_number(p, n > 0 ? "," : "", e->v[n]);
        gen_say(p, "]");
    }
}
