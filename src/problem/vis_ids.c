/* SPDX-License-Identifier: MIT */
/*
 * Pieces that follow from numbers of queries and keys which execute brought:
 * segments, classes, and positions instead of places. Tiles are judged from
 * the extremes of the numbers, or from which classes there are.
 */
#include "problem/vis_piece.h"

struct range {
    int64_t least, greatest;
};

/* Dense numbers, the usual ones, without a choice in the loop. */
#define ATTN__RANGE(name, type)                                                                    \
    static struct range name(const type *x, int64_t n)                                             \
    {                                                                                              \
        type least = x[0], greatest = x[0];                                                        \
        for (int64_t i = 1; i < n; i++) {                                                          \
            least = x[i] < least ? x[i] : least;                                                   \
            greatest = x[i] > greatest ? x[i] : greatest;                                          \
        }                                                                                          \
        return (struct range){least, greatest};                                                    \
    }
ATTN__RANGE(range_i32, int32_t)
ATTN__RANGE(range_i64, int64_t)
#undef ATTN__RANGE

/* Of numbers i0..i1-1, at least one. */
static struct range range_of(const struct attn__vis_ids *d, int64_t i0, int64_t i1)
{
    const char *first = (const char *)d->data + (d->at + i0) * (int64_t)attn__dtype_size(d->dtype);
    struct range r = {INT64_MAX, INT64_MIN};

    if (d->stride == 1 && (uintptr_t)first % attn__dtype_size(d->dtype) == 0) {
        if (d->dtype == ATTN_DTYPE_I32)
            return range_i32((const int32_t *)(const void *)first, i1 - i0);
        if (d->dtype == ATTN_DTYPE_I64)
            return range_i64((const int64_t *)(const void *)first, i1 - i0);
    }
    for (int64_t i = i0; i < i1; i++) {
        int64_t id = attn__vis_id(d, i);
        r.least = id < r.least ? id : r.least;
        r.greatest = id > r.greatest ? id : r.greatest;
    }
    return r;
}

enum attn__tile attn__vis_segment_tile(const struct attn__vis *v, const struct attn__vis_rows *r,
                                       int64_t j0, int64_t j1)
{
    struct range q = range_of(&v->seg_q, r->i0, r->i1), k = range_of(&v->seg_k, j0, j1);

    if (q.greatest < k.least || k.greatest < q.least)
        return ATTN__TILE_EMPTY;
    return q.least == q.greatest && k.least == k.greatest ? ATTN__TILE_FULL : ATTN__TILE_PARTIAL;
}

/* The classes that query i sees. */
static uint64_t seen_by(const struct attn__vis *v, const struct attn__piece *e, int64_t i)
{
    int64_t c = attn__vis_id(&v->class_q, i);

    return c < e->n ? (uint64_t)e->see[c] : 0;
}

static enum attn__tile pair_tile(const struct attn__vis *v, const struct attn__piece *e,
                                 const struct attn__vis_rows *r, int64_t j0, int64_t j1)
{
    uint64_t keys = 0, all = ~UINT64_C(0), some = 0;

    for (int64_t j = j0; j < j1; j++)
        keys |= UINT64_C(1) << (attn__vis_id(&v->class_k, j) & 63);
    for (int64_t i = r->i0; i < r->i1; i++) {
        uint64_t see = seen_by(v, e, i);
        all &= see;
        some |= see;
    }
    if (!(keys & some))
        return ATTN__TILE_EMPTY;
    return keys & ~all ? ATTN__TILE_PARTIAL : ATTN__TILE_FULL;
}

/* Differences of positions may be anything. */
static int64_t minus(int64_t a, int64_t b)
{
    int64_t d;
    return __builtin_sub_overflow(a, b, &d) ? (a > b ? INT64_MAX : INT64_MIN) : d;
}

static bool in_band(const int64_t *val, int64_t distance)
{
    return (val[0] == ATTN_UNBOUNDED || distance >= -val[0]) &&
           (val[1] == ATTN_UNBOUNDED || distance <= val[1]);
}

/* I of a band for a query at `pos`. */
static int64_t unit_of(const int64_t *val, int64_t pos)
{
    return attn__vis_floor(attn__vis_add(pos, val[2]), val[3]);
}

static enum attn__tile band_tile(const struct attn__vis *v, const int64_t *val,
                                 const struct attn__vis_rows *r, int64_t j0, int64_t j1)
{
    struct range q = range_of(&v->pos_q, r->i0, r->i1), k = range_of(&v->pos_k, j0, j1);
    int64_t least = minus(attn__vis_floor(k.least, val[3]), unit_of(val, q.greatest));
    int64_t greatest = minus(attn__vis_floor(k.greatest, val[3]), unit_of(val, q.least));

    if (in_band(val, least) && in_band(val, greatest))
        return ATTN__TILE_FULL;
    if ((val[1] != ATTN_UNBOUNDED && least > val[1]) ||
        (val[0] != ATTN_UNBOUNDED && greatest < -val[0]))
        return ATTN__TILE_EMPTY;
    return ATTN__TILE_PARTIAL;
}

