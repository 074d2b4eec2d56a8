/* SPDX-License-Identifier: MIT */
/*
 * Tile classes, hulls and per-pair bits of the visibility pieces. Each piece
 * is an interval of keys per row whose ends never move left as the row
 * grows, so a tile is judged from its first and last row.
 */
#include "problem/visibility.h"

#include <math.h>
#include <string.h>

#include "base/dtype.h"

struct span {
    int64_t lo, hi; /* keys lo..hi-1 */
};

/* The keys a piece shows to row i, within [0, nk). */
static struct span piece_span(const struct attn__vis *v, const struct attn__piece *e, int64_t i)
{
    struct span s = {0, v->nk};
    int64_t at = e->kind == ATTN__PIECE_BAND ? i + v->off : 0;
    if (e->lo != ATTN_UNBOUNDED) {
        int64_t lo;
        s.lo = __builtin_add_overflow(at, e->lo, &lo) ? (e->lo > 0 ? v->nk : 0) : lo;
    }
    if (e->hi != ATTN_UNBOUNDED) {
        int64_t hi, last = e->kind == ATTN__PIECE_BAND; /* a band includes its right end */
        if (__builtin_add_overflow(at, e->hi, &hi) || __builtin_add_overflow(hi, last, &hi))
            hi = e->hi > 0 ? v->nk : 0;
        s.hi = hi;
    }
    s.lo = s.lo < 0 ? 0 : s.lo > v->nk ? v->nk : s.lo;
    s.hi = s.hi > v->nk ? v->nk : s.hi;
    if (s.hi < s.lo)
        s.hi = s.lo;
    return s;
}

static int64_t seg_at(const void *data, int64_t at, int64_t stride, int32_t dtype, int64_t i)
{
    return attn__load_i64(data, at + i * stride, dtype);
}

static int64_t seg_q(const struct attn__vis *v, int64_t i)
{
    return seg_at(v->seg_q, v->seg_q_at, v->seg_q_stride, v->seg_q_dtype, i);
}

static int64_t seg_k(const struct attn__vis *v, int64_t j)
{
    return seg_at(v->seg_k, v->seg_k_at, v->seg_k_stride, v->seg_k_dtype, j);
}

/* From the extremes of the ids on both sides. */
static enum attn__tile segment_tile(const struct attn__vis *v, int64_t i0, int64_t i1, int64_t j0,
                                    int64_t j1)
{
    int64_t qmin = INT64_MAX, qmax = INT64_MIN, kmin = INT64_MAX, kmax = INT64_MIN;
    for (int64_t i = i0; i < i1; i++) {
        int64_t id = seg_q(v, i);
        qmin = id < qmin ? id : qmin;
        qmax = id > qmax ? id : qmax;
    }
    for (int64_t j = j0; j < j1; j++) {
        int64_t id = seg_k(v, j);
        kmin = id < kmin ? id : kmin;
        kmax = id > kmax ? id : kmax;
    }
    if (qmax < kmin || kmax < qmin)
        return ATTN__TILE_EMPTY;
    return qmin == qmax && kmin == kmax ? ATTN__TILE_FULL : ATTN__TILE_PARTIAL;
}

enum attn__tile attn__vis_tile(const struct attn__vis *v, int64_t r0, int64_t r1, int64_t j0,
                               int64_t j1)
{
    int64_t i0 = r0 / v->group, i1 = (r1 - 1) / v->group + 1;
    bool must_full = true, any_seen = false, any_full = false, any_empty = true;
    for (int32_t n = 0; n < v->p->n_pieces; n++) {
        const struct attn__piece *e = &v->p->piece[n];
        struct span first = piece_span(v, e, i0), last = piece_span(v, e, i1 - 1);
        bool empty = last.hi <= j0 || first.lo >= j1;
        bool full = last.lo <= j0 && first.hi >= j1;
        if (e->any) {
            any_seen = true;
            any_full |= full;
            any_empty &= empty;
        } else {
            if (empty)
                return ATTN__TILE_EMPTY;
            must_full &= full;
        }
    }
    if (any_seen && any_empty)
        return ATTN__TILE_EMPTY;
    bool full = must_full && (!any_seen || any_full);
    if (v->seg_q) {
        enum attn__tile t = segment_tile(v, i0, i1, j0, j1);
        if (t == ATTN__TILE_EMPTY)
            return t;
        full &= t == ATTN__TILE_FULL;
    }
    return full && !v->mask ? ATTN__TILE_FULL : ATTN__TILE_PARTIAL;
}

