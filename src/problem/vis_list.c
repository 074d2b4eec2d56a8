/* SPDX-License-Identifier: MIT */
/*
 * Pieces that are told explicitly at execute: lists of key blocks, bits of
 * trees, rectangles. Lists are in rising order, so that what a tile needs of
 * one is found by halving.
 */
#include "problem/vis_piece.h"

/* A list: entries at..end-1 of LIST_INDEX. */
struct list {
    int64_t at, end;
};

static struct list list_of(const struct attn__vis *v, const int64_t *val, int64_t h, int64_t i)
{
    struct attn__vis_ids d = v->list_offsets;
    int64_t block = val[0] == ATTN_UNBOUNDED ? 0 : i / val[0];

    d.at += h * v->list_head;
    return (struct list){attn__vis_id(&d, block), attn__vis_id(&d, block + 1)};
}

/* The first entry of the list that is `block` or more. */
static int64_t find(const struct attn__vis *v, struct list l, int64_t block)
{
    while (l.at < l.end) {
        int64_t middle = l.at + (l.end - l.at) / 2;
        if (attn__vis_id(&v->list_index, middle) < block)
            l.at = middle + 1;
        else
            l.end = middle;
    }
    return l.at;
}

/* The query after the last that has the same list as query i. */
static int64_t next_list(const int64_t *val, int64_t i)
{
    return val[0] == ATTN_UNBOUNDED ? INT64_MAX : attn__vis_times(i / val[0] + 1, val[0]);
}

static enum attn__tile one_tile(const struct attn__vis *v, struct list l, int64_t first,
                                int64_t last)
{
    int64_t at = find(v, l, first), more = last - first;

    if (at == l.end || attn__vis_id(&v->list_index, at) > last)
        return ATTN__TILE_EMPTY;
    /* rising: so many entries further stands the last block only if all of
     * them are there */
    if (attn__vis_id(&v->list_index, at) == first && more < l.end - at &&
        attn__vis_id(&v->list_index, at + more) == last)
        return ATTN__TILE_FULL;
    return ATTN__TILE_PARTIAL;
}

enum attn__tile attn__vis_list_tile(const struct attn__vis *v, const int64_t *val, int64_t h,
                                    const struct attn__vis_rows *r, int64_t j0, int64_t j1)
{
    int64_t first = j0 / val[1], last = (j1 - 1) / val[1];
    enum attn__tile all = one_tile(v, list_of(v, val, h, r->i0), first, last);

    for (int64_t i = next_list(val, r->i0); i < r->i1 && all != ATTN__TILE_PARTIAL;
         i = next_list(val, i))
        if (one_tile(v, list_of(v, val, h, i), first, last) != all)
            all = ATTN__TILE_PARTIAL;
    return all;
}

struct attn__vis_span attn__vis_list_hull(const struct attn__vis *v, const int64_t *val, int64_t h,
                                          const struct attn__vis_rows *r)
{
    struct attn__vis_span all = {v->nk, 0};

    for (int64_t i = r->i0; i < r->i1; i = next_list(val, i)) {
        struct list l = list_of(v, val, h, i);
        if (l.at >= l.end)
            continue;
        int64_t lo = attn__vis_times(attn__vis_id(&v->list_index, l.at), val[1]);
        int64_t hi = attn__vis_id(&v->list_index, l.end - 1);
        hi = attn__vis_times(attn__vis_add(hi, 1), val[1]);
        all.lo = lo < all.lo ? lo : all.lo;
        all.hi = hi > all.hi ? hi : all.hi;
    }
    all.lo = all.lo < 0 ? 0 : all.lo;
    all.hi = all.hi > v->nk ? v->nk : all.hi;
    return all;
}

