/* SPDX-License-Identifier: MIT */
/*
 * What execute brings for pieces of visibility: extents that follow from
 * their values, and, with check=indices, the entries.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/checked.h"
#include "base/error.h"
#include "plan/bind.h"

/* A tensor of up to three dimensions. */
struct view {
    enum attn__slot slot;
    const attn_tensor *t;
    int64_t n[3];
};

static struct view view_of(const struct attn__dims *d, enum attn__slot slot)
{
    struct view v = {slot, &d->call->t[slot], {1, 1, 1}};

    for (int32_t r = 0; r < v.t->rank; r++)
        v.n[r] = v.t->shape[r];
    return v;
}

static int64_t entry(const struct view *v, int64_t a, int64_t b, int64_t c)
{
    const int64_t index[3] = {a, b, c};
    int64_t at = 0;

    for (int32_t r = 0; r < v->t->rank; r++)
        at += index[r] * v->t->stride[r];
    return attn__load_i64(v->t->data, at, v->t->dtype);
}

static int32_t in_range(const struct view *v, int64_t a, int64_t b, int64_t c, int64_t lo,
                        int64_t hi)
{
    int64_t found = entry(v, a, b, c);
    char where[64];

    if (found >= lo && found <= hi)
        return ATTN_OK;
    snprintf(where, sizeof where,
             v->t->rank == 1   ? "%" PRId64
             : v->t->rank == 2 ? "%" PRId64 ",%" PRId64
                               : "%" PRId64 ",%" PRId64 ",%" PRId64,
             a, b, c);
    return attn__error_set(ATTN_ERR_RANGE,
                           "%s[%s] is %" PRId64 ", expected %" PRId64 " to %" PRId64,
                           attn__role_table[v->slot].name, where, found, lo, hi);
}

static int32_t at_least(const struct view *v, int dimension, int64_t least)
{
    if (v->n[dimension] >= least)
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_SHAPE,
                           "%s has extent %" PRId64 " in dimension %d, expected at least %" PRId64,
                           attn__role_table[v->slot].name, v->n[dimension], dimension, least);
}

static int32_t all_below(const struct attn__dims *d, enum attn__slot slot, int64_t end)
{
    struct view v = view_of(d, slot);
    int32_t status = ATTN_OK;

    for (int64_t a = 0; a < v.n[0]; a++)
        for (int64_t b = 0; b < v.n[1] && status == ATTN_OK; b++)
            status = in_range(&v, a, b, 0, 0, end - 1);
    return status;
}

static int32_t classes(const struct attn__dims *d, const struct attn__piece *e)
{
    int32_t status = all_below(d, ATTN__SLOT_CLASS_Q, e->n);

    return status == ATTN_OK ? all_below(d, ATTN__SLOT_CLASS_K, 64) : status;
}

/* Each inside the longest sequence: rectangles may be shared by all. */
static int32_t rectangles(const struct attn__dims *d)
{
    struct view v = view_of(d, ATTN__SLOT_RECTS);

    for (int64_t a = 0; a < v.n[0]; a++)
        for (int64_t b = 0; b < v.n[1]; b++)
            for (int64_t c = 0; c < 4; c++) {
                int64_t lo = c % 2 == 0 ? 0 : entry(&v, a, b, c - 1);
                int32_t status = in_range(&v, a, b, c, lo, c < 2 ? d->max_q : d->max_k);
                if (status != ATTN_OK)
                    return status;
            }
    return ATTN_OK;
}

static int64_t blocks(int64_t n, int64_t block)
{
    return block == ATTN_UNBOUNDED ? n > 0 : n / block + (n % block != 0);
}

/* One list: offsets that rise within LIST_INDEX, entries that rise strictly. */
static int32_t one_list(const struct view *offsets, const struct view *index, int64_t a, int64_t b,
                        int64_t c, int64_t key_blocks)
{
    int32_t status = in_range(offsets, a, b, c, 0, index->n[0]);
    int64_t first, least = 0;

    if (status != ATTN_OK)
        return status;
    first = entry(offsets, a, b, c);
    status = in_range(offsets, a, b, c + 1, first, index->n[0]);
    for (int64_t n = first; status == ATTN_OK && n < entry(offsets, a, b, c + 1); n++) {
        status = in_range(index, n, 0, 0, least, key_blocks - 1);
        least = entry(index, n, 0, 0) + 1;
    }
    return status;
}

static int32_t lists(const struct attn__dims *d, const struct attn__piece *e)
{
    struct view offsets = view_of(d, ATTN__SLOT_LIST_OFFSETS);
    struct view index = view_of(d, ATTN__SLOT_LIST_INDEX);
    int64_t n = blocks(d->max_q, e->v[0]), key_blocks = blocks(d->max_k, e->v[1]);
    int32_t status = at_least(&offsets, 2, n + 1);

    if (d->p->check < ATTN_CHECK_INDICES)
        return status;
    for (int64_t a = 0; a < offsets.n[0]; a++)
        for (int64_t b = 0; b < offsets.n[1]; b++)
            for (int64_t c = 0; c < n && status == ATTN_OK; c++)
                status = one_list(&offsets, &index, a, b, c, key_blocks);
    return status;
}

static int32_t trees(const struct attn__dims *d, const struct attn__piece *e)
{
    struct view v = view_of(d, ATTN__SLOT_TREE_BITS);

    return at_least(&v, 2, blocks(e->v[0] == ATTN_UNBOUNDED ? d->max_q : e->v[0], 64));
}

int32_t attn__bind_pieces(const struct attn__dims *d)
{
    bool check = d->p->check >= ATTN_CHECK_INDICES;
    int32_t status = ATTN_OK;

    for (int32_t n = 0; n < d->p->n_pieces && status == ATTN_OK; n++) {
        const struct attn__piece *e = &d->p->piece[n];
        if (e->kind == ATTN_PIECE_LIST)
            status = lists(d, e);
        else if (e->kind == ATTN_PIECE_TREE)
            status = trees(d, e);
        else if (e->kind == ATTN_PIECE_PAIR && check)
            status = classes(d, e);
        else if (e->kind == ATTN_PIECE_RECT && e->given && check)
            status = rectangles(d);
        else if (e->kind == ATTN_PIECE_PREFIX && e->given && check)
            status = all_below(d, ATTN__SLOT_PREFIX_LEN, d->max_k + 1);
    }
    return status;
}
