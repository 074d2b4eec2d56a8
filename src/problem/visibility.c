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

/* When planning there is nothing that execute brings. */
static bool is_known(const struct attn__vis *v, const struct attn__piece *e)
{
    switch (e->kind) {
    case ATTN_PIECE_SEGMENT:
        return v->seg_q.data != NULL;
    case ATTN_PIECE_PAIR:
        return v->class_q.data != NULL;
    case ATTN_PIECE_LIST:
        return v->list_offsets.data != NULL;
    case ATTN__PIECE_ROWS:
        return v->rows != NULL;
    case ATTN_PIECE_TREE:
        return v->tree.data != NULL;
    case ATTN_PIECE_RECT:
        return !e->given || v->rects.data != NULL;
    default:
        return !attn__vis_is_by_id(v, e) || v->pos_q.data != NULL;
    }
}

static enum attn__tile head_tile(const struct attn__vis *v, const struct attn__piece *e, int64_t h,
                                 const struct attn__vis_rows *r, int64_t j0, int64_t j1)
{
    const int64_t *val = attn__vis_values(v, e, h);

    if (attn__vis_is_by_id(v, e))
        return attn__vis_id_tile(v, e, val, r, j0, j1);
    switch (e->kind) {
    case ATTN_PIECE_STRIDE:
        return attn__vis_stride_tile(val, j0, j1);
    case ATTN_PIECE_LIST:
        return attn__vis_list_tile(v, val, h, r, j0, j1);
    case ATTN__PIECE_ROWS:
        return attn__vis_rows_tile(v, h, r, j0, j1);
    case ATTN_PIECE_TREE:
        return attn__vis_tree_tile(v, val, j1);
    default:
        return e->given && e->kind == ATTN_PIECE_RECT
                   ? attn__vis_rects_tile(v, r, j0, j1)
                   : attn__vis_span_tile(v, e->kind, val, r, j0, j1);
    }
}

/* Do the heads of a group differ in this piece? */
static bool by_head(const struct attn__vis *v, const struct attn__piece *e)
{
    return e->heads || (e->kind == ATTN_PIECE_LIST && v->list_head != 0) ||
           (e->kind == ATTN__PIECE_ROWS && attn__vis_rows_differ(v));
}

/* Of all heads of the group, seen or not. */
static enum attn__tile piece_tile(const struct attn__vis *v, const struct attn__piece *e,
                                  const struct attn__vis_rows *r, int64_t j0, int64_t j1)
{
    enum attn__tile all = head_tile(v, e, v->h0, r, j0, j1);

    for (int64_t h = 1; h < v->group && all != ATTN__TILE_PARTIAL && by_head(v, e); h++)
        if (head_tile(v, e, v->h0 + h, r, j0, j1) != all)
            all = ATTN__TILE_PARTIAL;
    return all;
}

static struct attn__vis_span head_hull(const struct attn__vis *v, const struct attn__piece *e,
                                       int64_t h, const struct attn__vis_rows *r)
{
    const int64_t *val = attn__vis_values(v, e, h);

    if (e->kind == ATTN_PIECE_LIST)
        return attn__vis_list_hull(v, val, h, r);
    if (e->kind == ATTN__PIECE_ROWS)
        return attn__vis_rows_hull(v, h, r);
    if (e->kind == ATTN_PIECE_RECT && e->given)
        return attn__vis_rects_hull(v, r);
    if (e->kind == ATTN_PIECE_STRIDE || e->kind == ATTN_PIECE_TREE || attn__vis_is_by_id(v, e))
        return (struct attn__vis_span){0, v->nk};
    return attn__vis_span_hull(v, e->kind, val, r);
}

static struct attn__vis_span piece_hull(const struct attn__vis *v, const struct attn__piece *e,
                                        const struct attn__vis_rows *r)
{
    struct attn__vis_span all = {v->nk, 0};

    for (int64_t h = 0; h < (by_head(v, e) ? v->group : 1); h++) {
        struct attn__vis_span s = head_hull(v, e, v->h0 + h, r);
        if (s.lo >= s.hi)
            continue;
        all.lo = s.lo < all.lo ? s.lo : all.lo;
        all.hi = s.hi > all.hi ? s.hi : all.hi;
    }
    return all;
}

/* Of the keys those that query i of head h sees. */
static uint64_t piece_word(const struct attn__vis *v, const struct attn__piece *e, int64_t h,
                           int64_t i, struct attn__vis_keys *keys)
{
    const int64_t *val = attn__vis_values(v, e, h);
    int64_t j0 = keys->j0, n = keys->n;

    if (attn__vis_is_by_id(v, e))
        return attn__vis_id_word(v, e, val, i, keys);
    switch (e->kind) {
    case ATTN_PIECE_STRIDE:
        return attn__vis_stride_word(val, j0, n);
    case ATTN_PIECE_LIST:
        return attn__vis_list_word(v, val, h, i, j0, n);
    case ATTN__PIECE_ROWS:
        return attn__vis_rows_word(v, h, i, j0, n);
    case ATTN_PIECE_TREE:
        return attn__vis_tree_word(v, val, i, j0, n);
    default:
        if (e->given && e->kind == ATTN_PIECE_RECT)
            return attn__vis_rects_word(v, i, j0, n);
    }
    struct attn__vis_span s = attn__vis_span(v, e->kind, val, i);
    return attn__vis_run(j0, n, s.lo, s.hi);
}

