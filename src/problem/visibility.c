/* SPDX-License-Identifier: MIT */
/*
 * Tile classes, hulls and per-pair bits, put together from the pieces: a tile
 * is EMPTY if one MUST piece is or all ANY pieces are, FULL if all MUST pieces
 * are and one ANY piece is.
 *
 * Plain pieces, the usual ones, show each query one run of keys: bits of a
 * tile are made column by column and a row is hidden run by run. The others
 * are asked for words of 64 keys of a row, and a tile of those is turned.
 *
 * Where a step of a cache branches, the pieces of the plan go by the places of
 * its tokens, which several of them may share, and not by their numbers: they
 * are asked for words, too. Lists name numbers all the same.
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

/* The step whose tokens have places that are not their numbers; NULL: none. */
static const struct attn__paged_step *step_of(const struct attn__vis *v)
{
    return v->odd && v->odd->step->depth && v->p->view.own_pieces ? v->odd->step : NULL;
}

static bool is_by_place(const struct attn__vis *v, const struct attn__piece *e)
{
    return step_of(v) && e->kind != ATTN__PIECE_ROWS;
}

/* The same rows with the places of their queries, the least and the largest. */
static struct attn__vis_rows placed(const struct attn__paged_step *s,
                                    const struct attn__vis_rows *r)
{
    struct attn__vis_rows at = {r->r0, r->r1, s->depth[r->i0], s->depth[r->i0] + 1};

    for (int64_t i = r->i0 + 1; i < r->i1; i++) {
        at.i0 = s->depth[i] < at.i0 ? s->depth[i] : at.i0;
        at.i1 = s->depth[i] + 1 > at.i1 ? s->depth[i] + 1 : at.i1;
    }
    return at;
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
    struct attn__vis_rows at = is_by_place(v, e) ? placed(step_of(v), r) : *r;

    if (is_by_place(v, e) && j1 > step_of(v)->first)
        return ATTN__TILE_PARTIAL;
    enum attn__tile all = head_tile(v, e, v->h0, &at, j0, j1);
    for (int64_t h = 1; h < v->group && all != ATTN__TILE_PARTIAL && by_head(v, e); h++)
        if (head_tile(v, e, v->h0 + h, &at, j0, j1) != all)
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
    bool places = is_by_place(v, e);
    struct attn__vis_rows at = places ? placed(step_of(v), r) : *r;

    for (int64_t h = 0; h < (by_head(v, e) ? v->group : 1); h++) {
        struct attn__vis_span s = head_hull(v, e, v->h0 + h, &at);
        if (s.lo >= s.hi)
            continue;
        if (places && s.hi > step_of(v)->first) /* numbers lie at their places or behind */
            s.hi = v->nk;
        all.lo = s.lo < all.lo ? s.lo : all.lo;
        all.hi = s.hi > all.hi ? s.hi : all.hi;
    }
    return all;
}