uint64_t attn__vis_list_word(const struct attn__vis *v, const int64_t *val, int64_t h, int64_t i,
                             int64_t j0, int64_t n)
{
    struct list l = list_of(v, val, h, i);
    int64_t last = (j0 + n - 1) / val[1];
    uint64_t word = 0;

    for (int64_t at = find(v, l, j0 / val[1]); at < l.end; at++) {
        int64_t block = attn__vis_id(&v->list_index, at);
        if (block > last)
            break;
        word |= attn__vis_run(j0, n, attn__vis_times(block, val[1]),
                              attn__vis_times(attn__vis_add(block, 1), val[1]));
    }
    return word;
}

/* ---- trees ---- */

static int64_t tree_keys(const struct attn__vis *v, const int64_t *val)
{
    return val[0] == ATTN_UNBOUNDED ? v->nq : val[0];
}

enum attn__tile attn__vis_tree_tile(const struct attn__vis *v, const int64_t *val, int64_t j1)
{
    return j1 <= v->nk - tree_keys(v, val) ? ATTN__TILE_FULL : ATTN__TILE_PARTIAL;
}

static uint64_t tree_part(const struct attn__vis *v, int64_t i, int64_t word)
{
    struct attn__vis_ids d = v->tree;

    d.at += i * v->tree_row;
    return word < v->tree_words ? (uint64_t)attn__vis_id(&d, word) : 0;
}

uint64_t attn__vis_tree_word(const struct attn__vis *v, const int64_t *val, int64_t i, int64_t j0,
                             int64_t n)
{
    int64_t bit = j0 - (v->nk - tree_keys(v, val)), past = 0;
    uint64_t word;

    if (bit < 0) { /* so many keys of the past come first */
        past = bit <= -n ? n : -bit;
        if (past == n)
            return attn__vis_low(n);
        bit = 0;
    }
    word = tree_part(v, i, bit / 64) >> bit % 64;
    if (bit % 64 != 0)
        word |= tree_part(v, i, bit / 64 + 1) << (64 - bit % 64);
    return (word << past | attn__vis_low(past)) & attn__vis_low(n);
}

/* ---- rectangles ---- */

static void corners(const struct attn__vis *v, int64_t n, int64_t c[4])
{
    struct attn__vis_ids d = v->rects;

    d.at += n * v->rect_stride;
    for (int k = 0; k < 4; k++)
        c[k] = attn__vis_id(&d, k);
}

enum attn__tile attn__vis_rects_tile(const struct attn__vis *v, const struct attn__vis_rows *r,
                                     int64_t j0, int64_t j1)
{
    enum attn__tile best = ATTN__TILE_EMPTY;
    int64_t c[4];

    for (int64_t n = 0; n < v->n_rects && best != ATTN__TILE_FULL; n++) {
        corners(v, n, c);
        enum attn__tile t = attn__vis_span_tile(v, ATTN_PIECE_RECT, c, r, j0, j1);
        best = t > best ? t : best;
    }
    return best;
}

struct attn__vis_span attn__vis_rects_hull(const struct attn__vis *v,
                                           const struct attn__vis_rows *r)
{
    struct attn__vis_span all = {v->nk, 0};
    int64_t c[4];

    for (int64_t n = 0; n < v->n_rects; n++) {
        corners(v, n, c);
        struct attn__vis_span s = attn__vis_span_hull(v, ATTN_PIECE_RECT, c, r);
        if (s.lo >= s.hi)
            continue;
        all.lo = s.lo < all.lo ? s.lo : all.lo;
        all.hi = s.hi > all.hi ? s.hi : all.hi;
    }
    return all;
}

uint64_t attn__vis_rects_word(const struct attn__vis *v, int64_t i, int64_t j0, int64_t n)
{
    uint64_t word = 0;
    int64_t c[4];

    for (int64_t k = 0; k < v->n_rects; k++) {
        corners(v, k, c);
        struct attn__vis_span s = attn__vis_span(v, ATTN_PIECE_RECT, c, i);
        word |= attn__vis_run(j0, n, s.lo, s.hi);
    }
    return word;
}
