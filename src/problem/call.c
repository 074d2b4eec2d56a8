/* SPDX-License-Identifier: MIT */
/*
 * From tensors by role to the rows of one sequence and head.
 */
#include "problem/call.h"

#include "base/checked.h"

static int64_t load_or(const struct attn__call *c, enum attn__slot slot, int64_t i,
                       int64_t fallback)
{
    const attn_tensor *t = &c->t[slot];
    return c->has[slot] ? attn__load_i64(t->data, i * t->stride[0], t->dtype) : fallback;
}

/* Rows of a role, or of what stands in its place before a recipe has made it. */
static int64_t rows_in(const struct attn__call *c, enum attn__slot slot, enum attn__slot instead)
{
    enum attn__slot there = c->has[slot] ? slot : instead;
    return c->has[there] ? c->t[there].shape[2] : 0;
}

struct attn__seq attn__call_seq(const struct attn__call *c, int64_t index)
{
    struct attn__seq s = {.index = index};
    int64_t tied = attn__problem_tied(c->p);
    if (c->p->packed) {
        s.q0 = load_or(c, ATTN__SLOT_Q_OFFSETS, index, 0);
        s.k0 = c->view ? 0 : load_or(c, ATTN__SLOT_K_OFFSETS, index, 0);
        s.q_all = load_or(c, ATTN__SLOT_Q_OFFSETS, index + 1, 0) - s.q0;
        s.k_all = c->view ? 0 : load_or(c, ATTN__SLOT_K_OFFSETS, index + 1, 0) - s.k0;
    } else {
        s.b = index;
        s.q_all = rows_in(c, ATTN__SLOT_Q, ATTN__SLOT_OUT);
        s.k_all = c->view ? 0 : rows_in(c, ATTN__SLOT_K, ATTN__SLOT_LATENT);
    }
    s.nq = load_or(c, ATTN__SLOT_Q_LEN, index, s.q_all);
    if (tied > 0) {
        s.k0 = s.q0 * tied;
        s.k_all = s.q_all * tied;
        s.nk = s.nq * tied;
        return s;
    }
    if (c->view) {
        s.k_all = s.nk = c->view->keys[index];
        s.off = s.nk - s.nq;
        return s;
    }
    s.k_skip = load_or(c, ATTN__SLOT_K_START, index, 0);
    s.k0 += s.k_skip;
    s.nk = load_or(c, ATTN__SLOT_K_LEN, index, s.k_all - s.k_skip);
    s.off = c->p->align == ATTN_ALIGN_TOP_LEFT ? 0 : s.nk - s.nq;
    return s;
}

static struct attn__rows rows_of(const attn_tensor *t, int64_t b, int64_t h, int64_t n0)
{
    struct attn__rows r = {.row = t->stride[2], .col = t->stride[3], .dtype = t->dtype};
    int64_t at = b * t->stride[0] + h * t->stride[1] + n0 * t->stride[2];
    r.base = (char *)t->data + at * (int64_t)attn__dtype_size(t->dtype);
    return r;
}

struct attn__rows attn__call_q(const struct attn__call *c, const struct attn__seq *s, int64_t h)
{
    return rows_of(&c->t[ATTN__SLOT_Q], s->b, c->p->q_head[h], s->q0);
}

static struct attn__rows paged_rows(const struct attn__call *c, const struct attn__seq *s,
                                    int64_t head, bool keys)
{
    const struct attn__paged_head *at = &c->view->head[head];
    const float *scale = keys ? c->view->k_scale : c->view->v_scale;
    int32_t dtype = keys ? at->k_stored : at->v_stored;
    bool scaled = scale && attn__dtype_fp8(dtype); /* of other groups nobody asks */
    const struct attn__paged_pool *pool = c->view->pool ? &c->view->pool[c->view_row] : NULL;
    const char *base = !pool ? NULL : keys ? pool->k : pool->v;
    return (struct attn__rows){.base = (char *)(uintptr_t)base,
                               .page = keys ? c->view->k_page : c->view->v_page,
                               .row = keys ? at->k_row : at->v_row,
                               .col = 1,
                               .dtype = dtype,
                               .paged = attn__call_paged_kv(c, s, head),
                               .view = c->view,
                               .at = keys ? at->k_at : at->v_at,
                               .values = !keys,
                               .open_at = keys ? at->open_k_at : at->open_v_at,
                               .open_row = keys ? at->open_k_row : at->open_v_row,
                               .scale = scaled ? scale[c->view_row * c->p->hk + head] : 1.0f};
}

