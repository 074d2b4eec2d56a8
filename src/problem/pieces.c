/* SPDX-License-Identifier: MIT */
/*
 * What the visibility parameters mean as pieces.
 */
#include "problem/pieces.h"

#include <inttypes.h>
#include <string.h>

#include <attn/selection.h>

#include "base/checked.h"
#include "base/error.h"

static void add(struct attn__problem *p, int32_t kind, bool any, int32_t n, const int64_t v[4])
{
    struct attn__piece *e = &p->piece[p->n_pieces++];

    *e = (struct attn__piece){.kind = kind, .any = any, .n = n};
    memcpy(e->v, v, sizeof e->v);
}

static void add_band(struct attn__problem *p, bool any, int64_t left, int64_t right)
{
    if (any || left != ATTN_UNBOUNDED || right != ATTN_UNBOUNDED)
        add(p, ATTN_PIECE_BAND, any, 4, (int64_t[4]){left, right, 0, 1});
}

static void add_prefix(struct attn__problem *p, int64_t n)
{
    add(p, ATTN_PIECE_PREFIX, true, 1, (int64_t[4]){n});
}

static bool any_added(const struct attn__params *v)
{
    for (size_t i = 0; i < v->pieces.n; i++)
        if (v->pieces.piece[i].mode == ATTN_MODE_ANY)
            return true;
    return false;
}

/*
 * causal & (window | sink_tokens) | prefix. With a prefix, causal and window
 * are one band; sink tokens inside a prefix add nothing. Neither does a prefix
 * or a sink token where everything is visible, unless an added ANY piece
 * narrows that down.
 */
static int32_t shorthand(const struct attn__params *v, struct attn__problem *p)
{
    bool causal = attn__params_i64_or(v, ATTN_PARAM_CAUSAL, 0) != 0;
    int64_t left = attn__params_i64_or(v, ATTN_PARAM_WINDOW_LEFT, ATTN_UNBOUNDED);
    int64_t right = attn__params_i64_or(v, ATTN_PARAM_WINDOW_RIGHT, ATTN_UNBOUNDED);
    int64_t sink = attn__params_i64_or(v, ATTN_PARAM_SINK_TOKENS, 0);
    int64_t prefix = attn__params_i64_or(v, ATTN_PARAM_PREFIX, 0);
    bool window = left != ATTN_UNBOUNDED || right != ATTN_UNBOUNDED, any = any_added(v);
    bool lists_or = attn__params_i64_or(v, ATTN_PARAM_LISTS, ATTN_LISTS_AND) == ATTN_LISTS_OR;

    if (prefix > 0 && sink > prefix)
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "sink_tokens=%" PRId64 " is more than prefix=%" PRId64
                               ": expected at most as many",
                               sink, prefix);
    if (prefix > 0 && lists_or)
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "prefix=%" PRId64 " with lists=or: expected one of them, or the "
                               "prefix as any=prefix[%" PRId64 "]",
                               prefix, prefix);
    if (prefix > 0) {
        if (causal)
            right = right == ATTN_UNBOUNDED ? 0 : attn__min_i64(right, 0);
        if (causal || window)
            add_band(p, true, left, right);
        if (causal || window || any)
            add_prefix(p, prefix);
        return ATTN_OK;
    }
    if (causal)
        add_band(p, false, ATTN_UNBOUNDED, 0);
    if (window)
        add_band(p, sink > 0 || lists_or, left, right);
    if (sink > 0 && (window || any || lists_or))
        add_prefix(p, sink);
    return ATTN_OK;
}

static bool per_head(const struct attn__piece_kind *k, const struct attn__piece_value *v)
{
    return k->flags & ATTN__PIECE_HEADS && v->n > k->n_values;
}

/* Values that do not fit into the piece itself. */
static size_t room_of(const struct attn__piece_value *v)
{
    const struct attn__piece_kind *k = attn__piece_kind_by_number(v->kind);

    return per_head(k, v) || k->flags & ATTN__PIECE_TABLE ? v->n : 0;
}

size_t attn__pieces_room(const struct attn__params *v)
{
    size_t n = 0;

    for (size_t i = 0; i < v->pieces.n; i++)
        n += room_of(&v->pieces.piece[i]);
    return n;
}

/* Execute has one place for what each kind brings. */
static bool has_given(const struct attn__problem *p, int32_t kind)
{
    for (int32_t n = 0; n < p->n_pieces; n++)
        if (p->piece[n].kind == kind && p->piece[n].given)
            return true;
    return false;
}

