/* SPDX-License-Identifier: MIT */
/*
 * Ranges of keys and blocks that a row of queries may have.
 */
#include "solvers/select_view.h"

int64_t attn__pooled_offset(const struct attn__pooled_job *x, int64_t b, int64_t j)
{
    const attn_tensor *t = x->m->offsets;
    int64_t at = (t->shape[0] > 1 ? b * t->stride[0] : 0) + j * t->stride[1];
    return attn__load_i64(t->data, at, t->dtype);
}

struct attn__pooled_view attn__pooled_view_of(const struct attn__pooled_job *x, int64_t b)
{
    struct attn__pooled_view v = {.s = attn__call_seq(x->r->call, b)};
    v.queries = attn__max_i64(v.s.nq - x->spec->tail, 0);
    v.blocks = attn__pooled_parts(v.s.nk, x->spec->k_block);
    v.units = attn__pooled_parts(v.s.nk, attn__pooled_unit(x->spec));
    if (x->spec->ragged) {
        v.units = x->m->offsets->shape[1] - 1;
        v.blocks = x->spec->tokens ? v.s.nk : v.units;
    }
    if (attn__pooled_is_given(x->spec))
        v.units = x->spec->rep == ATTN__REP_WINDOWS
                      ? x->m->k.shape[2]
                      : attn__min_i64(x->m->k.shape[2], x->spec->ragged ? v.units : v.blocks);
    return v;
}

/* The block that key j lies in; as many as there are, or -1 in front. */
static int64_t block_at(const struct attn__pooled_job *x, const struct attn__pooled_view *v,
                        int64_t j)
{
    if (j < 0)
        return -1;
    if (!x->spec->ragged || x->spec->tokens)
        return attn__min_i64(j / x->spec->k_block, v->blocks);
    int64_t lo = 0, hi = v->blocks;
    while (lo < hi) {
        int64_t middle = lo + (hi - lo) / 2;
        if (attn__pooled_offset(x, v->s.index, middle + 1) <= j)
            lo = middle + 1;
        else
            hi = middle;
    }
    return lo;
}

void attn__pooled_block(const struct attn__pooled_job *x, const struct attn__pooled_view *v,
                        int64_t j, int64_t *lo, int64_t *hi)
{
    int64_t unit = attn__pooled_unit(x->spec);
    *lo = x->spec->ragged ? attn__pooled_offset(x, v->s.index, j) : j * unit;
    *hi = x->spec->ragged ? attn__pooled_offset(x, v->s.index, j + 1)
                          : attn__min_i64(v->s.nk, *lo + unit);
}

struct attn__pooled_row attn__pooled_row_of(const struct attn__pooled_job *x,
                                            const struct attn__pooled_view *v, int64_t t)
{
    const struct attn__pooled_spec *spec = x->spec;
    struct attn__pooled_row w = {.t = t, .first = t * spec->q_block};
    w.end = w.first + spec->q_block;
    int64_t end = attn__min_i64(w.end + v->s.off, v->s.nk); /* of the keys in view */
    if (w.first >= v->queries)
        return w;
    w.open_end = v->blocks;
    if (spec->open != ATTN__OPEN_ALL)
        w.open_end = attn__min_i64(block_at(x, v, end - 1) + 1, v->blocks);
    w.open = w.open_end;
    if (spec->open == ATTN__OPEN_BEFORE)
        w.open = attn__min_i64(attn__max_i64(block_at(x, v, w.first + v->s.off), 0), w.open_end);
    if (spec->latest > 0) /* of tokens */
        w.open_from = attn__min_i64(attn__max_i64(w.end + v->s.off - spec->latest, 0), w.open_end);
    int64_t open = w.open_end - w.open_from;
    w.forced_to = w.open_from + attn__min_i64(spec->first, open);
    w.forced_from = w.open_end - attn__min_i64(spec->last, open);
    return w;
}

int64_t attn__pooled_units(const struct attn__pooled_job *x, const struct attn__pooled_view *v,
                           const struct attn__pooled_row *w, int64_t sub)
{
    const struct attn__pooled_spec *spec = x->spec;
    int64_t end = attn__min_i64(w->end + v->s.off, v->s.nk);
    if (spec->rep == ATTN__REP_STRIDES) {
        int64_t i = w->first + sub * spec->stride; /* its first query */
        if (i >= v->queries)
            return 0;
        if (spec->open == ATTN__OPEN_ALL)
            return v->units;
        end = attn__min_i64(i + spec->stride + v->s.off, v->s.nk);
        return attn__min_i64(attn__pooled_parts(attn__max_i64(end, 0), spec->stride), v->units);
    }
    if (spec->rep == ATTN__REP_WINDOWS) {
        if (spec->open == ATTN__OPEN_ALL)
            return v->units;
        return end < spec->window
                   ? 0
                   : attn__min_i64((end - spec->window) / spec->stride + 1, v->units);
    }
    if (spec->tokens) {
        int64_t n = 0; /* blocks that begin before the open tokens end */
        while (n < v->units && attn__pooled_offset(x, v->s.index, n) < w->open)
            n++;
        return n;
    }
    return attn__min_i64(attn__max_i64(w->open, w->open_end), v->units);
}