int64_t attn__rows_alike(const struct attn__rows *r, int64_t i, int64_t n,
                         struct attn__rows *some)
{
    *some = *r;
    if (r->open_row == 0)
        return n;
    some->open_row = 0;
    if (attn__paged_open(r->paged, i, &n)) {
        some->dtype = ATTN_DTYPE_F32;
        some->at = r->open_at;
        some->row = r->open_row;
    }
    return n;
}

/* The head's first row of a page. */
static char *page_rows(const struct attn__rows *r, int32_t page)
{
    if (r->base)
        return r->base + page * r->page + r->at;
    const struct attn__paged_memory *m = attn__paged_page(r->view, page);
    return (r->values ? m->v : m->k) + r->at * m->beside;
}

/* attn__rows_page_run within a page. */
static int64_t run_in_page(const struct attn__rows *r, int64_t i, int64_t n, char **at)
{
    struct attn__paged_place place;
    n = attn__paged_find(r->paged, i, n, &place);
    *at = NULL;
    if (place.page < 0)
        return n;
    *at = page_rows(r, place.page) +
          attn__dtype_row_at(r->dtype, r->row * attn__dtype_step(r->dtype), place.slot);
    return n;
}

int64_t attn__rows_page_run(const struct attn__rows *r, int64_t i, int64_t n, char **at)
{
    int64_t run = run_in_page(r, i, n, at), bytes = r->row * attn__dtype_step(r->dtype);
    bool slabs = attn__dtype_slabs(r->dtype);
    int64_t first = slabs && *at ? attn__slab_row(*at) : 0; /* of its slab */
    while (run < n && *at) {
        char *next;
        int64_t more = run_in_page(r, i + run, n - run, &next);
        if (next != *at - first + attn__dtype_row_at(r->dtype, bytes, first + run))
            break;
        run += more;
    }
    return run;
}

char *attn__rows_in_page(const struct attn__rows *r, int64_t i)
{
    char *at;
    (void)attn__rows_page_run(r, i, 1, &at);
    return at;
}

struct attn__rows attn__call_k_head(const struct attn__call *c, const struct attn__seq *s,
                                     int64_t head)
{
    if (c->view)
        return paged_rows(c, s, head, true);
    return rows_of(&c->t[ATTN__SLOT_K], s->b, head, s->k0);
}

struct attn__rows attn__call_k(const struct attn__call *c, const struct attn__seq *s, int64_t h)
{
    return attn__call_k_head(c, s, c->p->k_head[h]);
}

struct attn__rows attn__call_v(const struct attn__call *c, const struct attn__seq *s, int64_t h)
{
    if (c->view)
        return paged_rows(c, s, c->p->v_head[h], false);
    return rows_of(&c->t[ATTN__SLOT_V], s->b, c->p->v_head[h], s->k0);
}

struct attn__rows attn__call_out(const struct attn__call *c, const struct attn__seq *s, int64_t h)
{
    return rows_of(&c->t[ATTN__SLOT_OUT], s->b, h, s->q0);
}

struct attn__rows attn__call_pairs(const struct attn__call *c, enum attn__slot slot,
                                   const struct attn__seq *s, int64_t h)
{
    const attn_tensor *t = &c->t[slot];
    struct attn__rows r = {.dtype = t->dtype};
    int64_t stride[4];
    for (int n = 0; n < 4; n++)
        stride[n] = t->shape[n] == 1 ? 0 : t->stride[n];
    r.row = stride[2];
    r.col = stride[3];
    int64_t at = s->index * stride[0] + h * stride[1] + s->k_skip * stride[3];
    r.base = (char *)t->data + at * (int64_t)attn__dtype_size(t->dtype);
    return r;
}

struct attn__rows attn__call_per_query(const struct attn__call *c, enum attn__slot slot,
                                       const struct attn__seq *s, int64_t h)
{
    const attn_tensor *t = &c->t[slot];
    struct attn__rows r = {.dtype = t->dtype, .col = t->rank > 3 ? t->stride[3] : 0};
    int64_t at = (t->shape[0] == 1 ? 0 : s->index * t->stride[0]) +
                 (t->shape[1] == 1 ? 0 : h * t->stride[1]);
    r.row = t->shape[2] == 1 ? 0 : t->stride[2];
    r.base = (char *)t->data + at * (int64_t)attn__dtype_size(t->dtype);
    return r;
}

