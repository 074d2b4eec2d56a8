/* SPDX-License-Identifier: MIT */
/*
 * Rows of Q and K as a solver computes with them.
 */
#include "solvers/qk_load.h"

#include "solvers/qk_norm.h"

struct attn__qk_room *attn__qk_room_take(struct attn__scratch *s, const struct attn__problem *p)
{
    struct attn__qk_room *room = ATTN__TAKE(s, 1, struct attn__qk_room), r = {0};
    attn__rope_room_take(s, p, &r.rope);
    if (room)
        *room = r;
    return room;
}

struct attn__qk attn__qk_begin(const struct attn__call *c, const struct attn__seq *s,
                               struct attn__qk_room *room)
{
    attn__rope_room_begin(&c->p->rope, &room->rope, s->nk);
    return (struct attn__qk){c, s, room, 0};
}

double attn__qk_cost_k(const struct attn__problem *p)
{
    double rope = p->rope.on_k ? 2.5 * (double)p->rope.dim / (double)p->d : 0;
    return rope + (p->qk_norm.kind == ATTN_QK_NORM_NONE ? 0 : 4);
}

/* Where row n of a sequence stands, and how many of `rows` follow it. */
static int64_t position(const struct attn__qk *x, bool keys, int64_t n, int64_t *rows)
{
    enum attn__slot slot = keys ? ATTN__SLOT_ROPE_POS_K : ATTN__SLOT_ROPE_POS_Q;
    const attn_tensor *t = &x->c->t[slot];
    if (!x->c->has[slot]) {
        slot = keys ? ATTN__SLOT_POS_K : ATTN__SLOT_POS_Q;
        t = &x->c->t[slot];
    }
    if (!x->c->has[slot] && x->c->view) {
        const struct attn__paged_step *step = &x->c->view->step[x->s->index];
        return attn__paged_place(step, keys ? n : n + x->s->off, rows) - (keys ? 0 : x->base);
    }
    if (!x->c->has[slot])
        return keys ? n : n + x->s->off;
    int64_t at = (t->shape[0] == 1 ? 0 : x->s->b * t->stride[0]) +
                 ((keys ? x->s->k0 : x->s->q0) + n) * t->stride[1];
    int64_t first = attn__load_i64(t->data, at, t->dtype), i = 1;
    while (i < *rows && first <= INT64_MAX - i &&
           attn__load_i64(t->data, at + i * t->stride[1], t->dtype) == first + i)
        i++;
    *rows = i;
    return first;
}

/* The parts of a view begin at the same numbers in all tables. */
static int64_t part_base(const struct attn__qk *x, int64_t j, int64_t *n)
{
    const struct attn__paged_view *v = x->c->view;
    return attn__paged_base(&v->table[x->s->index * v->seq_tables], j, n);
}

static void turn_parts(const struct attn__qk *x, const struct attn__kernels *kern, int64_t j,
                       int64_t rows, float *dst, int64_t ld)
{
    while (rows > 0) {
        int64_t n = rows, base = part_base(x, j, &n);
        for (int64_t r = 0; r < n && base > 0; r++)
            attn__rope_turn_rows(kern, &x->c->p->rope, &x->room->rope, base, 1, dst + r * ld, ld);
        rows -= n;
        j += n;
        dst += n * ld;
    }
}

static void change(const struct attn__qk *x, const struct attn__kernels *kern, bool keys,
                   int64_t h, int64_t n0, int64_t rows, float *dst, int64_t ld)
{
    const struct attn__problem *p = x->c->p;
    const struct attn__rope *r = &p->rope;
    if (p->qk_norm.kind != ATTN_QK_NORM_NONE)
        attn__qk_norm_rows(x->c, kern, keys, h, rows, dst, ld);
    if (keys && p->view.local)
        turn_parts(x, kern, n0, rows, dst, ld);
    while (rows > 0 && (keys ? r->on_k : r->on_q)) {
        int64_t n = rows, at = position(x, keys, n0, &n);
        attn__rope_turn_rows(kern, r, &x->room->rope, at, n, dst, ld);
        dst += n * ld;
        n0 += n;
        rows -= n;
    }
}

void attn__qk_load_q(const struct attn__qk *x, const struct attn__kernels *kern, int64_t h,
                     int64_t i0, int64_t rows, float *dst, int64_t ld)
{
    struct attn__rows q = attn__call_q(x->c, x->s, h);
    attn__rows_to_f32(kern, &q, i0, rows, 0, x->c->p->d, dst, ld);
    change(x, kern, false, h, i0, rows, dst, ld);
}

void attn__qk_load_k(const struct attn__qk *x, const struct attn__kernels *kern, int64_t h,
                     const struct attn__rows *k, int64_t j0, int64_t rows, float *dst, int64_t ld)
{
    attn__rows_to_f32(kern, k, j0, rows, 0, x->c->p->d, dst, ld);
    change(x, kern, true, h, j0, rows, dst, ld);
}

static void change_f64(const struct attn__qk *x, bool keys, int64_t h, int64_t n, double *row)
{
    const struct attn__problem *p = x->c->p;
    const struct attn__rope *r = &p->rope;
    if (p->qk_norm.kind != ATTN_QK_NORM_NONE)
        attn__qk_norm_f64(x->c, keys, h, row);
    int64_t one = 1;
    if (keys && p->view.local)
        attn__rope_turn_f64(r, &x->room->rope, part_base(x, n, &one), row);
    else if (keys ? r->on_k : r->on_q)
        attn__rope_turn_f64(r, &x->room->rope, position(x, keys, n, &one), row);
}

void attn__qk_change_q_f64(const struct attn__qk *x, int64_t h, int64_t i, double *row)
{
    change_f64(x, false, h, i, row);
}

void attn__qk_change_k_f64(const struct attn__qk *x, int64_t h, int64_t j, double *row)
{
    change_f64(x, true, h, j, row);
}
