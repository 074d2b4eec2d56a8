/* SPDX-License-Identifier: MIT */
/*
 * The lists of role SELECTION as a piece: entries are runs of keys in rising
 * order, so that what a tile needs of one is found by halving.
 */
#include "problem/vis_piece.h"

bool attn__vis_rows_differ(const struct attn__vis *v)
{
    return v->rows && v->h0 / v->rows->head_group !=
                          (v->h0 + v->group - 1) / v->rows->head_group;
}

/* Entries at..end-1. */
struct entries {
    int64_t at, end;
};

static struct entries entries_of(const struct attn__vis *v, int64_t h, int64_t i)
{
    int64_t row = attn__select_row(v->rows, v->rows_b, h, i);
    return (struct entries){v->rows->row_ptr[row], v->rows->row_ptr[row + 1]};
}

static int64_t end_of(const struct attn__vis *v, int64_t e)
{
    return (int64_t)v->rows->start[e] + v->rows->length[e];
}

int64_t attn__select_find(const struct attn__select_rows *s, int64_t at, int64_t end, int64_t j)
{
    while (at < end) {
        int64_t middle = at + (end - at) / 2;
        if ((int64_t)s->start[middle] + s->length[middle] <= j)
            at = middle + 1;
        else
            end = middle;
    }
    return at;
}

/* The query after the last that has the same list as query i. */
static int64_t next_list(const struct attn__vis *v, int64_t i)
{
    return attn__vis_times(i / v->rows->q_block + 1, v->rows->q_block);
}

static enum attn__tile one_tile(const struct attn__vis *v, struct entries l, int64_t j0,
                                int64_t j1)
{
    int64_t e = attn__select_find(v->rows, l.at, l.end, j0);

    if (e == l.end || v->rows->start[e] >= j1)
        return ATTN__TILE_EMPTY;
    if (v->rows->start[e] > j0)
        return ATTN__TILE_PARTIAL;
    while (end_of(v, e) < j1 && e + 1 < l.end && v->rows->start[e + 1] == end_of(v, e))
        e++;
    return end_of(v, e) >= j1 ? ATTN__TILE_FULL : ATTN__TILE_PARTIAL;
}

enum attn__tile attn__vis_rows_tile(const struct attn__vis *v, int64_t h,
                                    const struct attn__vis_rows *r, int64_t j0, int64_t j1)
{
    enum attn__tile all = one_tile(v, entries_of(v, h, r->i0), j0, j1);

    for (int64_t i = next_list(v, r->i0); i < r->i1 && all != ATTN__TILE_PARTIAL;
         i = next_list(v, i))
        if (one_tile(v, entries_of(v, h, i), j0, j1) != all)
            all = ATTN__TILE_PARTIAL;
    return all;
}

struct attn__vis_span attn__vis_rows_hull(const struct attn__vis *v, int64_t h,
                                          const struct attn__vis_rows *r)
{
    struct attn__vis_span all = {v->nk, 0};

    for (int64_t i = r->i0; i < r->i1; i = next_list(v, i)) {
        struct entries l = entries_of(v, h, i);
        if (l.at == l.end)
            continue;
        int64_t hi = end_of(v, l.end - 1);
        all.lo = v->rows->start[l.at] < all.lo ? v->rows->start[l.at] : all.lo;
        all.hi = hi > all.hi ? hi : all.hi;
    }
    all.hi = all.hi > v->nk ? v->nk : all.hi;
    return all;
}

uint64_t attn__vis_rows_word(const struct attn__vis *v, int64_t h, int64_t i, int64_t j0,
                             int64_t n)
{
    struct entries l = entries_of(v, h, i);
    uint64_t word = 0;

    for (int64_t e = attn__select_find(v->rows, l.at, l.end, j0);
         e < l.end && v->rows->start[e] < j0 + n; e++)
        word |= attn__vis_run(j0, n, v->rows->start[e], end_of(v, e));
    return word;
}
