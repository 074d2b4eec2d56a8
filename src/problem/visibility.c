/* SPDX-License-Identifier: MIT */
/*
 * Tile classes, hulls and per-pair bits, put together from the pieces: a tile
 * is EMPTY if one MUST piece is or all ANY pieces are, FULL if all MUST pieces
 * are and one ANY piece is.
 *
 * Plain pieces, the usual ones, show each query one run of keys: bits of a
 * tile are made column by column and a row is hidden run by run. The others
 * are asked for words of 64 keys of a row, and a tile of those is turned.
 */
#include "problem/visibility.h"

#include <math.h>
#include <string.h>

#include "problem/vis_piece.h"

/* ---- one piece ---- */

static enum attn__tile head_tile(const struct attn__vis *v, const struct attn__piece *e, int64_t h,
                                 const struct attn__vis_rows *r, int64_t j0, int64_t j1)
{
    const int64_t *val = attn__vis_values(e, h);

    if (e->kind == ATTN_PIECE_STRIDE)
        return attn__vis_stride_tile(val, j0, j1);
    return attn__vis_span_tile(v, e->kind, val, r, j0, j1);
}

/* Of all heads of the group, seen or not. */
static enum attn__tile piece_tile(const struct attn__vis *v, const struct attn__piece *e,
                                  const struct attn__vis_rows *r, int64_t j0, int64_t j1)
{
    enum attn__tile all = head_tile(v, e, v->h0, r, j0, j1);

    for (int64_t h = 1; e->heads && h < v->group && all != ATTN__TILE_PARTIAL; h++)
        if (head_tile(v, e, v->h0 + h, r, j0, j1) != all)
            all = ATTN__TILE_PARTIAL;
    return all;
}

static struct attn__vis_span piece_hull(const struct attn__vis *v, const struct attn__piece *e,
                                        const struct attn__vis_rows *r)
{
    struct attn__vis_span all = {v->nk, 0};

    if (e->kind == ATTN_PIECE_STRIDE)
        return (struct attn__vis_span){0, v->nk};
    for (int64_t h = 0; h < (e->heads ? v->group : 1); h++) {
        struct attn__vis_span s =
            attn__vis_span_hull(v, e->kind, attn__vis_values(e, v->h0 + h), r);
        if (s.lo >= s.hi)
            continue;
        all.lo = s.lo < all.lo ? s.lo : all.lo;
        all.hi = s.hi > all.hi ? s.hi : all.hi;
    }
    return all;
}

/* Keys j0..j0+n-1 that query i of head h sees. */
static uint64_t piece_word(const struct attn__vis *v, const struct attn__piece *e, int64_t h,
                           int64_t i, int64_t j0, int64_t n)
{
    const int64_t *val = attn__vis_values(e, h);

    if (e->kind == ATTN_PIECE_STRIDE)
        return attn__vis_stride_word(val, j0, n);
    struct attn__vis_span s = attn__vis_span(v, e->kind, val, i);
    return attn__vis_run(j0, n, s.lo, s.hi);
}

/* ---- all of them ---- */

enum attn__tile attn__vis_tile(const struct attn__vis *v, int64_t r0, int64_t r1, int64_t j0,
                               int64_t j1)
{
    struct attn__vis_rows r = attn__vis_rows_of(v, r0, r1);
    bool full = !v->mask, any_seen = false, any_full = false, any_empty = true;

    for (int32_t n = 0; n < v->p->n_pieces; n++) {
        const struct attn__piece *e = &v->p->piece[n];
        enum attn__tile t = piece_tile(v, e, &r, j0, j1);
        if (e->any) {
            any_seen = true;
            any_full |= t == ATTN__TILE_FULL;
            any_empty &= t == ATTN__TILE_EMPTY;
        } else {
            if (t == ATTN__TILE_EMPTY)
                return t;
            full &= t == ATTN__TILE_FULL;
        }
    }
    if (any_seen && any_empty)
        return ATTN__TILE_EMPTY;
    full &= !any_seen || any_full;
    if (v->seg_q.data) {
        enum attn__tile t = attn__vis_segment_tile(v, &r, j0, j1);
        if (t == ATTN__TILE_EMPTY)
            return t;
        full &= t == ATTN__TILE_FULL;
    }
    return full ? ATTN__TILE_FULL : ATTN__TILE_PARTIAL;
}