void attn__vis_hull(const struct attn__vis *v, int64_t r0, int64_t r1, int64_t *j0, int64_t *j1)
{
    int64_t i0 = r0 / v->group, i1 = (r1 - 1) / v->group + 1;
    struct span must = {0, v->nk}, any = {v->nk, 0};
    bool any_seen = false;
    for (int32_t n = 0; n < v->p->n_pieces; n++) {
        const struct attn__piece *e = &v->p->piece[n];
        int64_t lo = piece_span(v, e, i0).lo, hi = piece_span(v, e, i1 - 1).hi;
        if (!e->any) {
            must.lo = lo > must.lo ? lo : must.lo;
            must.hi = hi < must.hi ? hi : must.hi;
        } else {
            any_seen = true;
            if (lo < hi) {
                any.lo = lo < any.lo ? lo : any.lo;
                any.hi = hi > any.hi ? hi : any.hi;
            }
        }
    }
    if (any_seen) {
        must.lo = any.lo > must.lo ? any.lo : must.lo;
        must.hi = any.hi < must.hi ? any.hi : must.hi;
    }
    *j0 = must.lo;
    *j1 = must.hi > must.lo ? must.hi : must.lo;
}

/* Rows r0..r1-1, at most 64, as bits of a word. */
struct rows {
    int64_t r0, r1;
    int64_t i0, i1; /* the queries they belong to */
    int64_t group;
};

/* The bits of those rows whose query is one of lo..hi-1. */
static uint64_t row_bits(const struct rows *r, int64_t lo, int64_t hi)
{
    lo = lo <= r->i0 ? r->r0 : lo >= r->i1 ? r->r1 : lo * r->group;
    hi = hi >= r->i1 ? r->r1 : hi <= r->i0 ? r->r0 : hi * r->group;
    if (lo >= hi)
        return 0;
    uint64_t up_to = hi - r->r0 >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << (hi - r->r0)) - 1;
    return up_to & ~((UINT64_C(1) << (lo - r->r0)) - 1);
}

/* The rows that see key j through a piece: the band read the other way. */
static uint64_t piece_bits(const struct attn__vis *v, const struct attn__piece *e,
                           const struct rows *r, int64_t j)
{
    int64_t lo = r->i0, hi = r->i1, edge;
    if (e->kind == ATTN__PIECE_RECT) {
        struct span s = piece_span(v, e, lo);
        return j >= s.lo && j < s.hi ? row_bits(r, lo, hi) : 0;
    }
    if (e->hi != ATTN_UNBOUNDED) /* i >= j - off - hi */
        lo = __builtin_sub_overflow(j - v->off, e->hi, &edge) ? (e->hi < 0 ? hi : lo) : edge;
    if (e->lo != ATTN_UNBOUNDED) /* i <= j - off - lo */
        hi = __builtin_sub_overflow(j - v->off, e->lo, &edge) || edge == INT64_MAX
                 ? (e->lo < 0 ? r->i1 : r->i0)
                 : edge + 1;
    return row_bits(r, lo, hi);
}

/* 1 in each byte that is not 0. */
static uint64_t nonzero_bytes(uint64_t x)
{
    const uint64_t low7 = UINT64_C(0x7f7f7f7f7f7f7f7f);
    return (((x & low7) + low7) | x) >> 7 & ~low7 >> 7;
}

/* Eight keys of a mask with dense rows: row r's eight bytes become bit r % 8
 * of a word's bytes, one byte a key. */
static void mask_eight(const uint8_t *const *row, int64_t rows, int64_t j, uint64_t *bits)
{
    uint64_t seen[8] = {0};
    for (int64_t r = 0; r < rows; r += 8) {
        uint64_t word = 0;
        for (int64_t n = 0; n < 8 && r + n < rows; n++) {
            uint64_t x;
            memcpy(&x, row[r + n] + j, sizeof x);
            word |= nonzero_bytes(x) << n;
        }
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        word = __builtin_bswap64(word);
#endif
        for (int k = 0; k < 8; k++)
            seen[k] |= (word >> (8 * k) & 0xff) << r;
    }
    for (int k = 0; k < 8; k++)
        bits[k] &= seen[k];
}

static const uint8_t *mask_row(const struct attn__vis *v, int64_t r)
{
    return v->mask + r / v->group * v->mask_row + r % v->group * v->mask_head;
}

static void mask_bits(const struct attn__vis *v, int64_t r0, int64_t r1, int64_t j0, int64_t j1,
                      uint64_t *bits)
{
    const uint8_t *row[64];
    int64_t rows = r1 - r0, j = j0;
    for (int64_t r = 0; r < rows; r++)
        row[r] = mask_row(v, r0 + r);
    for (; v->mask_col == 1 && j + 8 <= j1; j += 8)
        mask_eight(row, rows, j, bits + (j - j0));
    for (; j < j1; j++)
        for (int64_t r = 0; r < rows; r++)
            bits[j - j0] &= ~((uint64_t)(row[r][j * v->mask_col] == 0) << r);
}

static void segment_bits(const struct attn__vis *v, int64_t r0, int64_t r1, int64_t j0, int64_t j1,
                         uint64_t *bits)
{
    int64_t id[64];
    for (int64_t r = r0; r < r1; r++)
        id[r - r0] = seg_q(v, r / v->group);
    for (int64_t j = j0; j < j1; j++) {
        int64_t key = seg_k(v, j);
        uint64_t same = 0;
        for (int64_t r = 0; r < r1 - r0; r++)
            same |= (uint64_t)(id[r] == key) << r;
        bits[j - j0] &= same;
    }
}