/* A piece of the descriptor; *room moves past what it took. */
static int32_t added(struct attn__problem *p, const struct attn__piece_value *v, int64_t **room)
{
    const struct attn__piece_kind *k = attn__piece_kind_by_number(v->kind);
    bool table = k->flags & ATTN__PIECE_TABLE, any = v->mode == ATTN_MODE_ANY;
    bool given = v->kind == ATTN_PIECE_LIST || v->kind == ATTN_PIECE_TREE ||
                 (k->flags & ATTN__PIECE_LATER && v->n == 0);
    int64_t first[4] = {0}, *copy = *room;

    if (v->kind == ATTN_PIECE_SEGMENT && !any) {
        p->segments = true;
        return ATTN_OK;
    }
    if (given && has_given(p, v->kind))
        return attn__error_set(ATTN_ERR_INVALID,
                               "there are two %s pieces that come at execute, expected at most one",
                               k->name);
    if (per_head(k, v) && v->n != k->n_values * (size_t)p->hout)
        return attn__error_set(ATTN_ERR_INVALID,
                               "piece %s has %zu values, expected %zu, or as many for each of the "
                               "%" PRId64 " output heads",
                               k->name, v->n, k->n_values, p->hout);
    for (size_t i = 0; i < v->n && i < k->n_values && i < 4; i++)
        first[i] = v->values[i];
    add(p, v->kind, any, (int32_t)(table ? v->n : k->n_values), first);

    struct attn__piece *e = &p->piece[p->n_pieces - 1];
    e->given = given;
    if (room_of(v) > 0) {
        memcpy(copy, v->values, v->n * sizeof *copy);
        *room += v->n;
        e->heads = table ? NULL : copy;
        e->see = table ? copy : NULL;
    }
    return ATTN_OK;
}

/* The lists of role SELECTION. */
static void add_lists(const struct attn__params *v, struct attn__problem *p)
{
    bool any = attn__params_i64_or(v, ATTN_PARAM_LISTS, ATTN_LISTS_AND) == ATTN_LISTS_OR;

    p->select.layout =
        (int32_t)attn__params_i64_or(v, ATTN_PARAM_LISTS_LAYOUT, ATTN_SELECTION_ROWS);
    p->select.logits = attn__params_i64_or(v, ATTN_PARAM_LISTS_LOGITS, 0) != 0;
    add(p, ATTN__PIECE_ROWS, any, 0, (int64_t[4]){0});
    p->piece[p->n_pieces - 1].given = true;
}

static bool is_plain(const struct attn__problem *p, const struct attn__piece *e)
{
    if (e->heads)
        return false;
    return (e->kind == ATTN_PIECE_BAND && !p->positions) || e->kind == ATTN_PIECE_PREFIX ||
           (e->kind == ATTN_PIECE_RECT && !e->given);
}

void attn__pieces_settle(struct attn__problem *p)
{
    p->plain_pieces = true;
    for (int32_t n = 0; n < p->n_pieces; n++)
        p->plain_pieces &= is_plain(p, &p->piece[n]);
}

static int32_t check(const struct attn__problem *p)
{
    if (p->mask_fn && p->dtype == ATTN_DTYPE_F64)
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "a mask function with dtype=f64, expected another type");
    return ATTN_OK;
}

int32_t attn__pieces_fill(const struct attn__params *v, struct attn__problem *p, int64_t *room)
{
    p->align = (int32_t)attn__params_i64_or(v, ATTN_PARAM_ALIGN, ATTN_ALIGN_BOTTOM_RIGHT);
    p->segments = attn__params_i64_or(v, ATTN_PARAM_SEGMENTS, 0) != 0;
    p->mask = attn__params_i64_or(v, ATTN_PARAM_MASK, 0) != 0;
    p->positions = attn__params_i64_or(v, ATTN_PARAM_POSITIONS, 0) != 0;
    p->mask_fn = v->mask_fn;
    int32_t status = shorthand(v, p);
    for (size_t i = 0; i < v->pieces.n && status == ATTN_OK; i++)
        status = added(p, &v->pieces.piece[i], &room);
    bool lists = false;
    if (status == ATTN_OK)
        status = attn__params_is_set(v, ATTN_PARAM_LISTS, &lists);
    if (lists)
        add_lists(v, p);
    attn__pieces_settle(p);
    return status == ATTN_OK ? check(p) : status;
}

void attn__pieces_roles(struct attn__problem *p)
{
    static const struct {
        int32_t kind;
        enum attn__slot slot[2];
    } roles[] = {
        {ATTN_PIECE_RECT, {ATTN__SLOT_RECTS, ATTN__SLOT_RECTS}},
        {ATTN_PIECE_PREFIX, {ATTN__SLOT_PREFIX_LEN, ATTN__SLOT_PREFIX_LEN}},
        {ATTN_PIECE_SEGMENT, {ATTN__SLOT_SEG_Q, ATTN__SLOT_SEG_K}},
        {ATTN_PIECE_PAIR, {ATTN__SLOT_CLASS_Q, ATTN__SLOT_CLASS_K}},
        {ATTN_PIECE_LIST, {ATTN__SLOT_LIST_OFFSETS, ATTN__SLOT_LIST_INDEX}},
        {ATTN_PIECE_TREE, {ATTN__SLOT_TREE_BITS, ATTN__SLOT_TREE_BITS}},
    };

    if (p->segments)
        p->takes[ATTN__SLOT_SEG_Q] = p->takes[ATTN__SLOT_SEG_K] = ATTN__TAKES_MUST;
    if (p->select.layout)
        p->takes[ATTN__SLOT_SELECTION] = ATTN__TAKES_MUST;
    for (int32_t n = 0; n < p->n_pieces; n++) {
        const struct attn__piece *e = &p->piece[n];
        bool later = e->kind == ATTN_PIECE_RECT || e->kind == ATTN_PIECE_PREFIX;
        for (size_t r = 0; r < sizeof roles / sizeof roles[0]; r++)
            for (int side = 0; side < 2 && roles[r].kind == e->kind && (!later || e->given); side++)
                p->takes[roles[r].slot[side]] = ATTN__TAKES_MUST;
    }
}
