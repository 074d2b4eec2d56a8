/* SPDX-License-Identifier: MIT */
/*
 * Pieces that show each query one run of keys. The ends of a band never move
 * left as the query grows, so a tile is judged from its first and last query;
 * a rectangle is the same for all queries it holds. Sums stop at the ends of
 * 64 bits, which are beyond all keys.
 */
#include "problem/vis_piece.h"

/* left, right, off, unit */
static struct attn__vis_span band(const struct attn__vis *v, const int64_t *val, int64_t i)
{
    int64_t unit = val[3], at = attn__vis_floor(i + v->off + val[2], unit);
    struct attn__vis_span s = {0, v->nk};

    if (val[0] != ATTN_UNBOUNDED)
        s.lo = attn__vis_times(attn__vis_add(at, -val[0]), unit);
    if (val[1] != ATTN_UNBOUNDED)
        s.hi = attn__vis_times(attn__vis_add(attn__vis_add(at, val[1]), 1), unit);
    return s;
}

/* q0, q1, k0, k1 of a rectangle; a prefix is one of all queries. */
static void corners(const struct attn__vis *v, int32_t kind, const int64_t *val, int64_t c[4])
{
    bool rect = kind == ATTN_PIECE_RECT;

    c[0] = rect ? val[0] : 0;
    c[1] = !rect || val[1] == ATTN_UNBOUNDED ? INT64_MAX : val[1];
    c[2] = rect ? val[2] : 0;
    c[3] = rect ? val[3] : val[0];
    if (c[3] == ATTN_UNBOUNDED)
        c[3] = v->nk;
}

struct attn__vis_span attn__vis_span(const struct attn__vis *v, int32_t kind, const int64_t *val,
                                     int64_t i)
{
    struct attn__vis_span s = {0, 0};
    int64_t c[4];

    if (kind == ATTN_PIECE_BAND) {
        s = band(v, val, i);
    } else {
        corners(v, kind, val, c);
        if (i >= c[0] && i < c[1])
            s = (struct attn__vis_span){c[2], c[3]};
    }
    s.lo = s.lo < 0 ? 0 : s.lo > v->nk ? v->nk : s.lo;
    s.hi = s.hi < s.lo ? s.lo : s.hi > v->nk ? v->nk : s.hi;
    return s;
}

enum attn__tile attn__vis_span_tile(const struct attn__vis *v, int32_t kind, const int64_t *val,
                                    const struct attn__vis_rows *r, int64_t j0, int64_t j1)
{
    bool empty, full;

    if (kind == ATTN_PIECE_BAND) {
        struct attn__vis_span first = attn__vis_span(v, kind, val, r->i0);
        struct attn__vis_span last = attn__vis_span(v, kind, val, r->i1 - 1);
        empty = last.hi <= j0 || first.lo >= j1;
        full = last.lo <= j0 && first.hi >= j1;
    } else {
        int64_t c[4];
        corners(v, kind, val, c);
        empty = c[1] <= r->i0 || c[0] >= r->i1 || c[3] <= j0 || c[2] >= j1;
        full = c[0] <= r->i0 && c[1] >= r->i1 && c[2] <= j0 && c[3] >= j1;
    }
    return empty ? ATTN__TILE_EMPTY : full ? ATTN__TILE_FULL : ATTN__TILE_PARTIAL;
}

struct attn__vis_span attn__vis_span_hull(const struct attn__vis *v, int32_t kind,
                                          const int64_t *val, const struct attn__vis_rows *r)
{
    int64_t first = r->i0, last = r->i1 - 1, c[4];

    if (kind != ATTN_PIECE_BAND) { /* any query inside tells */
        corners(v, kind, val, c);
        first = last = c[0] > first ? c[0] : first;
        if (last >= r->i1)
            return (struct attn__vis_span){v->nk, v->nk};
    }
    return (struct attn__vis_span){attn__vis_span(v, kind, val, first).lo,
                                   attn__vis_span(v, kind, val, last).hi};
}

/* The first row of the tile whose query is i or a later one; the end if none
 * is. i is one of r->i0..r->i1-1. */
static int64_t first_row(const struct attn__vis *v, const struct attn__vis_rows *r, int64_t i)
{
    int64_t lo = r->r0, hi = r->r1;

    if (!v->lines)
        return i * v->group;
    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;
        if (attn__vis_query(v, mid) < i)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* The bits of those rows whose query is one of lo..hi-1. */
static uint64_t row_bits(const struct attn__vis *v, const struct attn__vis_rows *r, int64_t lo,
                         int64_t hi)
{
    lo = lo <= r->i0 ? r->r0 : lo >= r->i1 ? r->r1 : first_row(v, r, lo);
    hi = hi >= r->i1 ? r->r1 : hi <= r->i0 ? r->r0 : first_row(v, r, hi);
    return attn__vis_run(r->r0, r->r1 - r->r0, lo, hi);
}

/* The rows that see key j; the band read the other way: I runs from J - right
 * to J + left. */
static uint64_t column(const struct attn__vis *v, int32_t kind, const int64_t *val,
                       const struct attn__vis_rows *r, int64_t j)
{
    int64_t lo = r->i0, hi = r->i1, c[4];

    if (kind != ATTN_PIECE_BAND) {
        corners(v, kind, val, c);
        return row_bits(v, r, c[0], c[1]);
    }
    int64_t unit = val[3], at = attn__vis_floor(j, unit), base = v->off + val[2];
    if (val[1] != ATTN_UNBOUNDED)
        lo = attn__vis_add(attn__vis_times(attn__vis_add(at, -val[1]), unit), -base);
    if (val[0] != ATTN_UNBOUNDED)
        hi = attn__vis_add(attn__vis_times(attn__vis_add(attn__vis_add(at, val[0]), 1), unit),
                           -base);
    return row_bits(v, r, lo, hi);
}

static int64_t within(int64_t j, int64_t j0, int64_t j1)
{
    return j < j0 ? j0 : j > j1 ? j1 : j;
}

/* Most keys of a tile are seen by all rows or by none. */
void attn__vis_span_bits(const struct attn__vis *v, int32_t kind, const int64_t *val,
                         const struct attn__vis_rows *r, int64_t j0, int64_t j1, uint64_t *bits)
{
    struct attn__vis_span all = attn__vis_span_hull(v, kind, val, r), every = {j1, j1};
    int64_t lo = within(all.lo, j0, j1), hi = within(all.hi, lo, j1);

    if (kind == ATTN_PIECE_BAND) {
        every.lo = within(attn__vis_span(v, kind, val, r->i1 - 1).lo, lo, hi);
        every.hi = within(attn__vis_span(v, kind, val, r->i0).hi, every.lo, hi);
    } else {
        every.lo = every.hi = hi;
    }
    for (int64_t j = j0; j < lo; j++)
        bits[j - j0] = 0;
    for (int64_t j = lo; j < every.lo; j++)
        bits[j - j0] &= column(v, kind, val, r, j);
    for (int64_t j = every.hi; j < hi; j++)
        bits[j - j0] &= column(v, kind, val, r, j);
    for (int64_t j = hi; j < j1; j++)
        bits[j - j0] = 0;
}