bool attn__vis_is_by_id(const struct attn__vis *v, const struct attn__piece *e)
{
    bool by_pos = v->p->positions && (e->kind == ATTN_PIECE_BAND || e->kind == ATTN_PIECE_STRIDE);

    return by_pos || e->kind == ATTN_PIECE_SEGMENT || e->kind == ATTN_PIECE_PAIR;
}

enum attn__tile attn__vis_id_tile(const struct attn__vis *v, const struct attn__piece *e,
                                  const int64_t *val, const struct attn__vis_rows *r, int64_t j0,
                                  int64_t j1)
{
    switch (e->kind) {
    case ATTN_PIECE_SEGMENT:
        return attn__vis_segment_tile(v, r, j0, j1);
    case ATTN_PIECE_PAIR:
        return pair_tile(v, e, r, j0, j1);
    case ATTN_PIECE_BAND:
        return band_tile(v, val, r, j0, j1);
    default:
        return val[1] == 1 ? ATTN__TILE_FULL : ATTN__TILE_PARTIAL;
    }
}

/* ---- words ---- */

static void load(const struct attn__vis_ids *d, const struct attn__vis_keys *keys, int64_t *to)
{
    for (int64_t k = 0; k < keys->n; k++)
        to[k] = attn__vis_id(d, keys->j0 + k);
}

static void load_classes(const struct attn__vis *v, struct attn__vis_keys *keys)
{
    keys->classes = 0;
    for (int64_t k = 0; k < keys->n; k++) {
        int64_t c = attn__vis_id(&v->class_k, keys->j0 + k) & 63;
        if (!(keys->classes >> c & 1))
            keys->of_class[c] = 0;
        keys->classes |= UINT64_C(1) << c;
        keys->of_class[c] |= UINT64_C(1) << k;
    }
}

static void load_positions(const struct attn__vis *v, struct attn__vis_keys *keys)
{
    load(&v->pos_k, keys, keys->pos);
    keys->has_pos = true;
    /* so that sums of a position and 64 fit */
    keys->in_order = keys->pos[0] > -(INT64_C(1) << 62) && keys->pos[0] < INT64_C(1) << 62;
    for (int64_t k = 1; k < keys->n && keys->in_order; k++)
        keys->in_order = keys->pos[k] == keys->pos[0] + k;
}

static uint64_t segment_word(const struct attn__vis *v, int64_t i, struct attn__vis_keys *keys)
{
    int64_t id = attn__vis_id(&v->seg_q, i);
    uint64_t word = 0;

    if (!keys->has_seg)
        load(&v->seg_k, keys, keys->seg);
    keys->has_seg = true;
    for (int64_t k = 0; k < keys->n; k++)
        word |= (uint64_t)(keys->seg[k] == id) << k;
    return word;
}

static uint64_t pair_word(const struct attn__vis *v, const struct attn__piece *e, int64_t i,
                          struct attn__vis_keys *keys)
{
    uint64_t word = 0;

    if (!keys->has_class)
        load_classes(v, keys);
    keys->has_class = true;
    for (uint64_t c = seen_by(v, e, i) & keys->classes; c; c &= c - 1)
        word |= keys->of_class[__builtin_ctzll(c)];
    return word;
}

static uint64_t band_word(const struct attn__vis *v, const int64_t *val, int64_t i,
                          const struct attn__vis_keys *keys)
{
    int64_t at = unit_of(val, attn__vis_id(&v->pos_q, i)), unit = val[3];
    /* first and last place of a key in view */
    int64_t lo = val[0] == ATTN_UNBOUNDED ? INT64_MIN
                                          : attn__vis_times(attn__vis_add(at, -val[0]), unit);
    int64_t hi = val[1] == ATTN_UNBOUNDED
                     ? INT64_MAX
                     : attn__vis_times(attn__vis_add(at, val[1]), unit);
    uint64_t word = 0;

    if (val[1] != ATTN_UNBOUNDED)
        hi = attn__vis_add(hi, unit - 1);
    if (keys->in_order)
        return attn__vis_run(keys->pos[0], keys->n, lo, attn__vis_add(hi, 1));
    for (int64_t k = 0; k < keys->n; k++)
        word |= (uint64_t)(keys->pos[k] >= lo && keys->pos[k] <= hi) << k;
    return word;
}

static uint64_t stride_word(const int64_t *val, const struct attn__vis_keys *keys)
{
    uint64_t word = 0;

    for (int64_t k = 0; k < keys->n; k++) {
        int64_t past = attn__vis_floor(keys->pos[k], val[0]) % val[1] + val[2] % val[1];
        word |= (uint64_t)(past % val[1] == 0) << k;
    }
    return word;
}

uint64_t attn__vis_id_word(const struct attn__vis *v, const struct attn__piece *e,
                           const int64_t *val, int64_t i, struct attn__vis_keys *keys)
{
    if (e->kind == ATTN_PIECE_SEGMENT)
        return segment_word(v, i, keys);
    if (e->kind == ATTN_PIECE_PAIR)
        return pair_word(v, e, i, keys);
    if (!keys->has_pos)
        load_positions(v, keys);
    return e->kind == ATTN_PIECE_BAND ? band_word(v, val, i, keys) : stride_word(val, keys);
}