/* ---- all of them ---- */

enum attn__tile attn__vis_tile(const struct attn__vis *v, int64_t r0, int64_t r1, int64_t j0,
                               int64_t j1)
{
    struct attn__vis_rows r = attn__vis_rows_of(v, r0, r1);
    bool full = !v->mask, any_seen = false, any_full = false, any_empty = true;

    for (int32_t n = 0; n < v->n_pieces; n++) {
        const struct attn__piece *e = &v->piece[n];
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
    if (v->p->segments) {
        enum attn__tile t = attn__vis_segment_tile(v, &r, j0, j1);
        if (t == ATTN__TILE_EMPTY)
            return t;
        full &= t == ATTN__TILE_FULL;
    }
    if (v->p->mask_fn) {
        enum attn__tile t = attn__vis_user_tile(v, &r, j0, j1);
        if (t == ATTN__TILE_EMPTY)
            return t;
        full &= t == ATTN__TILE_FULL;
    }
    if (v->odd) {
        enum attn__tile t = attn__vis_paged_tile(v, j0, j1);
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

    for (int32_t n = 0; n < v->n_pieces; n++) {
        const struct attn__piece *e = &v->piece[n];
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

int32_t attn__vis_any_hulls(const struct attn__vis *v, int64_t r0, int64_t r1,
                            struct attn__vis_span out[ATTN__MAX_PIECES])
{
    struct attn__vis_rows r = attn__vis_rows_of(v, r0, r1);
    int32_t n = 0, kept = 0;

    for (int32_t k = 0; k < v->n_pieces; k++) {
        struct attn__vis_span s;
        int32_t at = n;
        if (!v->piece[k].any)
            continue;
        s = piece_hull(v, &v->piece[k], &r);
        if (s.lo >= s.hi)
            continue;
        for (; at > 0 && out[at - 1].lo > s.lo; at--)
            out[at] = out[at - 1];
        out[at] = s;
        n++;
    }
    for (int32_t k = 0; k < n; k++) {
        if (kept > 0 && out[k].lo <= out[kept - 1].hi)
            out[kept - 1].hi = out[k].hi > out[kept - 1].hi ? out[k].hi : out[kept - 1].hi;
        else
            out[kept++] = out[k];
    }
    return kept;
}

static bool has_any(const struct attn__vis *v)
{
    for (int32_t n = 0; n < v->n_pieces; n++)
        if (v->piece[n].any)
            return true;
    return false;
}

/* Keys j0..j1-1, at most 64, that an ANY piece shows, all of them plain. */
static void any_bits(const struct attn__vis *v, const struct attn__vis_rows *r, int64_t j0,
                     int64_t j1, uint64_t *bits)
{
    uint64_t any[ATTN__VIS_WORD] = {0}, one[ATTN__VIS_WORD];

    for (int32_t k = 0; k < v->n_pieces; k++) {
        const struct attn__piece *e = &v->piece[k];
        if (!e->any)
            continue;
        memset(one, 0xff, sizeof one);
        attn__vis_span_bits(v, e->kind, attn__vis_values(v, e, v->h0), r, j0, j1, one);
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
    for (int32_t k = 0; k < v->n_pieces; k++) {
        const struct attn__piece *e = &v->piece[k];
        if (!e->any)
            attn__vis_span_bits(v, e->kind, attn__vis_values(v, e, v->h0), &r, j0, j1, bits);
    }
    for (int64_t j = j0; j < j1 && has_any(v); j += ATTN__VIS_WORD)
        any_bits(v, &r, j, j1 - j < ATTN__VIS_WORD ? j1 : j + ATTN__VIS_WORD, bits + (j - j0));
}

static uint64_t row_word(const struct attn__vis *v, int64_t h, int64_t i,
                         struct attn__vis_keys *keys)
{
    uint64_t must = attn__vis_low(keys->n), any = 0;
    bool any_seen = false;

    for (int32_t k = 0; k < v->n_pieces; k++) {
        const struct attn__piece *e = &v->piece[k];
        uint64_t word = is_known(v, e) ? piece_word(v, e, h, i, keys) : ~UINT64_C(0);
        if (e->any) {
            any_seen = true;
            any |= word;
        } else {
            must &= word;
        }
    }
    return any_seen ? must & any : must;
}

static void start_keys(struct attn__vis_keys *keys, int64_t j0, int64_t j1)
{
    keys->j0 = j0;
    keys->n = j1 - j0 < ATTN__VIS_WORD ? j1 - j0 : ATTN__VIS_WORD;
    keys->has_pos = keys->has_seg = keys->has_class = false;
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

/* The first 64 of keys j0..j1-1. Rows of one query are the same where heads
 * are. */
static void word_bits(const struct attn__vis *v, int64_t r0, int64_t r1, int64_t j0, int64_t j1,
                      uint64_t *bits)
{
    uint64_t word[ATTN__VIS_WORD] = {0};
    struct attn__vis_keys keys;
    bool heads = false;

    for (int32_t k = 0; k < v->n_pieces; k++)
        heads |= by_head(v, &v->piece[k]);
    start_keys(&keys, j0, j1);
    for (int64_t r = r0; r < r1; r++)
        word[r - r0] = r > r0 && attn__vis_query(v, r) == attn__vis_query(v, r - 1) && !heads
                           ? word[r - r0 - 1]
                           : row_word(v, attn__vis_head(v, r), attn__vis_query(v, r), &keys);
    turn(word);
    memcpy(bits, word, (size_t)keys.n * sizeof *bits);
}

void attn__vis_bits(const struct attn__vis *v, int64_t r0, int64_t r1, int64_t j0, int64_t j1,
                    uint64_t *bits)
{
    if (v->plain) {
        plain_bits(v, r0, r1, j0, j1, bits);
    } else {
        for (int64_t j = j0; j < j1; j += ATTN__VIS_WORD)
            word_bits(v, r0, r1, j, j1, bits + (j - j0));
    }
    if (v->p->segments)
        attn__vis_segment_bits(v, r0, r1, j0, j1, bits);
    if (v->mask)
        attn__vis_mask_bits(v, r0, r1, j0, j1, bits);
    if (v->p->mask_fn) {
        struct attn__vis_rows r = attn__vis_rows_of(v, r0, r1);
        attn__vis_user_bits(v, &r, j0, j1, bits);
    }
    if (v->odd)
        attn__vis_paged_bits(v, r0, r1, j0, j1, bits);
}

/* The keys of query i by plain pieces: at most ATTN__MAX_PIECES runs, in
 * order, apart from each other. Returns how many. */
static int row_spans(const struct attn__vis *v, int64_t i,
                     struct attn__vis_span out[ATTN__MAX_PIECES])
{
    struct attn__vis_span must = {0, v->nk};
    bool any_seen = false;
    int n = 0;

    for (int32_t k = 0; k < v->n_pieces; k++) {
        const struct attn__piece *e = &v->piece[k];
        struct attn__vis_span s = attn__vis_span(v, e->kind, attn__vis_values(v, e, v->h0), i);
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
        struct attn__vis_keys keys;
        start_keys(&keys, j, j1);
        uint64_t word = row_word(v, attn__vis_head(v, r), attn__vis_query(v, r), &keys);
        if (word == attn__vis_low(keys.n))
            continue;
        for (int64_t k = 0; k < keys.n; k++)
            s[k] = word >> k & 1 ? s[k] : -INFINITY;
    }
}

void attn__vis_hide(const struct attn__vis *v, int64_t r, int64_t j0, int64_t j1, float *s)
{
    if (v->plain)
        hide_spans(v, attn__vis_query(v, r), j0, j1, s);
    else
        hide_words(v, r, j0, j1, s);
    if (v->p->segments)
        attn__vis_segment_hide(v, r, j0, j1, s);
    if (v->mask)
        attn__vis_mask_hide(v, r, j0, j1, s);
    if (v->p->mask_fn)
        attn__vis_user_hide(v, r, j0, j1, s);
    if (v->odd)
        attn__vis_paged_hide(v, r, j0, j1, s);
}

/* Keys of query i of head h that are visible, from at most SAMPLES words. */
static double sampled(const struct attn__vis *v, int64_t h, int64_t i)
{
    enum { SAMPLES = 64 };
    int64_t words = (v->nk + ATTN__VIS_WORD - 1) / ATTN__VIS_WORD;
    int64_t samples = words < SAMPLES ? words : SAMPLES, keys = 0, seen = 0;

    for (int64_t k = 0; k < samples; k++) {
        int64_t w = (int64_t)(((double)k + 0.5) * (double)words / (double)samples);
        struct attn__vis_keys word;
        start_keys(&word, w * ATTN__VIS_WORD, v->nk);
        seen += __builtin_popcountll(row_word(v, h, i, &word));
        keys += word.n;
    }
    return (double)seen / (double)keys * (double)v->nk;
}

/* Lists are made to leave most out; how much comes at execute. */
static double list_share(const struct attn__problem *p)
{
    for (int32_t n = 0; n < p->n_pieces; n++)
        if ((p->piece[n].kind == ATTN_PIECE_LIST || p->piece[n].kind == ATTN__PIECE_ROWS) &&
            !p->piece[n].any)
            return 0.25;
    return 1;
}

double attn__vis_share(const struct attn__problem *p, int64_t nq, int64_t nk)
{
    enum { SAMPLES = 64 };
    struct attn__vis v = {.p = p,
                          .piece = p->piece,
                          .n_pieces = p->n_pieces,
                          .plain = p->plain_pieces,
                          .nq = nq,
                          .nk = nk,
                          .group = 1,
                          .prefix_len = nk};
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
    return list_share(p) * seen / ((double)samples * (double)nk);
}