void attn__vis_bits(const struct attn__vis *v, int64_t r0, int64_t r1, int64_t j0, int64_t j1,
                    uint64_t *bits)
{
    struct rows r = {r0, r1, r0 / v->group, (r1 - 1) / v->group + 1, v->group};
    uint64_t all = row_bits(&r, r.i0, r.i1);
    bool any_seen = false;
    for (int32_t n = 0; n < v->p->n_pieces; n++)
        any_seen |= v->p->piece[n].any;
    for (int64_t j = j0; j < j1; j++) {
        uint64_t must = all, any = 0;
        for (int32_t n = 0; n < v->p->n_pieces; n++) {
            const struct attn__piece *e = &v->p->piece[n];
            uint64_t rows = piece_bits(v, e, &r, j);
            if (e->any)
                any |= rows;
            else
                must &= rows;
        }
        bits[j - j0] = any_seen ? must & any : must;
    }
    if (v->seg_q)
        segment_bits(v, r0, r1, j0, j1, bits);
    if (v->mask)
        mask_bits(v, r0, r1, j0, j1, bits);
}

/* The keys of row i by position: at most ATTN__MAX_PIECES runs, in order,
 * apart from each other. Returns how many. */
static int row_spans(const struct attn__vis *v, int64_t i, struct span out[ATTN__MAX_PIECES])
{
    struct span must = {0, v->nk};
    bool any_seen = false;
    int n = 0;
    for (int32_t e = 0; e < v->p->n_pieces; e++) {
        struct span s = piece_span(v, &v->p->piece[e], i);
        if (!v->p->piece[e].any) {
            must.lo = s.lo > must.lo ? s.lo : must.lo;
            must.hi = s.hi < must.hi ? s.hi : must.hi;
            continue;
        }
        any_seen = true;
        int at = n++; /* sorted by lo */
        for (; at > 0 && out[at - 1].lo > s.lo; at--)
            out[at] = out[at - 1];
        out[at] = s;
    }
    if (!any_seen) {
        out[0] = must;
        return must.lo < must.hi;
    }
    int kept = 0;
    for (int k = 0; k < n; k++) {
        struct span s = out[k];
        s.lo = s.lo < must.lo ? must.lo : s.lo;
        s.hi = s.hi > must.hi ? must.hi : s.hi;
        if (s.lo >= s.hi)
            continue;
        if (kept > 0 && s.lo <= out[kept - 1].hi)
            out[kept - 1].hi = s.hi > out[kept - 1].hi ? s.hi : out[kept - 1].hi;
        else
            out[kept++] = s;
    }
    return kept;
}

static void hide_run(float *s, int64_t j0, int64_t j1, int64_t lo, int64_t hi)
{
    lo = lo < j0 ? j0 : lo;
    hi = hi > j1 ? j1 : hi;
    for (int64_t j = lo; j < hi; j++)
        s[j - j0] = -INFINITY;
}

void attn__vis_hide(const struct attn__vis *v, int64_t r, int64_t j0, int64_t j1, float *s)
{
    struct span see[ATTN__MAX_PIECES];
    int64_t i = r / v->group, at = j0;
    int n = row_spans(v, i, see);
    for (int k = 0; k < n; k++) {
        hide_run(s, j0, j1, at, see[k].lo);
        at = see[k].hi > at ? see[k].hi : at;
    }
    hide_run(s, j0, j1, at, j1);
    if (v->seg_q) {
        int64_t id = seg_q(v, i);
        for (int64_t j = j0; j < j1; j++)
            s[j - j0] = seg_k(v, j) == id ? s[j - j0] : -INFINITY;
    }
    if (v->mask) {
        const uint8_t *row = mask_row(v, r);
        for (int64_t j = j0; j < j1; j++)
            s[j - j0] = row[j * v->mask_col] ? s[j - j0] : -INFINITY;
    }
}

double attn__vis_share(const struct attn__problem *p, int64_t nq, int64_t nk)
{
    enum { SAMPLES = 64 };
    struct attn__vis v = {.p = p, .nk = nk, .group = 1};
    v.off = p->align == ATTN_ALIGN_TOP_LEFT ? 0 : nk - nq;
    if (p->n_pieces == 0 || nq == 0 || nk == 0)
        return 1.0;
    int64_t samples = nq < SAMPLES ? nq : SAMPLES;
    double seen = 0;
    for (int64_t n = 0; n < samples; n++) {
        struct span see[ATTN__MAX_PIECES];
        int64_t i = (int64_t)(((double)n + 0.5) * (double)nq / (double)samples);
        int spans = row_spans(&v, i, see);
        for (int k = 0; k < spans; k++)
            seen += (double)(see[k].hi - see[k].lo);
    }
    return seen / ((double)samples * (double)nk);
}