/* Of the keys those that query i of head h sees. */
static uint64_t number_word(const struct attn__vis *v, const struct attn__piece *e, int64_t h,
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

/* Keys in front of the step stand where their numbers say; its tokens are asked for singly. */
static uint64_t place_word(const struct attn__vis *v, const struct attn__piece *e, int64_t h,
                           int64_t i, const struct attn__vis_keys *keys)
{
    const struct attn__paged_step *s = step_of(v);
    struct attn__vis_keys some = {.j0 = keys->j0, .n = s->first - keys->j0};
    uint64_t word = 0;

    some.n = some.n > keys->n ? keys->n : some.n;
    if (some.n > 0)
        word = number_word(v, e, h, s->depth[i], &some);
    for (int64_t k = some.n > 0 ? some.n : 0; k < keys->n; k++) {
        some = (struct attn__vis_keys){.j0 = s->first + s->depth[keys->j0 + k - s->first], .n = 1};
        word |= (number_word(v, e, h, s->depth[i], &some) & 1) << k;
    }
    return word;
}

static uint64_t piece_word(const struct attn__vis *v, const struct attn__piece *e, int64_t h,
                           int64_t i, struct attn__vis_keys *keys)
{
    return is_by_place(v, e) ? place_word(v, e, h, i, keys) : number_word(v, e, h, i, keys);
}

static bool is_plain(const struct attn__vis *v, const struct attn__vis_pieces *list)
{
    return list->plain && !step_of(v);
}

/* ---- all of them ---- */

static enum attn__tile list_tile(const struct attn__vis *v, const struct attn__vis_pieces *list,
                                 const struct attn__vis_rows *r, int64_t j0, int64_t j1)
{
    bool full = true, any_seen = false, any_full = false, any_empty = true;

    for (int32_t n = 0; n < list->n; n++) {
        const struct attn__piece *e = &list->piece[n];
        enum attn__tile t = piece_tile(v, e, r, j0, j1);
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
    return full && (!any_seen || any_full) ? ATTN__TILE_FULL : ATTN__TILE_PARTIAL;
}

enum attn__tile attn__vis_tile(const struct attn__vis *v, int64_t r0, int64_t r1, int64_t j0,
                               int64_t j1)
{
    struct attn__vis_rows r = attn__vis_rows_of(v, r0, r1);
    const enum attn__tile own = list_tile(v, &v->own, &r, j0, j1);
    bool full = !v->mask && own == ATTN__TILE_FULL;

    if (own == ATTN__TILE_EMPTY)
        return own;
    if (v->rule.n > 0) {
        enum attn__tile t = list_tile(v, &v->rule, &r, j0, j1);
        if (t == ATTN__TILE_EMPTY)
            return t;
        full &= t == ATTN__TILE_FULL;
    }
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

/* What is left of *all. */
static void list_hull(const struct attn__vis *v, const struct attn__vis_pieces *list,
                      const struct attn__vis_rows *r, struct attn__vis_span *all)
{
    struct attn__vis_span must = *all, any = {v->nk, 0};
    bool any_seen = false;

    for (int32_t n = 0; n < list->n; n++) {
        const struct attn__piece *e = &list->piece[n];
        struct attn__vis_span s = piece_hull(v, e, r);
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
    *all = must;
}

void attn__vis_hull(const struct attn__vis *v, int64_t r0, int64_t r1, int64_t *j0, int64_t *j1)
{
    struct attn__vis_rows r = attn__vis_rows_of(v, r0, r1);
    struct attn__vis_span all = {0, v->nk};

    list_hull(v, &v->own, &r, &all);
    list_hull(v, &v->rule, &r, &all);
    *j0 = all.lo;
    *j1 = all.hi > all.lo ? all.hi : all.lo;
}

int32_t attn__vis_any_hulls(const struct attn__vis *v, int64_t r0, int64_t r1,
                            struct attn__vis_span out[ATTN__MAX_PIECES])
{
    struct attn__vis_rows r = attn__vis_rows_of(v, r0, r1);
    int32_t n = 0, kept = 0;

    for (int32_t k = 0; k < v->own.n; k++) {
        struct attn__vis_span s;
        int32_t at = n;
        if (!v->own.piece[k].any)
            continue;
        s = piece_hull(v, &v->own.piece[k], &r);
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

static bool has_any(const struct attn__vis_pieces *list)
{
    for (int32_t n = 0; n < list->n; n++)
        if (list->piece[n].any)
            return true;
    return false;
}

/* Keys j0..j1-1, at most 64, that an ANY piece shows, all of them plain. */
static void any_bits(const struct attn__vis *v, const struct attn__vis_pieces *list,
                     const struct attn__vis_rows *r, int64_t j0, int64_t j1, uint64_t *bits)
{
    uint64_t any[ATTN__VIS_WORD] = {0}, one[ATTN__VIS_WORD];

    for (int32_t k = 0; k < list->n; k++) {
        const struct attn__piece *e = &list->piece[k];
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

static void plain_bits(const struct attn__vis *v, const struct attn__vis_pieces *list, int64_t r0,
                       int64_t r1, int64_t j0, int64_t j1, uint64_t *bits)
{
    struct attn__vis_rows r = attn__vis_rows_of(v, r0, r1);

    for (int32_t k = 0; k < list->n; k++) {
        const struct attn__piece *e = &list->piece[k];
        if (!e->any)
            attn__vis_span_bits(v, e->kind, attn__vis_values(v, e, v->h0), &r, j0, j1, bits);
    }
    for (int64_t j = j0; j < j1 && has_any(list); j += ATTN__VIS_WORD)
        any_bits(v, list, &r, j, j1 - j < ATTN__VIS_WORD ? j1 : j + ATTN__VIS_WORD,
                 bits + (j - j0));
}

static uint64_t row_word(const struct attn__vis *v, const struct attn__vis_pieces *list, int64_t h,
                         int64_t i, struct attn__vis_keys *keys)
{
    uint64_t must = attn__vis_low(keys->n), any = 0;
    bool any_seen = false;

    for (int32_t k = 0; k < list->n; k++) {
        const struct attn__piece *e = &list->piece[k];
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
static void word_bits(const struct attn__vis *v, const struct attn__vis_pieces *list, int64_t r0,
                      int64_t r1, int64_t j0, int64_t j1, uint64_t *bits)
{
    uint64_t word[ATTN__VIS_WORD] = {0};
    struct attn__vis_keys keys;
    bool heads = false;

    for (int32_t k = 0; k < list->n; k++)
        heads |= by_head(v, &list->piece[k]);
    start_keys(&keys, j0, j1);
    for (int64_t r = r0; r < r1; r++)
        word[r - r0] = r > r0 && attn__vis_query(v, r) == attn__vis_query(v, r - 1) && !heads
                           ? word[r - r0 - 1]
                           : row_word(v, list, attn__vis_head(v, r), attn__vis_query(v, r), &keys);
    turn(word);
    for (int64_t k = 0; k < keys.n; k++)
        bits[k] &= word[k];
}

/* Takes the bits away of what the list hides. */
static void list_bits(const struct attn__vis *v, const struct attn__vis_pieces *list, int64_t r0,
                      int64_t r1, int64_t j0, int64_t j1, uint64_t *bits)
{
    if (list->n == 0)
        return;
    if (is_plain(v, list)) {
        plain_bits(v, list, r0, r1, j0, j1, bits);
    } else {
        for (int64_t j = j0; j < j1; j += ATTN__VIS_WORD)
            word_bits(v, list, r0, r1, j, j1, bits + (j - j0));
    }
}

void attn__vis_bits(const struct attn__vis *v, int64_t r0, int64_t r1, int64_t j0, int64_t j1,
                    uint64_t *bits)
{
    for (int64_t j = j0; j < j1; j++)
        bits[j - j0] = attn__vis_low(r1 - r0);
    list_bits(v, &v->own, r0, r1, j0, j1, bits);
    list_bits(v, &v->rule, r0, r1, j0, j1, bits);
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
static int row_spans(const struct attn__vis *v, const struct attn__vis_pieces *list, int64_t i,
                     struct attn__vis_span out[ATTN__MAX_PIECES])
{
    struct attn__vis_span must = {0, v->nk};
    bool any_seen = false;
    int n = 0;

    for (int32_t k = 0; k < list->n; k++) {
        const struct attn__piece *e = &list->piece[k];
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

static void hide_spans(const struct attn__vis *v, const struct attn__vis_pieces *list, int64_t i,
                       int64_t j0, int64_t j1, float *s)
{
    struct attn__vis_span see[ATTN__MAX_PIECES];
    int64_t at = j0;
    int n = row_spans(v, list, i, see);

    for (int k = 0; k < n; k++) {
        hide_run(s, j0, j1, at, see[k].lo);
        at = see[k].hi > at ? see[k].hi : at;
    }
    hide_run(s, j0, j1, at, j1);
}

static void hide_words(const struct attn__vis *v, const struct attn__vis_pieces *list, int64_t r,
                       int64_t j0, int64_t j1, float *s)
{
    for (int64_t j = j0; j < j1; j += ATTN__VIS_WORD, s += ATTN__VIS_WORD) {
        struct attn__vis_keys keys;
        start_keys(&keys, j, j1);
        uint64_t word = row_word(v, list, attn__vis_head(v, r), attn__vis_query(v, r), &keys);
        if (word == attn__vis_low(keys.n))
            continue;
        for (int64_t k = 0; k < keys.n; k++)
            s[k] = word >> k & 1 ? s[k] : -INFINITY;
    }
}

static void list_hide(const struct attn__vis *v, const struct attn__vis_pieces *list, int64_t r,
                      int64_t j0, int64_t j1, float *s)
{
    if (list->n == 0)
        return;
    if (is_plain(v, list))
        hide_spans(v, list, attn__vis_query(v, r), j0, j1, s);
    else
        hide_words(v, list, r, j0, j1, s);
}

void attn__vis_hide(const struct attn__vis *v, int64_t r, int64_t j0, int64_t j1, float *s)
{
    list_hide(v, &v->own, r, j0, j1, s);
    list_hide(v, &v->rule, r, j0, j1, s);
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
        seen += __builtin_popcountll(row_word(v, &v->own, h, i, &word));
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
                          .own = {p->piece, p->n_pieces, p->plain_pieces},
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
        int spans = row_spans(&v, &v.own, i, see);
        for (int k = 0; k < spans; k++)
            seen += (double)(see[k].hi - see[k].lo);
    }
    return list_share(p) * seen / ((double)samples * (double)nk);
}