void attn__vis_hull(const struct attn__vis *v, int64_t r0, int64_t r1, int64_t *j0, int64_t *j1)
{
    struct attn__vis_rows r = attn__vis_rows_of(v, r0, r1);
    struct attn__vis_span must = {0, v->nk}, any = {v->nk, 0};
    bool any_seen = false;

    for (int32_t n = 0; n < v->p->n_pieces; n++) {
        const struct attn__piece *e = &v->p->piece[n];
        struct attn__vis_span s = piece_hull(v, e, &r);
        if (!e->any) {
            must.lo = s.lo > must.lo ? s.lo : must.lo;
            must.hi = s.hi < must.hi ? s.hi : must.hi;
        } else {
            any_seen = true;
            if (s.lo < s.hi) {
                any.lo = s.lo < any.lo ? s.lo : any.lo;
                any.hi = s.hi > any.hi ? s.hi : any.hi;
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

static bool has_any(const struct attn__problem *p)
{
    for (int32_t n = 0; n < p->n_pieces; n++)
        if (p->piece[n].any)
            return true;
    return false;
}

/* Keys j0..j1-1, at most 64, that an ANY piece shows, all of them plain. */
static void any_bits(const struct attn__vis *v, const struct attn__vis_rows *r, int64_t j0,
                     int64_t j1, uint64_t *bits)
{
    uint64_t any[ATTN__VIS_WORD] = {0}, one[ATTN__VIS_WORD];

    for (int32_t k = 0; k < v->p->n_pieces; k++) {
        const struct attn__piece *e = &v->p->piece[k];
        if (!e->any)
            continue;
        memset(one, 0xff, sizeof one);
        attn__vis_span_bits(v, e->kind, e->v, r, j0, j1, one);
        for (int64_t j = 0; j < j1 - j0; j++)
            any[j] |= one[j];
    }
    for (int64_t j = 0; j < j1 - j0; j++)
        bits[j] &= any[j];
}

static void plain_bits(const struct attn__vis *v, int64_t r0, int64_t r1, int64_t j0, int64_t j1,
                       uint64_t *bits)
{
    struct attn__vis_rows r = attn__vis_rows_of(v, r0, r1);
    uint64_t all = attn__vis_low(r1 - r0);

    for (int64_t j = j0; j < j1; j++)
        bits[j - j0] = all;
    for (int32_t k = 0; k < v->p->n_pieces; k++) {
        const struct attn__piece *e = &v->p->piece[k];
        if (!e->any)
            attn__vis_span_bits(v, e->kind, e->v, &r, j0, j1, bits);
    }
    for (int64_t j = j0; j < j1 && has_any(v->p); j += ATTN__VIS_WORD)
        any_bits(v, &r, j, j1 - j < ATTN__VIS_WORD ? j1 : j + ATTN__VIS_WORD, bits + (j - j0));
}

static uint64_t row_word(const struct attn__vis *v, int64_t h, int64_t i, int64_t j0, int64_t n)
{
    uint64_t must = attn__vis_low(n), any = 0;
    bool any_seen = false;

    for (int32_t k = 0; k < v->p->n_pieces; k++) {
        const struct attn__piece *e = &v->p->piece[k];
        uint64_t keys = piece_word(v, e, h, i, j0, n);
        if (e->any) {
            any_seen = true;
            any |= keys;
        } else {
            must &= keys;
        }
    }
    return any_seen ? must & any : must;
}

/* Bit c of word r becomes bit r of word c (Warren, Hacker's Delight, 2003). */
static void turn(uint64_t word[ATTN__VIS_WORD])
{
    uint64_t mask = UINT64_C(0xffffffff);

    for (int width = 32; width > 0; width >>= 1, mask ^= mask << width)
        for (int r = 0; r < ATTN__VIS_WORD; r = ((r | width) + 1) & ~width) {
            uint64_t swap = (word[r] >> width ^ word[r | width]) & mask;
            word[r] ^= swap << width;
            word[r | width] ^= swap;
        }
}

/* Keys j0..j0+n-1, at most 64. */
static void word_bits(const struct attn__vis *v, int64_t r0, int64_t r1, int64_t j0, int64_t n,
                      uint64_t *bits)
{
    uint64_t word[ATTN__VIS_WORD] = {0};

    for (int64_t r = r0; r < r1; r++)
        word[r - r0] = row_word(v, v->h0 + r % v->group, r / v->group, j0, n);
    turn(word);
    memcpy(bits, word, (size_t)n * sizeof *bits);
}

void attn__vis_bits(const struct attn__vis *v, int64_t r0, int64_t r1, int64_t j0, int64_t j1,
                    uint64_t *bits)
{
    if (v->p->plain_pieces) {
        plain_bits(v, r0, r1, j0, j1, bits);
    } else {
        for (int64_t j = j0; j < j1; j += ATTN__VIS_WORD)
            word_bits(v, r0, r1, j, j1 - j < ATTN__VIS_WORD ? j1 - j : ATTN__VIS_WORD,
                      bits + (j - j0));
    }
    if (v->seg_q.data)
        attn__vis_segment_bits(v, r0, r1, j0, j1, bits);
    if (v->mask)
        attn__vis_mask_bits(v, r0, r1, j0, j1, bits);
}

/* The keys of query i by plain pieces: at most ATTN__MAX_PIECES runs, in
 * order, apart from each other. Returns how many. */
static int row_spans(const struct attn__vis *v, int64_t i,
                     struct attn__vis_span out[ATTN__MAX_PIECES])
{
    struct attn__vis_span must = {0, v->nk};
    bool any_seen = false;
    int n = 0;

    for (int32_t k = 0; k < v->p->n_pieces; k++) {
        const struct attn__piece *e = &v->p->piece[k];
        struct attn__vis_span s = attn__vis_span(v, e->kind, e->v, i);
        if (!e->any) {
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
        struct attn__vis_span s = out[k];
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

static void hide_spans(const struct attn__vis *v, int64_t i, int64_t j0, int64_t j1, float *s)
{
    struct attn__vis_span see[ATTN__MAX_PIECES];
    int64_t at = j0;
    int n = row_spans(v, i, see);

    for (int k = 0; k < n; k++) {
        hide_run(s, j0, j1, at, see[k].lo);
        at = see[k].hi > at ? see[k].hi : at;
    }
    hide_run(s, j0, j1, at, j1);
}

static void hide_words(const struct attn__vis *v, int64_t r, int64_t j0, int64_t j1, float *s)
{
    for (int64_t j = j0; j < j1; j += ATTN__VIS_WORD, s += ATTN__VIS_WORD) {
        int64_t n = j1 - j < ATTN__VIS_WORD ? j1 - j : ATTN__VIS_WORD;
        uint64_t word = row_word(v, v->h0 + r % v->group, r / v->group, j, n);
        if (word == attn__vis_low(n))
            continue;
        for (int64_t k = 0; k < n; k++)
            s[k] = word >> k & 1 ? s[k] : -INFINITY;
    }
}

void attn__vis_hide(const struct attn__vis *v, int64_t r, int64_t j0, int64_t j1, float *s)
{
    if (v->p->plain_pieces)
        hide_spans(v, r / v->group, j0, j1, s);
    else
        hide_words(v, r, j0, j1, s);
    if (v->seg_q.data)
        attn__vis_segment_hide(v, r, j0, j1, s);
    if (v->mask)
        attn__vis_mask_hide(v, r, j0, j1, s);
}

/* Keys of query i of head h that are visible, from at most SAMPLES words. */
static double sampled(const struct attn__vis *v, int64_t h, int64_t i)
{
    enum { SAMPLES = 64 };
    int64_t words = (v->nk + ATTN__VIS_WORD - 1) / ATTN__VIS_WORD;
    int64_t samples = words < SAMPLES ? words : SAMPLES, keys = 0, seen = 0;

    for (int64_t k = 0; k < samples; k++) {
        int64_t w = (int64_t)(((double)k + 0.5) * (double)words / (double)samples);
        int64_t j0 = w * ATTN__VIS_WORD, rest = v->nk - j0;
        int64_t n = rest < ATTN__VIS_WORD ? rest : ATTN__VIS_WORD;
        seen += __builtin_popcountll(row_word(v, h, i, j0, n));
        keys += n;
    }
    return (double)seen / (double)keys * (double)v->nk;
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
        struct attn__vis_span see[ATTN__MAX_PIECES];
        int64_t i = (int64_t)(((double)n + 0.5) * (double)nq / (double)samples);
        if (!p->plain_pieces) {
            seen += sampled(&v, n % p->hout, i);
            continue;
        }
        int spans = row_spans(&v, i, see);
        for (int k = 0; k < spans; k++)
            seen += (double)(see[k].hi - see[k].lo);
    }
    return seen / ((double)samples * (double)nk);
}