struct attn__rows attn__call_per_row(const struct attn__call *c, enum attn__slot slot,
                                     const struct attn__seq *s, int64_t h)
{
    const attn_tensor *t = &c->t[slot];
    struct attn__rows r = {.row = t->stride[2], .dtype = t->dtype};
    int64_t at = s->b * t->stride[0] + h * t->stride[1] + s->q0 * t->stride[2];
    r.base = (char *)t->data + at * (int64_t)attn__dtype_size(t->dtype);
    return r;
}

struct attn__rows attn__call_class_k(const struct attn__call *c, const struct attn__seq *s)
{
    const attn_tensor *t = &c->t[ATTN__SLOT_CLASS_K];
    struct attn__rows r = {.row = t->stride[1], .dtype = t->dtype};
    r.base = (char *)t->data + (t->shape[0] == 1 ? 0 : s->b * t->stride[0]) + s->k0 * r.row;
    return r;
}

struct attn__rows attn__call_class_mass(const struct attn__call *c, const struct attn__seq *s,
                                        int64_t h)
{
    return rows_of(&c->t[ATTN__SLOT_CLASSMASS], s->b, h, s->q0);
}

void attn__call_store_argmax(const struct attn__call *c, const struct attn__seq *s, int64_t h,
                             int64_t i, int64_t j)
{
    if (!c->has[ATTN__SLOT_ARGMAX])
        return;
    struct attn__rows r = attn__call_per_row(c, ATTN__SLOT_ARGMAX, s, h);
    attn__store_i64(r.base, i * r.row, r.dtype, j < 0 ? -1 : j + s->k_skip);
}

struct attn__rows attn__call_colsum(const struct attn__call *c, const struct attn__seq *s,
                                    int64_t h)
{
    const attn_tensor *t = &c->t[ATTN__SLOT_COLSUM];
    struct attn__rows r = {.row = t->stride[2], .dtype = t->dtype};
    int64_t at = s->index * t->stride[0] + h * t->stride[1] + s->k_skip * t->stride[2];
    r.base = (char *)t->data + at * (int64_t)attn__dtype_size(t->dtype);
    return r;
}

static int64_t position(const attn_tensor *t, int64_t b, int64_t n)
{
    int64_t at = (t->shape[0] == 1 ? 0 : b * t->stride[0]) + n * t->stride[1];
    return attn__load_i64(t->data, at, t->dtype);
}

int64_t attn__call_pos_q(const struct attn__call *c, const struct attn__seq *s, int64_t i)
{
    return c->has[ATTN__SLOT_POS_Q] ? position(&c->t[ATTN__SLOT_POS_Q], s->b, s->q0 + i)
                                    : i + s->off;
}

int64_t attn__call_pos_k(const struct attn__call *c, const struct attn__seq *s, int64_t j)
{
    return c->has[ATTN__SLOT_POS_K] ? position(&c->t[ATTN__SLOT_POS_K], s->b, s->k0 + j) : j;
}

double attn__call_sink(const struct attn__call *c, const struct attn__seq *s, int64_t h,
                       int64_t i)
{
    const attn_tensor *t = &c->t[ATTN__SLOT_SINK_LOGITS];
    if (!c->has[ATTN__SLOT_SINK_LOGITS])
        return -INFINITY;
    if (t->rank == 1)
        return attn__load_f64(t->data, h * t->stride[0], t->dtype);
    if (t->rank == 2) { /* several of a head count as one that weighs as much */
        double max = -INFINITY, sum = 0;
        for (int64_t m = 0; m < t->shape[1]; m++) {
            double x = attn__load_f64(t->data, h * t->stride[0] + m * t->stride[1], t->dtype);
            max = x > max || x != x ? x : max;
        }
        for (int64_t m = 0; m < t->shape[1] && max > -INFINITY; m++)
            sum += exp(attn__load_f64(t->data, h * t->stride[0] + m * t->stride[1], t->dtype) -
                       max);
        return max == -INFINITY || max != max ? max : max + log(sum);
    }
    int64_t b = t->shape[0] == 1 ? 0 : s->index;
    int64_t n = t->shape[2] == 1 ? 0 : i;
    return attn__load_f64(t->data, b * t->stride[0] + h * t->stride[1] + n * t->stride[2],
                          t->dtype);
}
